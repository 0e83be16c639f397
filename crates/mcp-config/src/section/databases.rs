//! `databases`: what lies behind the server, in order.

use std::path::PathBuf;
use std::time::Duration;

use mcp_identity::{DatabaseName, DbRole, UserName};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::secret::Secret;
use crate::table::BesideUrl::{Adds, Instead};
use crate::table::Fallback::{Derived, Is, Unset};
use crate::table::Key;
use crate::value::{DurationText, Kind, SizeText};

const NAME: Kind = Kind::Text {
    accepted: "a name of up to 63 bytes without spaces",
    check: |text| DatabaseName::parse(text).is_ok(),
};
const ROLE: Kind =
    Kind::Text { accepted: "a role of up to 63 bytes", check: |text| DbRole::parse(text).is_ok() };
const NAMES: Kind =
    Kind::List { accepted: "a list of user names", check: |text| UserName::parse(text).is_ok() };
const TEXT: Kind =
    Kind::Text { accepted: "text, in quotes where it looks like a number", check: |_| true };
const SSL_MODES: Kind =
    Kind::OneOf(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]);
const SESSION_ATTRIBUTES: Kind =
    Kind::OneOf(&["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]);
const STATEMENT_TIME: Kind = Kind::Duration { min_ms: 1, max_ms: 86_400_000 };
const CONNECTIONS: Kind = Kind::Integer { min: 1, max: 10_000 };

pub(crate) const KEYS: &[Key] = &[
    Key::new("databases[].name", NAME, Derived("`default` for the first; others need one")),
    Key::new("databases[].url", Kind::Secret, Unset("none")).flag("--db-url"),
    Key::new("databases[].host", TEXT, Is("localhost"))
        .ambient(&["PGHOST"])
        .flag("--db-host")
        .beside_url(Instead),
    Key::new("databases[].port", Kind::Integer { min: 1, max: 65_535 }, Is("5432"))
        .ambient(&["PGPORT"])
        .flag("--db-port")
        .beside_url(Instead),
    Key::new("databases[].database", TEXT, Derived("the same as `user`"))
        .ambient(&["PGDATABASE"])
        .flag("--db-name")
        .beside_url(Instead),
    Key::new("databases[].user", TEXT, Is("postgres"))
        .ambient(&["PGUSER"])
        .flag("--db-user")
        .beside_url(Instead),
    Key::new("databases[].password", Kind::Secret, Unset("none"))
        .ambient(&["PGPASSWORD"])
        .flag("--db-password")
        .beside_url(Adds),
    Key::new(
        "databases[].passfile",
        Kind::Path,
        Derived("`~/.pgpass` where the file names no database, else none"),
    )
    .ambient(&["PGPASSFILE"]),
    Key::new("databases[].sslmode", SSL_MODES, Is("prefer"))
        .ambient(&["PGSSLMODE"])
        .flag("--db-sslmode")
        .beside_url(Adds),
    Key::new("databases[].sslrootcert", Kind::Path, Unset("none"))
        .ambient(&["PGSSLROOTCERT"])
        .beside_url(Adds),
    Key::new("databases[].sslcert", Kind::Path, Unset("none"))
        .ambient(&["PGSSLCERT"])
        .beside_url(Adds),
    Key::new("databases[].sslkey", Kind::Path, Unset("none"))
        .ambient(&["PGSSLKEY"])
        .beside_url(Adds),
    Key::new("databases[].target_session_attrs", SESSION_ATTRIBUTES, Unset("any"))
        .ambient(&["PGTARGETSESSIONATTRS"])
        .beside_url(Adds),
    Key::new("databases[].allow_writes", Kind::Bool, Is("false")),
    Key::new("databases[].allow_superuser", Kind::Bool, Is("false")),
    Key::new("databases[].available_to_users", NAMES, Unset("everyone")),
    Key::new("databases[].db_role", ROLE, Unset("the login's own")),
    Key::new("databases[].statement_timeout", STATEMENT_TIME, Is("30s")),
    Key::new("databases[].lock_timeout", STATEMENT_TIME, Is("2s")),
    Key::new("databases[].max_rows", Kind::Integer { min: 1, max: 10_000_000 }, Is("1000")),
    Key::new("databases[].max_result_bytes", Kind::Size { min: 1 << 10, max: 1 << 30 }, Is("1MiB")),
    Key::new("databases[].connections_per_principal", CONNECTIONS, Is("4")),
    Key::new("databases[].connections_per_user", CONNECTIONS, Is("8")),
    Key::new("databases[].connections_total", CONNECTIONS, Is("50")),
    Key::new(
        "databases[].pool_idle",
        Kind::Duration { min_ms: 100, max_ms: 604_800_000 },
        Is("30m"),
    ),
];

/// One database: where it is, who may use it, and what one statement may cost.
///
/// Either `url` or `host`, `port`, `database` and `user`. Without a `url` those four and `sslmode`
/// are always there. With one, whichever of them are there were given by a stronger source (a
/// flag over a file) and override that part of the `url`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// What callers call it. Unique.
    #[serde(deserialize_with = "read_name")]
    #[schemars(with = "String")]
    pub name: DatabaseName,
    /// Where it is and how to log in, as `postgres://…` or `key=value` pairs.
    pub url: Option<Secret>,
    /// The host, a list of hosts separated by commas, or the directory of a Unix socket.
    pub host: Option<String>,
    /// The TCP port.
    pub port: Option<u16>,
    /// The database's name in PostgreSQL.
    pub database: Option<String>,
    /// The role that logs in.
    pub user: Option<String>,
    /// The password of that role.
    pub password: Option<Secret>,
    /// A file of passwords in the form of `.pgpass`, used where no password is given.
    pub passfile: Option<PathBuf>,
    /// How much the connection is protected, in libpq's words.
    pub sslmode: Option<SslMode>,
    /// The root certificates that the server's certificate must lead to, PEM.
    pub sslrootcert: Option<PathBuf>,
    /// The client's certificate, PEM.
    pub sslcert: Option<PathBuf>,
    /// The client's private key, PEM.
    pub sslkey: Option<PathBuf>,
    /// What kind of server is wanted, in libpq's words; the hosts are tried in order until one is.
    pub target_session_attrs: Option<TargetSessionAttrs>,
    /// Let credentials that are not read-only write.
    pub allow_writes: bool,
    /// Accept a login that is superuser or could read the server's files.
    pub allow_superuser: bool,
    /// The users who may reach it; an empty list admits none. Tokens are bound by their own record.
    pub available_to_users: Option<Vec<String>>,
    /// The role that every connection runs as after login.
    #[serde(default, deserialize_with = "read_role")]
    #[schemars(with = "Option<String>")]
    pub db_role: Option<DbRole>,
    /// How long one statement may run.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub statement_timeout: Duration,
    /// How long one statement may wait for a lock.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub lock_timeout: Duration,
    /// The most rows of one result.
    pub max_rows: u64,
    /// The largest result, as sent to the client.
    #[schemars(with = "SizeText")]
    pub max_result_bytes: u64,
    /// Connections that one credential may hold at once.
    pub connections_per_principal: usize,
    /// Connections that all sessions of one user together may hold.
    pub connections_per_user: usize,
    /// Connections that all credentials together may hold.
    pub connections_total: usize,
    /// How long an unused connection is kept.
    #[serde(deserialize_with = "DurationText::deserialize")]
    #[schemars(with = "DurationText")]
    pub pool_idle: Duration,
}

/// How much a connection is protected, in libpq's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS where the server insists.
    Allow,
    /// TLS where the server can.
    Prefer,
    /// TLS or nothing; the certificate is not checked unless a root is given.
    Require,
    /// The certificate must lead to the root.
    VerifyCa,
    /// The certificate must also name the host.
    VerifyFull,
}

impl SslMode {
    /// The mode as libpq writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// What kind of server is wanted, in libpq's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum TargetSessionAttrs {
    /// The first that answers.
    Any,
    /// One that accepts writes.
    ReadWrite,
    /// One that does not.
    ReadOnly,
    /// One that is no standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby, or else any.
    PreferStandby,
}

impl TargetSessionAttrs {
    /// The word as libpq writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

fn read_name<'de, D: Deserializer<'de>>(from: D) -> Result<DatabaseName, D::Error> {
    DatabaseName::parse(&String::deserialize(from)?).map_err(de::Error::custom)
}

fn read_role<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DbRole>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| DbRole::parse(&text).map_err(de::Error::custom)).transpose()
}
