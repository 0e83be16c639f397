//! Writing names and texts so that they stay names and texts.

/// An identifier as PostgreSQL reads it back unchanged: always in double quotes.
#[must_use]
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal. Safe whatever `standard_conforming_strings` says: text with a backslash is
/// written in the `E''` form.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}
