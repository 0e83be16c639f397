//! How passwords are hashed, and what is too cheap or too dear.

use std::fmt;
use std::ops::RangeInclusive;

/// The algorithm and the cost of a hash: of new ones as configured, of a stored one as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// bcrypt, written as `$2b$`. It cannot take more than 72 bytes of a password.
    Bcrypt {
        /// Each one more doubles the work. 4 to 15.
        cost: u32,
    },
    /// Argon2id (RFC 9106), version 19, written as a PHC string.
    Argon2id {
        /// The memory that one hash fills, in KiB. At least 8 for each lane, at most 256 MiB.
        memory_kib: u32,
        /// Passes over the memory. 1 to 10.
        time: u32,
        /// Lanes, computed one after another. 1 to 8.
        parallelism: u32,
    },
}

impl Algorithm {
    /// What the file store writes unless configured: bcrypt with cost 12.
    pub const BCRYPT: Self = Self::Bcrypt { cost: 12 };

    /// What the PostgreSQL store writes unless configured: Argon2id, 64 MiB, 3 passes, 1 lane.
    pub const ARGON2ID: Self = Self::Argon2id { memory_kib: 65_536, time: 3, parallelism: 1 };

    /// The word of `passwords.algorithm`: `bcrypt` or `argon2id`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bcrypt { .. } => "bcrypt",
            Self::Argon2id { .. } => "argon2id",
        }
    }

    /// The longest password in bytes, after NFKC, that becomes a hash of this algorithm.
    #[must_use]
    pub fn max_bytes(self) -> usize {
        match self {
            Self::Bcrypt { .. } => 72,
            Self::Argon2id { .. } => crate::text::MAX_BYTES,
        }
    }

    /// Are the parameters between too little to be computed and too much to be borne? A stored
    /// hash beyond that would let whoever wrote it stop the server.
    ///
    /// # Errors
    /// The first parameter that is outside, with its bounds.
    pub fn check(self) -> Result<(), AlgorithmError> {
        match self {
            Self::Bcrypt { cost } => within("bcrypt cost", cost, 4..=15),
            Self::Argon2id { memory_kib, time, parallelism } => {
                within("argon2id parallelism (p)", parallelism, 1..=8)?;
                within("argon2id time (t)", time, 1..=10)?;
                // RFC 9106, section 3.1: at least 8 KiB for each lane.
                within("argon2id memory (m, in KiB)", memory_kib, 8 * parallelism..=256 * 1024)
            }
        }
    }

    /// Would a hash of this be weaker than one that `writer` makes? Argon2id is never weaker than
    /// bcrypt; otherwise each parameter that adds to the work counts.
    pub(crate) fn is_weaker_than(self, writer: Self) -> bool {
        match (self, writer) {
            (Self::Bcrypt { cost: has }, Self::Bcrypt { cost: wants }) => has < wants,
            (Self::Bcrypt { .. }, Self::Argon2id { .. }) => true,
            (Self::Argon2id { .. }, Self::Bcrypt { .. }) => false,
            (
                Self::Argon2id { memory_kib, time, .. },
                Self::Argon2id { memory_kib: wants_memory, time: wants_time, .. },
            ) => memory_kib < wants_memory || time < wants_time,
        }
    }

    /// How long one hash takes, in microseconds on a machine of 2020: good for telling which of two
    /// algorithms is the dearer, and for nothing else.
    pub(crate) fn work(self) -> u64 {
        match self {
            Self::Bcrypt { cost } => 70 << cost,
            Self::Argon2id { memory_kib, time, .. } => {
                u64::from(memory_kib) * u64::from(time) * 7 / 10
            }
        }
    }
}

fn within(
    what: &'static str,
    value: u32,
    bounds: RangeInclusive<u32>,
) -> Result<(), AlgorithmError> {
    if bounds.contains(&value) {
        Ok(())
    } else {
        Err(AlgorithmError { what, value, least: *bounds.start(), most: *bounds.end() })
    }
}

/// A parameter of an algorithm is outside its bounds. The operator's mistake, or a stored hash
/// that nobody should compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlgorithmError {
    /// The algorithm and the parameter.
    pub what: &'static str,
    /// What it is.
    pub value: u32,
    /// The least that it may be.
    pub least: u32,
    /// The most that it may be.
    pub most: u32,
}

impl fmt::Display for AlgorithmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, least, most } = self;
        write!(f, "{what} is {value}, and must be {least} to {most}")
    }
}

impl std::error::Error for AlgorithmError {}

#[cfg(test)]
mod tests {
    use super::*;

    const fn argon2id(memory_kib: u32, time: u32, parallelism: u32) -> Algorithm {
        Algorithm::Argon2id { memory_kib, time, parallelism }
    }

    #[test]
    fn the_bounds_themselves_are_inside_and_one_beyond_is_not() {
        for inside in [
            Algorithm::Bcrypt { cost: 4 },
            Algorithm::Bcrypt { cost: 15 },
            argon2id(8, 1, 1),
            argon2id(262_144, 10, 8),
        ] {
            assert_eq!(inside.check(), Ok(()), "{inside:?}");
        }
        for outside in [
            Algorithm::Bcrypt { cost: 3 },
            Algorithm::Bcrypt { cost: 16 },
            argon2id(7, 1, 1),
            argon2id(63, 1, 8),
            argon2id(262_145, 1, 1),
            argon2id(64, 0, 1),
            argon2id(64, 11, 1),
            argon2id(64, 1, 0),
            argon2id(1024, 1, 9),
        ] {
            assert!(outside.check().is_err(), "{outside:?}");
        }
    }

    #[test]
    fn an_error_names_the_parameter_and_its_bounds() {
        let error = Algorithm::Bcrypt { cost: 31 }.check().unwrap_err();
        assert_eq!(error.to_string(), "bcrypt cost is 31, and must be 4 to 15");
    }

    #[test]
    fn a_login_never_replaces_a_hash_by_a_weaker_one() {
        assert!(!Algorithm::ARGON2ID.is_weaker_than(Algorithm::BCRYPT));
        assert!(Algorithm::BCRYPT.is_weaker_than(Algorithm::ARGON2ID));
        assert!(!Algorithm::Bcrypt { cost: 13 }.is_weaker_than(Algorithm::BCRYPT));
        assert!(Algorithm::Bcrypt { cost: 10 }.is_weaker_than(Algorithm::BCRYPT));
        assert!(argon2id(65_536, 2, 1).is_weaker_than(Algorithm::ARGON2ID));
        assert!(argon2id(19_456, 9, 1).is_weaker_than(Algorithm::ARGON2ID));
        // Lanes are computed one after another: they add no work.
        assert!(!argon2id(65_536, 3, 4).is_weaker_than(Algorithm::ARGON2ID));
        assert!(!Algorithm::ARGON2ID.is_weaker_than(Algorithm::ARGON2ID));
    }
}
