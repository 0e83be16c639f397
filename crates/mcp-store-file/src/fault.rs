//! The words of a failure: which file, which line, what, and the way out.

use std::io;
use std::path::Path;

use mcp_store::{StoreError, StoreErrorKind};

/// The operator has to mend something.
pub(crate) fn refused(place: impl Into<String>, fault: impl Into<String>) -> StoreError {
    fault_of(StoreErrorKind::Refused, place.into(), fault.into())
}

/// Nobody here can mend it.
pub(crate) fn down(path: &Path, fault: impl Into<String>) -> StoreError {
    fault_of(StoreErrorKind::Down, shown(path), fault.into())
}

/// The system refused `doing` something with a file.
pub(crate) fn system(path: &Path, doing: &str, error: &io::Error) -> StoreError {
    let fault = format!("cannot {doing}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound => fault_of(StoreErrorKind::Missing, shown(path), fault),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            refused(shown(path), fault)
        }
        _ => down(path, fault),
    }
}

fn fault_of(kind: StoreErrorKind, place: String, fault: String) -> StoreError {
    StoreError { place, fault, hint: None, kind }
}

/// Adds the way out.
pub(crate) trait WithHint {
    /// `hint` is printed after `hint: `.
    fn hint(self, hint: impl Into<String>) -> StoreError;
}

impl WithHint for StoreError {
    fn hint(mut self, hint: impl Into<String>) -> StoreError {
        self.hint = Some(hint.into());
        self
    }
}

/// A path on one line, whatever bytes it holds.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().flat_map(visible).collect()
}

/// Text from a file, for an error or a log line: cut, and without characters that act.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut cut: String = text.chars().take(LONGEST).flat_map(visible).collect();
    if text.chars().nth(LONGEST).is_some() {
        cut.push('…');
    }
    format!("`{cut}`")
}

/// Characters that act, reorder text or cannot be seen. Quotes and backslashes are none.
pub(crate) fn is_escaped(c: char) -> bool {
    !matches!(c, '\'' | '"' | '\\') && c.escape_debug().len() > 1
}

/// A character as a message may hold it.
pub(crate) fn visible(c: char) -> impl Iterator<Item = char> {
    let escaped = is_escaped(c).then(|| c.escape_debug());
    let plain = escaped.is_none().then_some(c);
    plain.into_iter().chain(escaped.into_iter().flatten())
}
