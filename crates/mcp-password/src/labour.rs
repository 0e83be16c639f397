//! The work itself: computing hashes, on whatever thread it is called.

use argon2::{Argon2, Params, Version};
use mcp_identity::{Entropy, EntropyError, Password};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::stored::PasswordHash;
use crate::text::{PasswordText, PasswordTextRejection};

/// The bytes of a salt, for either algorithm.
const SALT_BYTES: usize = 16;

/// What the threads do. The tests have one that counts and waits and then does the same.
pub(crate) trait Labour: Send + Sync {
    /// Is it the right password?
    fn check(&self, check: &Check) -> Result<bool, LabourFailed>;

    /// A new hash.
    fn make(&self, make: &Make) -> Result<PasswordHash, LabourFailed>;
}

/// A password to be compared with a stored hash.
pub(crate) struct Check {
    /// `None`: no hash of this algorithm can have been made from the password.
    text: Option<PasswordText>,
    against: PasswordHash,
    is_dummy: bool,
}

impl Check {
    /// With no stored hash, `dummy` is worked on instead.
    pub(crate) fn new(
        password: &Password,
        stored: Option<&PasswordHash>,
        dummy: &PasswordHash,
    ) -> Self {
        let against = stored.unwrap_or(dummy).clone();
        // Why it cannot be right makes no difference: it is wrong.
        let text = PasswordText::for_algorithm(password, against.algorithm()).ok();
        Self { text, against, is_dummy: stored.is_none() }
    }

    /// How the hash was made that it is compared with.
    #[cfg(test)]
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.against.algorithm()
    }

    /// The text that is compared; `None` for a password that cannot be right.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_ref().map(PasswordText::as_str)
    }
}

/// A password to be hashed.
pub(crate) struct Make {
    text: PasswordText,
    algorithm: Algorithm,
    salt: [u8; SALT_BYTES],
}

impl Make {
    pub(crate) fn new(
        password: &Password,
        algorithm: Algorithm,
        salt: [u8; SALT_BYTES],
    ) -> Result<Self, PasswordTextRejection> {
        Ok(Self { text: PasswordText::for_algorithm(password, algorithm)?, algorithm, salt })
    }
}

/// The real thing.
pub(crate) struct Hashing;

impl Labour for Hashing {
    fn check(&self, check: &Check) -> Result<bool, LabourFailed> {
        let Check { text, against, is_dummy } = check;
        // Where there is nothing to compare, the work is done all the same.
        let worked_on = check.text().unwrap_or_default();
        let length = against.digest.len();
        let digest = compute(worked_on, against.algorithm(), &against.salt, length)?;
        let equal = bool::from(digest.ct_eq(&against.digest));
        Ok(equal && text.is_some() && !is_dummy)
    }

    fn make(&self, make: &Make) -> Result<PasswordHash, LabourFailed> {
        let Make { text, algorithm, salt } = make;
        let digest = compute(text.as_str(), *algorithm, salt, digest_bytes(*algorithm))?;
        Ok(PasswordHash::new(*algorithm, salt, &digest))
    }
}

/// The hash could not be computed; in practice, there was no memory for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LabourFailed;

/// A hash that no password is known for, and that is as much work as any.
pub(crate) fn dummy(
    algorithm: Algorithm,
    entropy: &dyn Entropy,
) -> Result<PasswordHash, EntropyError> {
    let mut digest = vec![0; digest_bytes(algorithm)];
    entropy.fill(&mut digest)?;
    Ok(PasswordHash::new(algorithm, &new_salt(entropy)?, &digest))
}

pub(crate) fn new_salt(entropy: &dyn Entropy) -> Result<[u8; SALT_BYTES], EntropyError> {
    let mut salt = [0; SALT_BYTES];
    entropy.fill(&mut salt)?;
    Ok(salt)
}

fn digest_bytes(algorithm: Algorithm) -> usize {
    match algorithm {
        // The last of bcrypt's 24 bytes has never been written.
        Algorithm::Bcrypt { .. } => 23,
        Algorithm::Argon2id { .. } => 32,
    }
}

fn compute(
    text: &str,
    algorithm: Algorithm,
    salt: &[u8],
    length: usize,
) -> Result<Vec<u8>, LabourFailed> {
    match algorithm {
        Algorithm::Bcrypt { cost } => bcrypt(text.as_bytes(), cost, salt),
        Algorithm::Argon2id { memory_kib, time, parallelism } => {
            let params = Params::new(memory_kib, time, parallelism, Some(length));
            let params = params.map_err(|_| LabourFailed)?;
            let argon2 = Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, params);
            let mut digest = vec![0; length];
            argon2
                .hash_password_into(text.as_bytes(), salt, &mut digest)
                .map_err(|_| LabourFailed)?;
            Ok(digest)
        }
    }
}

/// The bare function is called with bcrypt's end mark added by us: the ready-made ones either cut
/// a password that is too long or refuse one of exactly 72 bytes, which every other bcrypt takes.
fn bcrypt(password: &[u8], cost: u32, salt: &[u8]) -> Result<Vec<u8>, LabourFailed> {
    let salt = salt.try_into().map_err(|_| LabourFailed)?;
    if password.len() > 72 {
        return Err(LabourFailed);
    }
    let mut key = Zeroizing::new([0_u8; 73]);
    key[..password.len()].copy_from_slice(password);
    // The end mark of a password of 72 bytes has no room, and never had.
    let key = &key[..72.min(password.len() + 1)];
    Ok(bcrypt::bcrypt(cost, salt, key)[..23].to_vec())
}

