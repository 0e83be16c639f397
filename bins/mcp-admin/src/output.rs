//! What the operator sees: data on standard output, talk on standard error, and exit codes.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

use mcp_store::{AddRejection, EditRejection, StoreError, StoreErrorKind};
use serde_json::Value;

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Fault {
    message: String,
    hint: Option<String>,
    exit: Exit,
    /// What was asked for is done, but might not survive a power cut.
    unsure: bool,
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
    fn new(message: String, exit: Exit) -> Self {
        Self { message, hint: None, exit, unsure: false }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(message.into(), Exit::Refused)
    }

    pub(crate) fn ours(message: impl Into<String>) -> Self {
        Self::new(message.into(), Exit::Ours)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message.into(), Exit::Usage)
    }

    /// Refused in the words of another error.
    #[expect(clippy::needless_pass_by_value, reason = "an error is handed over")]
    pub(crate) fn from_fault(error: impl ToString) -> Self {
        Self::refused(error.to_string())
    }

    /// Our failure, in the words of another error.
    #[expect(clippy::needless_pass_by_value, reason = "an error is handed over")]
    pub(crate) fn from_failure(error: impl ToString) -> Self {
        Self::ours(error.to_string())
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn way_out(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Adds the way out.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint.into()))
    }

    /// Says what to look after, if what was asked for may be done nevertheless.
    pub(crate) fn about(self, subject: impl fmt::Display) -> Self {
        if self.unsure {
            self.hint(format!("it was about {subject}: look whether it is so"))
        } else {
            self
        }
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
            StoreErrorKind::Down => Self::ours(message),
            StoreErrorKind::NotDurable => Self { unsure: true, ..Self::ours(message) },
        };
        fault.maybe_hint(error.hint)
    }
}

impl From<AddRejection> for Fault {
    fn from(rejection: AddRejection) -> Self {
        match rejection {
            AddRejection::NameTaken | AddRejection::EmailTaken => {
                Self::refused(rejection.to_string())
            }
            AddRejection::Store(error) => error.into(),
        }
    }
}

impl From<EditRejection> for Fault {
    fn from(rejection: EditRejection) -> Self {
        match rejection {
            // Does not repeat what was typed: people type passwords where a name belongs.
            EditRejection::NotFound => {
                Self::refused("User not found").hint("the names are in: mcp-admin users list")
            }
            EditRejection::EmailTaken | EditRejection::LastAdmin => {
                Self::refused(rejection.to_string())
            }
            EditRejection::Store(error) => error.into(),
        }
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

/// Says on standard error what the operator should know, and what stops nothing.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "warning: {}", escaped(text));
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

    /// As [`show`](Self::show), for what was done: if it cannot be said there, the failure says it.
    pub(crate) fn tell(self, text: &str, document: &Value) -> Result<(), Fault> {
        match self.print(text, document) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let done = text.lines().collect::<Vec<_>>().join("; ");
                Err(Fault::ours(format!("{done} (but standard output cannot be written: {error})")))
            }
            _ => Ok(()),
        }
    }

    /// A line of work that goes on. Nothing where one document is wanted, which says it at its
    /// end; a reader that went away does not stop the work.
    pub(crate) fn progress(self, line: &str) {
        if !self.json {
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
        }
    }

    /// One of many: a line of text, or a document on one line.
    pub(crate) fn stream(self, line: &str, document: &Value) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            writeln!(stdout, "{}", safe_json(&document.to_string()))?;
        } else {
            stdout.write_all(line.as_bytes())?;
        }
        stdout.flush()
    }

    /// As [`show`](Self::show), where the reader's absence matters.
    pub(crate) fn print(self, text: &str, document: &Value) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.json {
            writeln!(stdout, "{}", safe_json(&format!("{document:#}")))?;
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

/// One line of what is shown of one thing.
pub(crate) fn labelled(label: &str, value: &str) -> String {
    if value.is_empty() { format!("{label}:") } else { format!("{label}: {}", escaped(value)) }
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

/// The same document, in which what acts is escaped: JSON itself asks for that only up to U+001F.
/// Outside of texts a document holds nothing that acts but the ends of its lines.
fn safe_json(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    for c in document.chars() {
        if acts(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
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
    use super::{escaped, safe_json};

    #[test]
    fn text_that_acts_is_shown_and_not_obeyed() {
        let hostile = "a\u{1b}[31mb\u{202e}c\nd\u{200b}e\u{0}";
        assert_eq!(escaped(hostile), r"a\u{1b}[31mb\u{202e}c\nd\u{200b}e\u{0}");
    }

    #[test]
    fn a_document_says_the_same_and_holds_nothing_that_acts() {
        let document = serde_json::json!({ "note": "a\u{9b}b\u{202e}c\u{e0041}d\u{7f}\u{1b}\n" });
        let safe = safe_json(&format!("{document:#}"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), document);
        assert!(!safe.contains(['\u{9b}', '\u{202e}', '\u{e0041}', '\u{7f}', '\u{1b}']), "{safe}");
    }

    #[test]
    fn text_of_any_script_stays_as_it_is() {
        let harmless = "Zoë \"x\" \\ e\u{301} 日本 العربية 🙂";
        assert_eq!(escaped(harmless), harmless);
    }
}
