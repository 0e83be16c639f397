//! What PostgreSQL says when it says no.

use std::fmt;

/// The most bytes that are kept of one text. A message may quote a value of any length.
const MAX_TEXT: usize = 4096;

/// An `ErrorResponse` (PostgreSQL docs, "Error and Notice Message Fields"). The texts come from
/// the server and may quote data; bytes that are no UTF-8 are replaced, and what is longer than
/// 4 KiB is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseError {
    /// Five characters that never change with version or language.
    pub sqlstate: String,
    /// ERROR, FATAL or PANIC, never translated. After the latter two the connection is gone.
    pub severity: String,
    /// The primary message, one line as a rule.
    pub message: String,
    /// More about it, possibly of several lines.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the statement, in characters, from 1.
    pub position: Option<u32>,
    /// The call stack of PL functions.
    pub context: Option<String>,
    /// The schema of the table, type or constraint in question.
    pub schema: Option<String>,
    /// The table in question.
    pub table: Option<String>,
    /// The column in question.
    pub column: Option<String>,
    /// The constraint in question.
    pub constraint: Option<String>,
}

impl DatabaseError {
    /// Reads the body of an `ErrorResponse`: a code byte and a C string per field, then a zero.
    /// What is cut off is left out; an error must not hide behind another.
    pub(crate) fn parse(mut body: &[u8]) -> Self {
        let mut error = Self::default();
        while let Some((&code, rest)) = body.split_first().filter(|(code, _)| **code != 0) {
            let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
            error.set(code, bounded(&rest[..end]));
            body = rest.get(end + 1..).unwrap_or_default();
        }
        error
    }

    fn set(&mut self, code: u8, text: String) {
        match code {
            b'C' => self.sqlstate = text,
            // `V` is `S` untranslated, comes after it, and is missing before PostgreSQL 9.6.
            b'S' | b'V' => self.severity = text,
            b'M' => self.message = text,
            b'D' => self.detail = Some(text),
            b'H' => self.hint = Some(text),
            b'P' => self.position = text.parse().ok(),
            b'W' => self.context = Some(text),
            b's' => self.schema = Some(text),
            b't' => self.table = Some(text),
            b'c' => self.column = Some(text),
            b'n' => self.constraint = Some(text),
            _ => {}
        }
    }
}

fn bounded(text: &[u8]) -> String {
    if text.len() <= MAX_TEXT {
        return String::from_utf8_lossy(text).into_owned();
    }
    // Not in the middle of a character: one has at most three bytes behind its first.
    let begins = |at: &usize| text[*at] & 0b1100_0000 != 0b1000_0000;
    let end = (MAX_TEXT - 3..=MAX_TEXT).rev().find(begins).unwrap_or(MAX_TEXT);
    let cut = text.len() - end;
    format!("{}… ({cut} bytes more)", String::from_utf8_lossy(&text[..end]))
}

impl From<&tokio_postgres::error::DbError> for DatabaseError {
    fn from(error: &tokio_postgres::error::DbError) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            sqlstate: error.code().code().to_owned(),
            severity: error.severity().to_owned(),
            message: error.message().to_owned(),
            detail: owned(error.detail()),
            hint: owned(error.hint()),
            ..Self::default()
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl std::error::Error for DatabaseError {}

#[cfg(test)]
mod tests {
    use super::DatabaseError;

    #[test]
    fn a_response_that_is_cut_off_still_tells_what_it_can() {
        let error = DatabaseError::parse(b"SFEHLER\0VERROR\0C42601\0P7\0Msyntax err");
        assert_eq!(error.severity, "ERROR");
        assert_eq!(error.sqlstate, "42601");
        assert_eq!(error.position, Some(7));
        assert_eq!(error.message, "syntax err");
    }

    #[test]
    fn a_text_that_quotes_a_large_value_is_cut_between_two_characters() {
        let body = format!("C22P02\0M{}ü{}\0Hshort\0", "x".repeat(4095), "y".repeat(9_000));
        let error = DatabaseError::parse(body.as_bytes());
        assert_eq!(error.message, format!("{}… (9002 bytes more)", "x".repeat(4095)));
        assert_eq!((error.sqlstate.as_str(), error.hint.as_deref()), ("22P02", Some("short")));
        let whole = DatabaseError::parse(format!("M{}\0", "x".repeat(4096)).as_bytes());
        assert_eq!(whole.message.len(), 4096);
    }
}
