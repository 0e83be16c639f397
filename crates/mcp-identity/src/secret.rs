//! Secrets, and what is kept instead of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::ambient::{Entropy, EntropyError};

/// A token as its owner holds it. Has no `Display` and is not serializable; [`expose`] is the one
/// way to its text, and is meant to be noticed in review. Wiped from memory when dropped.
///
/// [`expose`]: PlainToken::expose
pub struct PlainToken(Zeroizing<String>);

impl PlainToken {
    /// A new token: 32 random bytes, base64 with the URL alphabet and padding, 44 characters.
    ///
    /// # Errors
    /// When the random source fails; no token is made then.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        entropy.fill(bytes.as_mut())?;
        Ok(Self(Zeroizing::new(URL_SAFE.encode(bytes.as_ref()))))
    }

    /// Whether [`PlainToken::generate`] could have made this. Tokens of another form may be good
    /// all the same: only a digest decides.
    #[must_use]
    pub fn is_like(presented: &[u8]) -> bool {
        // One more than there are: what the decoder asks for of so many characters.
        let mut bytes = Zeroizing::new([0_u8; 33]);
        presented.len() == 44 && URL_SAFE.decode_slice(presented, bytes.as_mut()) == Ok(32)
    }

    /// A token as somebody presented it. Not checked: only its digest decides.
    #[must_use]
    pub fn presented(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The token itself: to be shown to its owner once, and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(…)")
    }
}

/// A password as somebody typed it. Has no `Display` and is not serializable; [`expose`] is the
/// one way to its text, and is meant to be noticed in review. Wiped from memory when dropped.
///
/// Nothing is checked or changed here: what is normalized, refused and hashed is decided where
/// passwords are hashed, so that it is the same on every path.
///
/// [`expose`]: Password::expose
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password as somebody presented it, to log in or to be set.
    #[must_use]
    pub fn presented(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The password itself: for hashing and for the rules of a policy, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What tokens are signed with by HMAC-SHA-256. Has no `Display` and is not serializable;
/// [`expose`] is the one way to its text, and is meant to be noticed in review. Wiped from memory
/// when dropped.
///
/// [`expose`]: SigningSecret::expose
#[derive(Clone)]
pub struct SigningSecret(Zeroizing<String>);

impl SigningSecret {
    /// The shortest that is taken, in bytes: as many as the digest has (RFC 7518 §3.2).
    pub const MIN_BYTES: usize = 32;

    /// Takes a secret as its operator wrote it.
    ///
    /// # Errors
    /// [`SigningSecretError`]: nothing may be signed with it.
    pub fn parse(text: &str) -> Result<Self, SigningSecretError> {
        // Printed where the setting is explained: whoever reads that can sign.
        const PRINTED: &str = "your_secure_random_secret_here";
        if text.to_ascii_lowercase().contains(PRINTED) {
            return Err(SigningSecretError::Placeholder);
        }
        if text.len() < Self::MIN_BYTES {
            return Err(SigningSecretError::TooShort);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The secret itself: for the one who signs, and nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

/// Why nothing is signed with a secret. It is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningSecretError {
    /// It could be guessed.
    #[error("the secret is shorter than 32 bytes")]
    TooShort,
    /// It is the one that stands in the documentation.
    #[error("the secret is the placeholder of the documentation")]
    Placeholder,
}

/// SHA-256 of a token's text (not of its raw bytes): what files hold and what look-ups use.
///
/// A token has 256 bits of entropy, so its plain digest is safe to keep and to compare in a
/// hash map: there is nothing to guess byte by byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The digest of a token.
    #[must_use]
    pub fn of(token: &PlainToken) -> Self {
        Self::of_presented(token.expose().as_bytes())
    }

    /// The digest of a token as it lies on the wire, without a copy of the token.
    #[must_use]
    pub fn of_presented(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Reads 64 hex digits, in either case.
    ///
    /// # Errors
    /// Another length, or a character that is no hex digit. The text is not repeated: it might
    /// be a token that somebody pasted in the wrong place.
    pub fn parse_hex(text: &str) -> Result<Self, HashParseError> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(HashParseError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16).ok_or(HashParseError)?;
            let low = char::from(pair[1]).to_digit(16).ok_or(HashParseError)?;
            *byte = u8::try_from(high * 16 + low).map_err(|_| HashParseError)?;
        }
        Ok(Self(bytes))
    }

    /// 64 lower-case hex digits, as files hold it.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// The raw digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A prefix finds the record and opens nothing.
        write!(f, "TokenHash({}…)", hex(&self.0[..4]))
    }
}

/// Not 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits (the SHA-256 of a token)")]
pub struct HashParseError;

/// Lower-case hex of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_ours_is_told_by_its_form() {
        let token = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=";
        assert!(PlainToken::is_like(token.as_bytes()));
        let cut = &token[..43];
        let of_33_bytes = format!("{cut}A");
        // Bits that no encoder sets, another alphabet, and what is around it.
        let odd = [token.replace("dQ=", "dR="), token.replace('-', "+"), format!(" {cut}")];
        let odd = odd.iter().map(String::as_str);
        for other in ["", "unknown", cut, &of_33_bytes, &format!("{token}=")].into_iter().chain(odd)
        {
            assert!(!PlainToken::is_like(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn the_digest_is_of_the_text_that_the_user_sees() {
        // `printf %s 'O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=' | sha256sum`
        let token = PlainToken::presented("O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=".into());
        let expected = "b3f805357b2c1cb78d50a2a109198d184b7c763b68a61e2891ab36260ebac63f";
        assert_eq!(TokenHash::of(&token).to_hex(), expected);
    }

    #[test]
    fn debug_shows_no_secret() {
        let token = PlainToken::presented("very-secret".into());
        assert!(!format!("{token:?}").contains("very"));
        let password = Password::presented("very-secret".into());
        assert_eq!(format!("{password:?}"), "Password(…)");
        let secret = SigningSecret::parse(&"very-secret".repeat(3)).unwrap();
        assert_eq!(format!("{secret:?}"), "SigningSecret(…)");
    }

    #[test]
    fn nothing_is_signed_with_a_short_secret_or_with_the_one_of_the_documentation() {
        let fault = |text: &str| SigningSecret::parse(text).err();
        assert_eq!(fault(&"x".repeat(31)), Some(SigningSecretError::TooShort));
        assert_eq!(fault(""), Some(SigningSecretError::TooShort));
        assert_eq!(fault("0123456789abcdef0123456789abcdef"), None);
        for printed in [
            "your_secure_random_secret_here",
            "your_secure_random_secret_here_min_32_chars",
            "YOUR_SECURE_RANDOM_SECRET_HERE_MIN_32_CHARS",
        ] {
            assert_eq!(fault(printed), Some(SigningSecretError::Placeholder), "{printed}");
        }
    }

    #[test]
    fn a_hash_of_another_shape_is_refused_without_repeating_it() {
        let pasted = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=";
        let refused = TokenHash::parse_hex(pasted).unwrap_err();
        assert!(!refused.to_string().contains("O9ms"));
        assert!(TokenHash::parse_hex(&"g".repeat(64)).is_err());
    }
}
