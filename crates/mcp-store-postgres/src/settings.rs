//! What a store is told beside its target.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use mcp_connect::{HostAddress, SslMode, Target};

/// How a store uses its database. Comes from `users.pool` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Connections at a time, besides the one that listens.
    pub connections: NonZeroUsize,
    /// Connections that may lie idle.
    pub idle: usize,
    /// A connection older than this is closed when it comes back.
    pub lifetime: Duration,
    /// A connection that nobody used for so long is closed.
    pub idle_time: Duration,
    /// The longest that a change or a search may take, the wait for a connection included.
    pub patience: Duration,
    /// The longest that reading everything may take.
    pub reading: Duration,
    /// While nobody tells of changes, everything is said to have changed this often: so long may
    /// pass at most until a change elsewhere is seen here. Shorter than what a cache may be old.
    pub recheck: Duration,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            connections: NonZeroUsize::new(25).unwrap_or(NonZeroUsize::MIN),
            idle: 5,
            lifetime: Duration::from_mins(5),
            idle_time: Duration::from_mins(1),
            patience: Duration::from_secs(5),
            reading: Duration::from_secs(30),
            recheck: Duration::from_secs(15),
        }
    }
}

/// The first host that is reached over a network without TLS, because `sslmode=disable` says so:
/// whoever is on the way reads every hash. `None`: there is none. Whoever opens a store should warn
/// of it, once.
#[must_use]
pub fn plain_to_elsewhere(target: &Target) -> Option<String> {
    if target.sslmode != SslMode::Disable {
        return None;
    }
    let elsewhere = |address: &HostAddress| match address {
        HostAddress::Unix(_) => false,
        HostAddress::Tcp(name) if name.eq_ignore_ascii_case("localhost") => false,
        HostAddress::Tcp(name) => !name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
    };
    target.hosts.iter().find(|host| elsewhere(&host.address)).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use mcp_connect::Target;

    use super::plain_to_elsewhere;

    fn found(dsn: &str) -> Option<String> {
        plain_to_elsewhere(&Target::parse(dsn).unwrap())
    }

    #[test]
    fn a_remote_host_without_tls_is_found() {
        let dsn = "postgres://u:p@localhost,db.example:5433/users?sslmode=disable";
        assert_eq!(found(dsn), Some("db.example:5433".to_owned()));
        assert_eq!(
            found("host=10.0.0.7 user=u dbname=d sslmode=disable"),
            Some("10.0.0.7:5432".into())
        );
    }

    #[test]
    fn this_machine_and_tls_are_fine() {
        for dsn in [
            "postgres://u@localhost/d?sslmode=disable",
            "postgres://u@127.0.0.2/d?sslmode=disable",
            "postgres://u@[::1]/d?sslmode=disable",
            "host=/run/postgresql user=u dbname=d sslmode=disable",
            "postgres://u@db.example/d?sslmode=require",
        ] {
            assert_eq!(found(dsn), None, "{dsn}");
        }
    }
}
