//! The names of people and of their sessions.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization as _;

use crate::name::{NameError, is_unsafe};

/// The name of a user account, checked once.
///
/// Two spellings of one name are the same name: names are compared by their key, which is NFKC in
/// lower case. Shown as it was given, in NFKC. Holds no `@`: what has one is an address.
#[derive(Clone)]
pub struct UserName {
    shown: Arc<str>,
    key: Arc<str>,
}

impl UserName {
    /// The longest name, in bytes of UTF-8 after NFKC.
    pub const MAX_BYTES: usize = 128;

    /// Checks a name once; whoever holds the value need not check again.
    ///
    /// # Errors
    /// Empty, over [`Self::MAX_BYTES`], or with a character that a name may not hold: spaces at
    /// either end, `@`, `:`, control, bidirectional and invisible ones.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "user name";
        // Four times the limit before NFKC: nothing that long is normalised, let alone kept.
        if text.len() > 4 * Self::MAX_BYTES {
            return Err(NameError::TooLong { kind: KIND, max: Self::MAX_BYTES });
        }
        let shown: String = text.nfkc().collect();
        if shown.is_empty() {
            return Err(NameError::Empty { kind: KIND });
        }
        if shown.len() > Self::MAX_BYTES {
            return Err(NameError::TooLong { kind: KIND, max: Self::MAX_BYTES });
        }
        let at_the_edge = |c: &char| c.is_whitespace();
        let edges = shown.chars().next().into_iter().chain(shown.chars().last());
        let forbidden = |c: &char| is_unsafe(*c) || matches!(c, '@' | ':');
        let found = shown.chars().find(forbidden).or_else(|| edges.clone().find(at_the_edge));
        if let Some(found) = found {
            return Err(NameError::Character { kind: KIND, found });
        }
        let key = shown.to_lowercase().nfkc().collect::<String>();
        Ok(Self { shown: shown.into(), key: key.into() })
    }

    /// The name as it was given, in NFKC.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// What names are compared by, and kept under.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for UserName {}

impl Hash for UserName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for UserName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.shown)
    }
}

/// The public name of a login session, for lists and logs. Not the token that opens it, and of
/// no use to whoever reads it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// An id made from 8 random bytes, as 16 hex digits.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(crate::secret::hex(&bytes).into())
    }

    /// Takes 16 hex digits in lower case; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 16 && text.bytes().all(digit)).then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_name_are_the_same_name() {
        let name = |text| UserName::parse(text).unwrap();
        assert_eq!(name("Alice"), name("aLICE"));
        assert_eq!(name("e\u{301}tienne"), name("Étienne"));
        assert_eq!(name("ａｌｉｃｅ"), name("alice"));
        assert_ne!(name("alice"), name("alice2"));
        assert_eq!(name("Alice").as_str(), "Alice");
    }

    #[test]
    fn a_name_holds_nothing_that_could_be_mistaken_or_not_be_seen() {
        for hostile in [
            "",
            " alice",
            "alice ",
            "a@b",
            "a:b",
            "a\nb",
            "a\u{1b}[31mb",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{feff}b",
            "＠",
            &"x".repeat(129),
            &"x".repeat(100_000),
        ] {
            assert!(UserName::parse(hostile).is_err(), "{hostile:?}");
        }
        assert!(UserName::parse("Alice Smith").is_ok());
        assert!(UserName::parse(&"x".repeat(128)).is_ok());
    }

    #[test]
    fn a_session_id_is_sixteen_hex_digits() {
        let id = SessionId::from_bytes([0xab; 8]);
        assert_eq!(SessionId::parse(id.as_str()), Some(id));
        for other in ["", "abababababababa", "ABABABABABABABAB", "ababababababab%b"] {
            assert_eq!(SessionId::parse(other), None);
        }
    }
}