#[cfg(test)]
mod tests {
    use mcp_identity::SystemEntropy;

    use super::*;

    /// Made by crypt(3) of libxcrypt 4.4 (all three prefixes) and by bcrypt 5.0.0 for Python.
    const BCRYPT: [(&str, &str); 4] = [
        ("", "byCG3zY1GIXMyxfivm.ClDiInHzxjiq"),
        ("SecurePassword123!", "VL/buk7kaREpZFETOPMnVXq.IaFEgmS"),
        ("caf\u{e9}", "usvfeYzFuQdqd.KjimlRKkZ2QcoHWhO"),
        (
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "bzadhGtS2zEF.gu0yd0opP6cVzb.e0i",
        ),
    ];

    /// Made by the reference implementation, by way of argon2-cffi 25.1.0 for Python.
    const ARGON2ID: [(&str, &str); 5] = [
        ("", "m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$3fUQ941rsmo3/Cpi+6K2zMNtfMLWcfukgfsepsnYCw4"),
        (
            "SecurePassword123!",
            "m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$/9iP1OdqQ6ooUulMONVFJCGmD7Q46hH9UU+Wu2b+/3Y",
        ),
        (
            "SecurePassword123!",
            "m=256,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$B90TMiHWChXIA21bwCxLZq+v+gIKr24/v/rbOMfDsk8",
        ),
        (
            "caf\u{e9}",
            "m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$ZU7rGj/o9NpdOCOHYkNmjPBCxPxpQIlFjOZ0Vf2K4VI",
        ),
        (
            "SecurePassword123!",
            "m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$NPwErBYIcuUVLulXwT5R5Zf4JJgPIXki5PcYkyYVDmk",
        ),
    ];

    fn is_right(typed: &str, stored: &str) -> bool {
        let stored = PasswordHash::parse(stored).unwrap();
        let dummy = dummy(Algorithm::Bcrypt { cost: 4 }, &SystemEntropy).unwrap();
        let check = Check::new(&Password::presented(typed.to_owned()), Some(&stored), &dummy);
        Hashing.check(&check).unwrap()
    }

    fn made(typed: &str, algorithm: Algorithm, salt: &[u8; 16]) -> PasswordHash {
        let password = Password::presented(typed.to_owned());
        Hashing.make(&Make::new(&password, algorithm, *salt).unwrap()).unwrap()
    }

    #[test]
    fn hashes_of_other_bcrypts_are_verified() {
        for (typed, digest) in BCRYPT {
            for prefix in ["$2a$", "$2b$", "$2y$"] {
                let stored = format!("{prefix}04$abcdefghijklmnopqrstuu{digest}");
                assert!(is_right(typed, &stored), "{typed} {prefix}");
                assert!(!is_right("another", &stored), "{typed} {prefix}");
            }
        }
    }

    #[test]
    fn hashes_of_the_reference_argon2_are_verified() {
        for (typed, rest) in ARGON2ID {
            let stored = format!("$argon2id$v=19${rest}");
            assert!(is_right(typed, &stored), "{typed} {rest}");
            assert!(!is_right("another", &stored), "{typed} {rest}");
        }
    }

    #[test]
    fn a_new_hash_is_the_one_that_others_would_make() {
        let known = PasswordHash::parse(&format!("$2b$04$abcdefghijklmnopqrstuu{}", BCRYPT[1].1));
        let salt = known.as_ref().unwrap().salt.as_slice().try_into().unwrap();
        let new = made(BCRYPT[1].0, Algorithm::Bcrypt { cost: 4 }, &salt);
        assert_eq!(new.expose(), known.unwrap().expose());
        let algorithm = Algorithm::Argon2id { memory_kib: 64, time: 1, parallelism: 1 };
        let new = made(ARGON2ID[1].0, algorithm, b"somesaltsomesalt");
        assert_eq!(new.expose(), format!("$argon2id$v=19${}", ARGON2ID[1].1));
    }

    #[test]
    fn a_composed_and_a_decomposed_password_are_the_same_for_either_algorithm() {
        let stored = format!("$2b$04$abcdefghijklmnopqrstuu{}", BCRYPT[2].1);
        assert!(is_right("cafe\u{301}", &stored));
        assert!(is_right("cafe\u{301}", &format!("$argon2id$v=19${}", ARGON2ID[3].1)));
    }

    #[test]
    fn a_longer_password_is_not_the_one_that_bcrypt_would_cut_it_to() {
        let (cut, digest) = BCRYPT[3];
        assert_eq!(cut.len(), 72);
        assert!(!is_right(&format!("{cut}x"), &format!("$2a$04$abcdefghijklmnopqrstuu{digest}")));
    }

    #[test]
    fn a_nul_does_not_end_a_password() {
        let (typed, digest) = BCRYPT[1];
        let stored = format!("$2b$04$abcdefghijklmnopqrstuu{digest}");
        assert!(!is_right(&format!("{typed}\0"), &stored));
        // bcrypt repeats the password with its end mark, so that this would be the same key.
        assert!(!is_right(&format!("{typed}\0{typed}"), &stored));
    }

    #[test]
    fn a_password_that_cannot_be_right_is_wrong_even_where_its_filler_is_right() {
        let empty = format!("$2b$04$abcdefghijklmnopqrstuu{}", BCRYPT[0].1);
        assert!(is_right("", &empty));
        assert!(!is_right(&"x".repeat(73), &empty));
        assert!(!is_right("\0", &empty));
    }
}
