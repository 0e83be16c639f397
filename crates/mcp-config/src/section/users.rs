//! `users`: where credentials are kept, and what holds while that place cannot be asked.

use std::num::NonZeroUsize;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::Secret;
use crate::table::Fallback::{Derived, Is, Unset};
use crate::table::Key;
use crate::value::{DurationText, Kind};

const LINE: Kind =
    Kind::Text { accepted: "one line of at most 255 bytes", check: |text| text.len() <= 255 };
const LIFE: Kind = Kind::Duration { min_ms: 1_000, max_ms: 86_400_000 };

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "users.store",
        Kind::OneOf(&["file", "postgres"]),
        Derived("`postgres` once `users.database_dsn` is given, else `file`"),
    )
    .flag("--store"),
    Key::new("users.database_dsn", Kind::Secret, Unset("none; PostgreSQL needs one"))
        .aliases(&["USER_DATABASE_DSN"])
        .also_in_files("security.user_database_dsn"),
    Key::new("users.fallback", Kind::OneOf(&["fail", "cached", "memory"]), Is("cached")),
    Key::new("users.cache_ttl", Kind::Duration { min_ms: 30_000, max_ms: 60_000 }, Is("60s")),
    Key::new(
        "users.cache_max_stale",
        Kind::Duration { min_ms: 1_000, max_ms: 3_600_000 },
        Is("300s"),
    ),
    Key::new("users.pool.max", Kind::Integer { min: 1, max: 1_000 }, Is("25")),
    Key::new("users.pool.idle", Kind::Integer { min: 0, max: 1_000 }, Is("5")),
    Key::new("users.pool.lifetime", LIFE, Is("300s")),
    Key::new("users.pool.idle_time", LIFE, Is("60s")),
    Key::new("users.create_demo_users", Kind::Bool, Is("false")).aliases(&["CREATE_DEMO_USERS"]),
    Key::new("users.bootstrap.username", LINE, Is("admin")),
    Key::new("users.bootstrap.email", LINE, Unset("none")).aliases(&["PLATFORM_ADMIN_EMAIL"]),
    Key::new("users.bootstrap.password", Kind::Secret, Unset("none: no user is made"))
        .aliases(&["PLATFORM_ADMIN_PASSWORD"]),
    Key::new("users.allow_shared_auth_database", Kind::Bool, Is("false")),
];

/// Where credentials are kept, and what holds while that place cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsersConfig {
    /// Where accounts, sessions and API tokens are kept: in files, for one server, or in
    /// PostgreSQL, for any number of them.
    pub store: UserStore,
    /// The database of accounts, sessions and API tokens, as `postgres://…` or `key=value` pairs.
    ///
    /// There when `store` is `postgres`. Only whoever connects reads it.
    pub database_dsn: Option<Secret>,
    /// What holds while that database cannot be asked: nothing (`fail`), or what was read of it
    /// last, for a while (`cached`) or for as long as it takes (`memory`). Only with `memory` the
    /// server starts without the database, and knows nobody then. Logins are answered 503 in any
    /// case.
    pub fallback: UsersFallback,
    /// How late a change made on another server is seen here at most, while the database answers
    /// and tells of no changes.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub cache_ttl: Duration,
    /// How long `cached` lasts.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub cache_max_stale: Duration,
    /// The connections to that database.
    pub pool: UsersPool,
    /// Where PostgreSQL keeps no user yet, make `admin`, `operator` and `viewer` with the passwords
    /// that everybody knows, to be changed at the first login. While one of them works, only
    /// loopback is listened on.
    pub create_demo_users: bool,
    /// The first admin in PostgreSQL.
    pub bootstrap: UsersBootstrap,
    /// Serve a database in which the login of the queries can read this server's own accounts,
    /// sessions or reset tokens.
    pub allow_shared_auth_database: bool,
}

/// The connections to the database of accounts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsersPool {
    /// Connections at a time, besides the one that hears of changes.
    pub max: NonZeroUsize,
    /// Connections that may lie idle.
    pub idle: usize,
    /// A connection older than this is closed when it comes back.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub lifetime: Duration,
    /// A connection that nobody used for so long is closed.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub idle_time: Duration,
}

/// The first admin in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsersBootstrap {
    /// The name.
    pub username: String,
    /// The address.
    pub email: Option<String>,
    /// The password. Where there is no user yet, it makes this admin; when it was changed since it
    /// was applied last, this admin gets it at the next start, once, and old sessions end.
    pub password: Option<Secret>,
}

/// Where credentials are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum UserStore {
    /// In files.
    File,
    /// In PostgreSQL.
    Postgres,
}

/// What holds while the database of accounts cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum UsersFallback {
    /// Nothing.
    Fail,
    /// For a while, what was read last.
    Cached,
    /// What was read last, until the database answers again; at a start without it, nothing.
    Memory,
}
