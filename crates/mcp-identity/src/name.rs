//! Names, checked once at the door.

use std::fmt;
use std::sync::Arc;

/// Why a name was refused. `Display` says what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a {kind} must not be empty")]
    Empty {
        /// What was being named.
        kind: &'static str,
    },
    /// Longer than the limit.
    #[error("a {kind} has at most {max} bytes")]
    TooLong {
        /// What was being named.
        kind: &'static str,
        /// The limit, in bytes.
        max: usize,
    },
    /// A character that the name may not hold.
    #[error("a {kind} must not hold {found:?}")]
    Character {
        /// What was being named.
        kind: &'static str,
        /// The first offender.
        found: char,
    },
}

/// Characters that break a line, reorder it, or cannot be seen: never part of a name.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $accept:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest name, in bytes of UTF-8.
            pub const MAX_BYTES: usize = $max;

            /// Checks a name once; whoever holds the value need not check again.
            ///
            /// # Errors
            /// Empty, over [`Self::MAX_BYTES`], or with a character that the name may not hold.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                const KIND: &str = $kind;
                if text.is_empty() {
                    return Err(NameError::Empty { kind: KIND });
                }
                if text.len() > Self::MAX_BYTES {
                    return Err(NameError::TooLong { kind: KIND, max: Self::MAX_BYTES });
                }
                let accept: fn(char) -> bool = $accept;
                match text.chars().find(|c| !accept(*c)) {
                    Some(found) => Err(NameError::Character { kind: KIND, found }),
                    None => Ok(Self(text.into())),
                }
            }

            /// The name as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name! {
    /// The configured name of a database: what callers say instead of a host. Case counts.
    DatabaseName, "database name", 63, |c| !is_unsafe(c) && !c.is_whitespace()
}
name! {
    /// The id of an API token, as in `token-1730283330`. Not a secret.
    TokenId, "token id", 128, |c| c.is_ascii_graphic()
}
name! {
    /// The name of a tool that a credential may call.
    ToolName, "tool name", 128, |c| c.is_ascii_alphanumeric() || "_-.".contains(c)
}
name! {
    /// A role of PostgreSQL that a connection runs as. An application role is a `RoleName`.
    DbRole, "database role", 63, |c| !is_unsafe(c)
}

#[cfg(test)]
mod tests {
    use super::{DatabaseName, NameError, TokenId};

    #[test]
    fn a_name_holds_no_character_that_cannot_be_seen() {
        for hostile in ["a\u{202e}b", "a\u{200b}b", "a\nb", "a\u{1b}[31m", "a b"] {
            let refused = DatabaseName::parse(hostile).unwrap_err();
            assert!(matches!(refused, NameError::Character { .. }), "{hostile:?}");
        }
    }

    #[test]
    fn a_name_is_bounded() {
        assert!(TokenId::parse(&"x".repeat(128)).is_ok());
        assert!(TokenId::parse(&"x".repeat(129)).is_err());
        assert!(TokenId::parse("").is_err());
    }
}
