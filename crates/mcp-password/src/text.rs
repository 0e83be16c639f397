//! The text of a password as it is hashed: one form for every way of typing it.

use mcp_identity::Password;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;

/// The longest password in bytes, as typed and after NFKC.
pub(crate) const MAX_BYTES: usize = 1024;

/// Why a password cannot become a hash. A caller's mistake; the password is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordTextRejection {
    /// Longer than any algorithm is given.
    #[error("the password is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Longer than bcrypt can take. Never cut: the rest would not count.
    #[error(
        "the password is {bytes} bytes long, and bcrypt takes 72 bytes at most; \
         `passwords.algorithm: argon2id` takes {MAX_BYTES}"
    )]
    TooLongForBcrypt {
        /// Its length after NFKC.
        bytes: usize,
    },
    /// Holds a NUL, at which some programs stop reading and which bcrypt uses as its end mark.
    #[error("the password holds a NUL character")]
    Nul,
}

impl PasswordTextRejection {
    /// A word that never changes, for clients.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "password_too_long",
            Self::TooLongForBcrypt { .. } => "password_too_long_for_bcrypt",
            Self::Nul => "password_with_nul",
        }
    }
}

/// A password after NFKC, which every algorithm can be given if it is not too long for it.
pub(crate) struct PasswordText(Zeroizing<String>);

impl PasswordText {
    /// Normalizes by NFKC (NIST SP 800-63B-4, section 3.1.1.2), so that a password typed on
    /// another keyboard is still the same password.
    pub(crate) fn of(password: &Password) -> Result<Self, PasswordTextRejection> {
        let typed = password.expose();
        if typed.len() > MAX_BYTES {
            return Err(PasswordTextRejection::TooLong);
        }
        // Never grows, so that no copy is left behind unwiped.
        let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES + 4));
        for c in typed.nfkc() {
            if c == '\0' {
                return Err(PasswordTextRejection::Nul);
            }
            text.push(c);
            if text.len() > MAX_BYTES {
                return Err(PasswordTextRejection::TooLong);
            }
        }
        Ok(Self(text))
    }

    /// The same, and short enough to be hashed by `algorithm`.
    pub(crate) fn for_algorithm(
        password: &Password,
        algorithm: Algorithm,
    ) -> Result<Self, PasswordTextRejection> {
        let text = Self::of(password)?;
        let bytes = text.as_str().len();
        match algorithm {
            Algorithm::Bcrypt { .. } if bytes > algorithm.max_bytes() => {
                Err(PasswordTextRejection::TooLongForBcrypt { bytes })
            }
            Algorithm::Bcrypt { .. } | Algorithm::Argon2id { .. } => Ok(text),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(typed: &str) -> Result<String, PasswordTextRejection> {
        let password = Password::presented(typed.to_owned());
        PasswordText::of(&password).map(|text| text.as_str().to_owned())
    }

    #[test]
    fn two_ways_to_type_a_character_are_one() {
        assert_eq!(text("cafe\u{301}"), text("caf\u{e9}"));
        // Fullwidth letters, as an East Asian keyboard gives them.
        assert_eq!(text("\u{ff21}1"), Ok("A1".to_owned()));
    }

    #[test]
    fn spaces_stay_where_they_are() {
        assert_eq!(text("  a b  "), Ok("  a b  ".to_owned()));
    }

    #[test]
    fn a_kilobyte_is_the_longest_before_and_after_nfkc() {
        assert!(text(&"x".repeat(1024)).is_ok());
        assert_eq!(text(&"x".repeat(1025)), Err(PasswordTextRejection::TooLong));
        // One character of 3 bytes that NFKC makes 33 of.
        let grows = "\u{fdfa}".repeat(341);
        assert!(grows.len() <= 1024);
        assert_eq!(text(&grows), Err(PasswordTextRejection::TooLong));
    }

    #[test]
    fn a_nul_is_refused_and_ends_nothing() {
        assert_eq!(text("a\0b"), Err(PasswordTextRejection::Nul));
        assert_eq!(text("\0"), Err(PasswordTextRejection::Nul));
    }

    #[test]
    fn a_password_too_long_for_bcrypt_is_told_in_bytes_and_shown_the_way_out() {
        let bcrypt = |typed: String| {
            PasswordText::for_algorithm(&Password::presented(typed), Algorithm::BCRYPT)
        };
        assert!(bcrypt("x".repeat(72)).is_ok());
        // 37 characters, 74 bytes.
        let refused = bcrypt("é".repeat(37)).err().unwrap();
        let told = refused.to_string();
        assert!(told.contains("74 bytes"), "{told}");
        assert!(told.contains("`passwords.algorithm: argon2id`"), "{told}");
        // Counted after NFKC: typed decomposed, it is the 72 bytes that it becomes.
        assert!(bcrypt("e\u{301}".repeat(36)).is_ok());
    }
}
