//! What PostgreSQL says when it says no.

use std::fmt;

/// An `ErrorResponse` (PostgreSQL docs, "Error and Notice Message Fields"). The texts come from
/// the server and may quote data; bytes that are no UTF-8 are replaced.
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
            error.set(code, String::from_utf8_lossy(&rest[..end]).into_owned());
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
}
