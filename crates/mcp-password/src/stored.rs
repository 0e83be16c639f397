//! A password hash as stores keep it.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD_NO_PAD};

use crate::algorithm::{Algorithm, AlgorithmError};

/// bcrypt's own alphabet. Other programs have written salts whose last character has bits that
/// do not count; they are read as they were meant.
const BCRYPT_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// A stored hash of a password, parsed once: bcrypt (`$2a$`, `$2b$`, `$2y$`) or an Argon2id PHC
/// string, with bounded parameters.
///
/// Not a password, but enough to guess one offline: `Debug` shows the algorithm alone, there is
/// no `Display`, and [`expose`] is the one way to the text.
///
/// [`expose`]: PasswordHash::expose
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    algorithm: Algorithm,
    pub(crate) salt: Vec<u8>,
    pub(crate) digest: Vec<u8>,
}

impl PasswordHash {
    /// Reads what a store has kept.
    ///
    /// # Errors
    /// Any other form, and parameters outside the bounds of [`Algorithm::check`]. The text is not
    /// repeated: it may be a password that somebody wrote in the place of its hash.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let (algorithm, salt, digest) = match text.get(..4) {
            Some("$2a$" | "$2b$" | "$2y$") => parse_bcrypt(text)?,
            _ if text.starts_with("$argon2id$") => parse_argon2id(text)?,
            _ => return Err(PasswordHashError::UnknownForm),
        };
        Ok(Self { text: text.to_owned(), algorithm, salt, digest })
    }

    /// A new hash, from what was computed.
    pub(crate) fn new(algorithm: Algorithm, salt: &[u8], digest: &[u8]) -> Self {
        let text = match algorithm {
            Algorithm::Bcrypt { cost } => {
                let (salt, digest) = (BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(digest));
                format!("$2b${cost:02}${salt}{digest}")
            }
            Algorithm::Argon2id { memory_kib, time, parallelism } => {
                let (salt, digest) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(digest));
                format!("$argon2id$v=19$m={memory_kib},t={time},p={parallelism}${salt}${digest}")
            }
        };
        Self { text, algorithm, salt: salt.to_vec(), digest: digest.to_vec() }
    }

    /// The hash as stores keep it, byte for byte as it was read: for stores, and for an operator
    /// who asked for it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// How it was made.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Is it weaker than one that `writer` makes now? Then the next login that succeeds should
    /// replace it. An Argon2id hash is never weaker than bcrypt.
    #[must_use]
    pub fn needs_rehash(&self, writer: Algorithm) -> bool {
        self.algorithm.is_weaker_than(writer)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({}…)", self.algorithm.name())
    }
}

/// Why a text is no hash that can be used. It says what is wrong and never what the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// It begins like no hash that is known here.
    #[error("is neither a bcrypt hash ($2a$, $2b$, $2y$) nor an Argon2id one ($argon2id$)")]
    UnknownForm,
    /// It begins like bcrypt.
    #[error(
        "is not the 60 characters of a bcrypt hash: $2b$, two digits, $, and 53 of ./A-Za-z0-9"
    )]
    MalformedBcrypt,
    /// It begins like Argon2id.
    #[error("is not of the form $argon2id$v=19$m=…,t=…,p=…$salt$hash")]
    MalformedArgon2id,
    /// It would take too much to verify, or cannot be.
    #[error(transparent)]
    OutOfBounds(#[from] AlgorithmError),
}

type Parts = (Algorithm, Vec<u8>, Vec<u8>);

fn parse_bcrypt(text: &str) -> Result<Parts, PasswordHashError> {
    let malformed = PasswordHashError::MalformedBcrypt;
    if text.len() != 60 || !text.is_ascii() || text.as_bytes()[6] != b'$' {
        return Err(malformed);
    }
    let algorithm = Algorithm::Bcrypt { cost: number(&text[4..6]).ok_or(malformed)? };
    algorithm.check()?;
    let salt = BCRYPT_BASE64.decode(&text[7..29]).map_err(|_| malformed)?;
    let digest = BCRYPT_BASE64.decode(&text[29..]).map_err(|_| malformed)?;
    Ok((algorithm, salt, digest))
}

fn parse_argon2id(text: &str) -> Result<Parts, PasswordHashError> {
    let malformed = PasswordHashError::MalformedArgon2id;
    let fields: Vec<&str> = text.splitn(7, '$').collect();
    // Version 19 alone: the one before it is older than Argon2id.
    let ["", "argon2id", "v=19", parameters, salt, digest] = fields[..] else {
        return Err(malformed);
    };
    let algorithm = argon2id_parameters(parameters).ok_or(malformed)?;
    algorithm.check()?;
    let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| malformed)?;
    let digest = STANDARD_NO_PAD.decode(digest).map_err(|_| malformed)?;
    // Fewer than 16 bytes of digest could be hit by chance.
    if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&digest.len()) {
        return Err(malformed);
    }
    Ok((algorithm, salt, digest))
}

