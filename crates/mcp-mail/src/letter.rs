//! A letter, and the marks that make it one of its kind.

use std::fmt;
use std::time::SystemTime;

use crate::address::Address;
use crate::text::{Line, TextRejection, check_body};

/// A letter to one person.
///
/// Its `Debug` shows neither subject nor body: there may be a link in it that opens an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    to: Address,
    subject: Line,
    text: String,
    html: Option<String>,
}

impl Letter {
    /// A letter of plain text, whose lines end in `\n`.
    ///
    /// # Errors
    /// The text is empty, larger than 64 KiB, or holds a character that acts: a control other
    /// than newline and tab, or one that turns the direction of text.
    pub fn new(to: Address, subject: Line, text: &str) -> Result<Self, TextRejection> {
        check_body(text)?;
        Ok(Self { to, subject, text: text.to_owned(), html: None })
    }

    /// The same, with a page for readers that show one. Whoever makes the page escapes what it
    /// is made of; the plain text stays beside it, with all that a person needs.
    ///
    /// # Errors
    /// As for the text.
    pub fn with_html(self, html: &str) -> Result<Self, TextRejection> {
        check_body(html)?;
        Ok(Self { html: Some(html.to_owned()), ..self })
    }

    /// Whom it goes to.
    #[must_use]
    pub fn to(&self) -> &Address {
        &self.to
    }

    /// Its subject.
    #[must_use]
    pub fn subject(&self) -> &Line {
        &self.subject
    }

    /// Its plain text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its page, if it has one.
    #[must_use]
    pub fn html(&self) -> Option<&str> {
        self.html.as_deref()
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("to", &self.to).finish_non_exhaustive()
    }
}

/// When a letter is sent, and what tells it from every other. A second attempt at the same
/// letter bears the same mark if the reader's program is to know it for a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postmark {
    /// Its `Date`.
    pub at: SystemTime,
    /// Random bytes, for its `Message-ID` and what separates its parts.
    pub id: [u8; 16],
}

impl Postmark {
    /// The random bytes, in hex.
    pub(crate) fn hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_does_not_show_its_link() {
        let to = Address::parse("ann@example.com").unwrap();
        let subject = Line::parse("Reset").unwrap();
        let letter = Letter::new(to, subject, "https://mcp.example.com/reset/s3cret").unwrap();
        assert_eq!(
            format!("{letter:?}"),
            r#"Letter { to: Address { local: "ann", domain: "example.com" }, .. }"#
        );
    }
}
