//! Why the server did not start, in the operator's words: what, where, and the way out.

use std::fmt::Display;
use std::process::ExitCode;

/// A start that was refused.
#[derive(Debug)]
pub(crate) struct StartFault {
    lines: String,
    /// Can the operator mend it? Else it is ours, or the machine's.
    mendable: bool,
}

impl StartFault {
    /// The operator's to mend: exit code 1.
    pub(crate) fn mendable(message: impl Display, hint: impl Into<Option<String>>) -> Self {
        Self { lines: lines(&message, hint.into()), mendable: true }
    }

    /// A part that is down: exit code 2.
    pub(crate) fn down(message: impl Display, hint: impl Into<Option<String>>) -> Self {
        Self { lines: lines(&message, hint.into()), mendable: false }
    }

    /// The operator's to mend, in lines of its own.
    pub(crate) fn plain(lines: String) -> Self {
        Self { lines, mendable: true }
    }

    /// Ours or the machine's: exit code 2.
    pub(crate) fn ours(message: impl Display) -> Self {
        Self { lines: format!("ERROR: {message}\n"), mendable: false }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.mendable { 1 } else { 2 })
    }

    /// Can the operator mend it?
    pub(crate) fn is_mendable(&self) -> bool {
        self.mendable
    }

    /// The message and the way out, for a line of the log.
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        let lines = self.lines.strip_prefix("ERROR: ").unwrap_or(&self.lines).trim_end();
        match lines.split_once("\nhint: ") {
            Some((message, hint)) => (message, Some(hint)),
            None => (lines, None),
        }
    }

    /// The lines for standard error.
    pub(crate) fn lines(&self) -> &str {
        &self.lines
    }
}

fn lines(message: &dyn Display, hint: Option<String>) -> String {
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    format!("ERROR: {message}\n{hint}")
}

impl From<mcp_config::ConfigError> for StartFault {
    fn from(fault: mcp_config::ConfigError) -> Self {
        let hint = fault.hint().map(str::to_owned);
        Self::mendable(fault, hint)
    }
}
