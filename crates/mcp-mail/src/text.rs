//! Text that may stand in a letter: of any script, and of nothing that acts.

use std::fmt;

/// The longest subject or name, in bytes. A reader sees a tenth of it.
const LONGEST_LINE: usize = 500;
/// The longest body, in bytes.
const LONGEST_BODY: usize = 64 << 10;

/// One line of a header: a subject, or the name beside an address.
///
/// Holds no end of a line, so nothing that is put into it becomes a header of its own; and no
/// character that turns the direction of text, so it reads as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// Takes a line as it is.
    ///
    /// # Errors
    /// It is empty, longer than 500 bytes, or holds a character that acts or `=?`, which begins
    /// a word in code that readers undo (RFC 2047): what acts could hide in it.
    pub fn parse(text: &str) -> Result<Self, TextRejection> {
        if text.trim().is_empty() {
            return Err(TextRejection::Empty);
        }
        check(text, LONGEST_LINE, |_| false)?;
        if text.contains("=?") {
            return Err(TextRejection::Encoded);
        }
        Ok(Self(text.to_owned()))
    }

    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the body of a letter, which may have lines and tabs.
pub(crate) fn check_body(text: &str) -> Result<(), TextRejection> {
    if text.trim().is_empty() {
        return Err(TextRejection::Empty);
    }
    check(text, LONGEST_BODY, |c| c == '\n' || c == '\t')
}

fn check(text: &str, longest: usize, lets: fn(char) -> bool) -> Result<(), TextRejection> {
    if text.len() > longest {
        return Err(TextRejection::TooLong { longest });
    }
    match text.chars().find(|c| acts(*c) && !lets(*c)) {
        Some(c) => Err(TextRejection::Character(c)),
        None => Ok(()),
    }
}

/// Does the character do something other than to be read? Controls end lines and steer terminals,
/// the separators end lines for some, and the bidirectional controls make text read as another.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Why a text cannot stand in a letter. Does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextRejection {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Too long.
    #[error("it is longer than {longest} bytes")]
    TooLong {
        /// The limit, in bytes.
        longest: usize,
    },
    /// A control character, a separator of lines, or one that turns the direction of text.
    #[error("it holds the character {}", .0.escape_unicode())]
    Character(char),
    /// The start of an encoded word.
    #[error("it holds =?")]
    Encoded,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_holds_anything_that_ends_it_or_turns_it_round() {
        for c in
            ['\r', '\n', '\0', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{202e}', '\u{2067}']
        {
            let text = format!("Reset{c}Bcc: eve@example.com");
            assert_eq!(Line::parse(&text), Err(TextRejection::Character(c)), "{text:?}");
        }
        for text in ["", "  "] {
            assert_eq!(Line::parse(text), Err(TextRejection::Empty));
        }
        assert_eq!(Line::parse("=?utf-8?q?=E2=80=AE?="), Err(TextRejection::Encoded));
        assert_eq!(Line::parse(&"x".repeat(501)), Err(TextRejection::TooLong { longest: 500 }));
    }

    #[test]
    fn a_line_may_be_of_any_script() {
        for text in ["Réinitialisez", "パスワードの再設定", "إعادة التعيين", "🔑 new = ?"]
        {
            assert_eq!(Line::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_body_has_lines_and_no_bare_carriage_return() {
        assert_eq!(check_body("a\n\tb\n"), Ok(()));
        for c in ['\r', '\0', '\u{202e}'] {
            assert_eq!(check_body(&format!("a{c}b")), Err(TextRejection::Character(c)));
        }
        assert!(check_body(&"x".repeat((64 << 10) + 1)).is_err());
    }
}
