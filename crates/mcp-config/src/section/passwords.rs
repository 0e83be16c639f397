//! `passwords`: which may be chosen, and how they are hashed.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::table::Fallback::{Is, Unset};
use crate::table::Key;
use crate::value::{DurationText, Kind};

pub(crate) const KEYS: &[Key] = &[
    Key::new("passwords.policy", Kind::OneOf(&["classic", "nist", "strict"]), Is("classic"))
        .aliases(&["PASSWORD_POLICY"]),
    Key::new("passwords.algorithm", Kind::OneOf(&["auto", "bcrypt", "argon2id"]), Is("auto")),
    Key::new("passwords.bcrypt_cost", Kind::Integer { min: 4, max: 15 }, Is("12")),
    Key::new(
        "passwords.argon2_memory_kib",
        Kind::Integer { min: 8_192, max: 262_144 },
        Is("65536"),
    )
    .aliases(&["ARGON2ID_MEMORY"]),
    Key::new("passwords.argon2_time", Kind::Integer { min: 1, max: 10 }, Is("3"))
        .aliases(&["ARGON2ID_TIME"]),
    Key::new("passwords.argon2_parallelism", Kind::Integer { min: 1, max: 8 }, Is("1"))
        .aliases(&["ARGON2ID_PARALLELISM"]),
    Key::new(
        "passwords.hash_workers",
        Kind::Integer { min: 1, max: 1_024 },
        Unset("all cores but one, and one at least"),
    ),
    Key::new("passwords.queue_wait", Kind::Duration { min_ms: 100, max_ms: 60_000 }, Is("2s")),
    Key::new(
        "passwords.min_response_ms",
        Kind::Integer { min: 0, max: 60_000 },
        Unset("measured at start: 1.2 times the dearest hash"),
    ),
];

/// Which passwords may be chosen, and how they are hashed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordsConfig {
    /// The rules for new passwords: `classic` (8 characters, upper, lower, digit), `nist` (15
    /// characters, nothing else) or `strict` (12, three of four kinds, no runs, none of the
    /// account's last 5, of which it keeps the hashes); a list of common passwords always.
    pub policy: PasswordPolicy,
    /// How new hashes are made; `auto` is bcrypt for the users file and Argon2id for PostgreSQL.
    pub algorithm: PasswordAlgorithm,
    /// The cost of bcrypt.
    pub bcrypt_cost: u32,
    /// The memory of Argon2id, in KiB.
    pub argon2_memory_kib: u32,
    /// The passes of Argon2id.
    pub argon2_time: u32,
    /// The lanes of Argon2id.
    pub argon2_parallelism: u32,
    /// Threads that hash.
    pub hash_workers: Option<NonZeroUsize>,
    /// How long a login waits for its turn.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub queue_wait: Duration,
    /// No login is answered sooner, in milliseconds.
    pub min_response_ms: Option<u32>,
}

/// The rules for new passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum PasswordPolicy {
    /// Eight characters; upper, lower, digit.
    Classic,
    /// Fifteen characters, nothing else.
    Nist,
    /// Twelve characters, three of four kinds, no runs.
    Strict,
}

impl PasswordPolicy {
    /// The name in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Nist => "nist",
            Self::Strict => "strict",
        }
    }
}

/// How new hashes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum PasswordAlgorithm {
    /// As the store of the users has them.
    Auto,
    /// bcrypt.
    Bcrypt,
    /// Argon2id.
    Argon2id,
}