/// `m=…,t=…,p=…`, in that order and with nothing else: a key id or associated data would change
/// the hash in a way that is not known here.
fn argon2id_parameters(text: &str) -> Option<Algorithm> {
    let mut parameters = text.split(',');
    let mut value = |key: &str| number(parameters.next()?.strip_prefix(key)?);
    let algorithm = Algorithm::Argon2id {
        memory_kib: value("m=")?,
        time: value("t=")?,
        parallelism: value("p=")?,
    };
    parameters.next().is_none().then_some(algorithm)
}

/// Digits alone: `parse` by itself takes a sign.
fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuVL/buk7kaREpZFETOPMnVXq.IaFEgmS";
    const ARGON2ID: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$/9iP1OdqQ6ooUulMONVFJCGmD7Q46hH9UU+Wu2b+/3Y";

    fn refused(text: &str) -> PasswordHashError {
        PasswordHash::parse(text).unwrap_err()
    }

    #[test]
    fn a_stored_hash_says_how_it_was_made_and_keeps_its_text() {
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let text = BCRYPT.replace("$2b$", prefix);
            let hash = PasswordHash::parse(&text).unwrap();
            assert_eq!(hash.algorithm(), Algorithm::Bcrypt { cost: 4 });
            assert_eq!(hash.expose(), text);
        }
        let hash = PasswordHash::parse(ARGON2ID).unwrap();
        let expected = Algorithm::Argon2id { memory_kib: 64, time: 1, parallelism: 1 };
        assert_eq!((hash.algorithm(), hash.expose()), (expected, ARGON2ID));
    }

    #[test]
    fn what_is_written_can_be_read() {
        for (text, algorithm) in [
            (BCRYPT, Algorithm::Bcrypt { cost: 4 }),
            (ARGON2ID, Algorithm::Argon2id { memory_kib: 64, time: 1, parallelism: 1 }),
        ] {
            let read = PasswordHash::parse(text).unwrap();
            assert_eq!(PasswordHash::new(algorithm, &read.salt, &read.digest).expose(), text);
        }
    }

    #[test]
    fn parameters_that_could_stop_the_server_are_refused_when_read() {
        let out_of_bounds = |text: &str| matches!(refused(text), PasswordHashError::OutOfBounds(_));
        for cost in ["03", "16", "31", "99"] {
            assert!(out_of_bounds(&BCRYPT.replace("$04$", &format!("${cost}$"))), "{cost}");
        }
        for parameters in
            ["m=262145,t=1,p=1", "m=64,t=11,p=1", "m=128,t=1,p=9", "m=64,t=0,p=1", "m=7,t=1,p=1"]
        {
            assert!(out_of_bounds(&ARGON2ID.replace("m=64,t=1,p=1", parameters)), "{parameters}");
        }
        let dearest = ARGON2ID.replace("m=64,t=1,p=1", "m=262144,t=10,p=8");
        assert!(PasswordHash::parse(&dearest).is_ok());
        assert!(PasswordHash::parse(&BCRYPT.replace("$04$", "$15$")).is_ok());
    }

    #[test]
    fn every_other_form_is_refused() {
        for unknown in
            ["", "secret", "$1$abc$def", "$2x$04$", "$argon2i$v=19$m=64,t=1,p=1$YQ$YQ", "$2é"]
        {
            assert_eq!(refused(unknown), PasswordHashError::UnknownForm, "{unknown}");
        }
        for bad in [
            BCRYPT[..59].to_owned(),
            format!("{BCRYPT}a"),
            BCRYPT.replace("$04$", "$+4$"),
            BCRYPT.replace("$04$", "$4$a"),
            BCRYPT.replace('V', "!"),
            BCRYPT.replace("VL", "é"),
        ] {
            assert_eq!(refused(&bad), PasswordHashError::MalformedBcrypt, "{bad}");
        }
        for bad in [
            ARGON2ID.replace("v=19", "v=16"),
            ARGON2ID.replace("v=19$", ""),
            ARGON2ID.replace("m=64,t=1", "t=1,m=64"),
            ARGON2ID.replace("p=1", "p=1,keyid=YQ"),
            ARGON2ID.replace("m=64", "m=+64"),
            ARGON2ID.replace("m=64", "m=99999999999"),
            ARGON2ID.replace("c29tZXNhbHRzb21lc2FsdA", "YQ"),
            format!("{ARGON2ID}$"),
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$YQ".to_owned(),
        ] {
            assert_eq!(refused(&bad), PasswordHashError::MalformedArgon2id, "{bad}");
        }
    }

    #[test]
    fn neither_a_hash_nor_an_error_shows_what_it_was_made_from() {
        for text in [BCRYPT, ARGON2ID] {
            let shown = format!("{:?}", PasswordHash::parse(text).unwrap());
            assert!(!shown.contains("abcdef") && !shown.contains("c29t"), "{shown}");
        }
        for pasted in ["hunter2", "$2b$hunter2", "$argon2id$hunter2"] {
            let error = refused(pasted);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
