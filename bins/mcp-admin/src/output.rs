//! What the operator sees: data on standard output, talk on standard error, and exit codes.

use std::io::{self, Write as _};
use std::process::ExitCode;

use mcp_store::{StoreError, StoreErrorKind};
use serde_json::Value;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Fault {
    message: String,
    hint: Option<String>,
    exit: Exit,
}

#[derive(Clone, Copy, Debug)]
enum Exit {
    /// The operator can mend it.
    Refused = 1,
    /// Ours, or the machine's.
    Ours = 2,
    /// The command line was not understood (sysexits.h).
    Usage = 64,
}

impl Fault {
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit: Exit::Refused }
    }

    pub(crate) fn ours(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit: Exit::Ours }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, exit: Exit::Usage }
    }

    /// Adds the way out.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        let fault = match error.kind {
            StoreErrorKind::Missing | StoreErrorKind::Refused => Self::refused(message),
            StoreErrorKind::Down | StoreErrorKind::NotDurable => Self::ours(message),
        };
        fault.maybe_hint(error.hint)
    }
}

/// Says on standard error what went wrong. If even that fails there is nobody left to tell.
pub(crate) fn complain(fault: &Fault) -> ExitCode {
    let mut stderr = io::stderr().lock();
    // Messages quote what was typed and what lies in files. Those of clap have several lines.
    let lines: Vec<_> = match fault.exit {
        Exit::Usage => fault.message.lines().map(escaped).collect(),
        Exit::Refused | Exit::Ours => vec![escaped(&fault.message)],
    };
    let _ = writeln!(stderr, "Error: {}", lines.join("\n"));
    if let Some(hint) = &fault.hint {
        let _ = writeln!(stderr, "hint: {}", escaped(hint));
    }
    ExitCode::from(fault.exit as u8)
}

/// What clap has to say: help and version are data, anything else is a usage error.
pub(crate) fn clap(said: &clap::Error) -> Result<(), Fault> {
    if said.use_stderr() {
        let text = said.to_string();
        let text = text.trim_end();
        // Without a command clap shows the help and says nothing.
        let message = match text.strip_prefix("error: ") {
            Some(message) => message.to_owned(),
            None => format!("no command was given\n\n{text}"),
        };
        return Err(Fault::usage(message));
    }
    quiet(said.print())
}

/// Where data goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints `text`, or the document if JSON was asked for.
    pub(crate) fn show(self, text: &str, document: &Value) -> Result<(), Fault> {
        quiet(self.print(text, document))
    }

    /// As [`show`](Self::show), where the reader's absence matters.
    pub(crate) fn print(self, text: &str, document: &Value) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            writeln!(stdout, "{document:#}")?;
        } else {
            stdout.write_all(text.as_bytes())?;
        }
        stdout.flush()
    }
}

/// A reader that went away (`| head`) is no failure.
fn quiet(written: io::Result<()>) -> Result<(), Fault> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fault::ours(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Text from outside on one line: what acts on a terminal, reorders text or cannot be seen
/// stands there as `\u{…}`.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn text_that_acts_is_shown_and_not_obeyed() {
        let hostile = "a\u{1b}[31mb\u{202e}c\nd\u{200b}e\u{0}";
        assert_eq!(escaped(hostile), r"a\u{1b}[31mb\u{202e}c\nd\u{200b}e\u{0}");
    }

    #[test]
    fn text_of_any_script_stays_as_it_is() {
        let harmless = "Zoë \"x\" \\ e\u{301} 日本 العربية 🙂";
        assert_eq!(escaped(harmless), harmless);
    }
}
