//! Where to connect, and as whom.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::dsn::{DsnError, TargetBuilder, percent_encoded};
use crate::secret::Secret;

/// Everything that says where a database is and who logs in, checked. `Display` is a URL with
/// the password masked.
///
/// ```
/// use mcp_connect::Target;
///
/// let target = Target::builder()
///     .set("host", "db.example")?
///     .set("user", "reader")?
///     .set("password", "secret")?
///     .build()?;
/// assert_eq!(target.to_string(), "postgresql://reader:***@db.example:5432/reader");
/// # Ok::<(), mcp_connect::DsnError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Tried in order. Never empty.
    pub hosts: Vec<Host>,
    /// The database's name on the server.
    pub database: String,
    /// The role that logs in.
    pub user: String,
    /// Its password, if it was given; else it is looked for in `passfile`.
    pub password: Option<Secret>,
    /// A file in the form of `.pgpass`, read at each connect. Absent files are no error.
    pub passfile: Option<PathBuf>,
    /// How much TLS. Unix sockets never use it, as in libpq.
    pub sslmode: SslMode,
    /// Who may sign the server's certificate.
    pub sslrootcert: Option<RootCertificates>,
    /// A client certificate in PEM, and its key; both or neither.
    pub sslcert: Option<PathBuf>,
    /// The key of `sslcert`, in PEM, not encrypted.
    pub sslkey: Option<PathBuf>,
    /// Whether the password exchange must be tied to the TLS session.
    pub channel_binding: ChannelBinding,
    /// What kind of server is wanted.
    pub target_session_attrs: TargetSessionAttrs,
    /// For each address of each host, from the first packet to a connection that is ready.
    pub connect_timeout: Duration,
    /// Shown in `pg_stat_activity`, unless the session has its own.
    pub application_name: Option<String>,
    /// Command-line options for the server, such as `-c geqo=off`.
    pub options: Option<String>,
}

impl Target {
    /// Reads a DSN in either form: a URL, or `key=value` pairs. Nothing is taken from elsewhere.
    pub fn parse(dsn: &str) -> Result<Self, DsnError> {
        Self::builder().dsn(dsn)?.build()
    }

    /// Reads `PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`, `PGPASSWORD`, `PGSSLMODE`, `PGPASSFILE`
    /// and their like from a map, and ignores the rest of it.
    pub fn from_environment(variables: &BTreeMap<String, String>) -> Result<Self, DsnError> {
        Self::builder().environment(variables).build()
    }

    /// A target in the making, from parts of any origin.
    #[must_use]
    pub fn builder() -> TargetBuilder {
        TargetBuilder::default()
    }
}

/// A URL that reads back as the same target, but for the password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = if self.password.is_some() { ":***" } else { "" };
        write!(f, "postgresql://{}{password}@", percent_encoded(&self.user))?;
        for (place, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if place == 0 { "" } else { "," })?;
        }
        write!(f, "/{}", percent_encoded(&self.database))?;
        if self.sslmode != SslMode::default() {
            write!(f, "?sslmode={}", self.sslmode.as_str())?;
        }
        Ok(())
    }
}

/// One server: an address and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where it is.
    pub address: HostAddress,
    /// The port; of a Unix socket, the end of the file's name.
    pub port: u16,
}

/// As in a URL: `name:port`, `[::1]:port`, `%2Fvar%2Frun:port`.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            HostAddress::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            HostAddress::Tcp(name) => write!(f, "{}:{}", percent_encoded(name), self.port),
            HostAddress::Unix(dir) => {
                write!(f, "{}:{}", percent_encoded(&dir.to_string_lossy()), self.port)
            }
        }
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAddress {
    /// A name or an address, IPv6 without brackets.
    Tcp(String),
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

/// Whose signature on a server's certificate counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// Those that the operating system trusts: `sslrootcert=system`.
    System,
    /// Those in this PEM file.
    File(PathBuf),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $key:literal,
     $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word for it in a DSN.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(crate) fn parse(text: &str) -> Result<Self, DsnError> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(DsnError::Value {
                        name: $key,
                        expected: concat!("one of", $(" ", $word),+),
                    }),
                }
            }
        }
    };
}

words! {
    /// How much TLS, as in libpq. `allow` is refused: it means TLS only where it is forced.
    SslMode, "sslmode",
    /// Never.
    Disable = "disable",
    /// If the server can; not verified, and plain where it cannot.
    #[default]
    Prefer = "prefer",
    /// Always; verified as by `VerifyCa` if there is an `sslrootcert`, else not at all.
    Require = "require",
    /// Always, with a certificate signed by one of `sslrootcert`.
    VerifyCa = "verify-ca",
    /// Always, with such a certificate that bears the host's name.
    VerifyFull = "verify-full",
}

words! {
    /// Whether SCRAM must be bound to the TLS session (SCRAM-SHA-256-PLUS, RFC 5802 §6).
    ChannelBinding, "channel_binding",
    /// Not at all.
    Disable = "disable",
    /// Where both sides can.
    #[default]
    Prefer = "prefer",
    /// Or no connection.
    Require = "require",
}

words! {
    /// What kind of server is wanted, as in libpq.
    TargetSessionAttrs, "target_session_attrs",
    /// The first that answers.
    #[default]
    Any = "any",
    /// One that accepts writes.
    ReadWrite = "read-write",
    /// One that does not.
    ReadOnly = "read-only",
    /// One that is no standby.
    Primary = "primary",
    /// A standby.
    Standby = "standby",
    /// A standby, or else any.
    PreferStandby = "prefer-standby",
}
