//! What can go wrong while connecting, and on the wire.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::database_error::DatabaseError;
use crate::dsn::passfile::PassFileError;

/// Why there is no connection. `Display` is for the operator and holds no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server could not be reached, or went away while we were talking.
    #[error("{host}: {source}")]
    Io {
        /// Host and port, or the socket's path.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// No connection stood within the target's `connect_timeout`.
    #[error("{host}: no connection within {after:?}")]
    TimedOut {
        /// Host and port, or the socket's path.
        host: String,
        /// The timeout.
        after: Duration,
    },
    /// The server offers no TLS, or its certificate does not hold.
    #[error("{host}: TLS: {reason}")]
    Tls {
        /// Host and port.
        host: String,
        /// What rustls said.
        reason: String,
    },
    /// A certificate or key file that cannot be used.
    #[error("{}: {reason}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The password file cannot be used.
    #[error(transparent)]
    PassFile(#[from] PassFileError),
    /// PostgreSQL refused: no such role or database, wrong password, too many connections.
    #[error("{host}: {error}")]
    Database {
        /// Host and port, or the socket's path.
        host: String,
        /// What it said.
        error: Box<DatabaseError>,
    },
    /// Who we are could not be settled between the two of us.
    #[error("{host}: {reason}")]
    Authentication {
        /// Host and port, or the socket's path.
        host: String,
        /// Why.
        reason: String,
    },
    /// It answers, and not as PostgreSQL does.
    #[error("{host}: unexpected answer: {reason}")]
    Protocol {
        /// Host and port, or the socket's path.
        host: String,
        /// What was odd.
        reason: String,
    },
    /// It is a primary where a standby is wanted, or the like.
    #[error("{host}: not {wanted}, which target_session_attrs asks for")]
    Unsuitable {
        /// Host and port, or the socket's path.
        host: String,
        /// The value of `target_session_attrs`.
        wanted: &'static str,
    },
    /// The session asks for something that cannot be said.
    #[error("{0}")]
    SessionSettings(String),
    /// No host would do; each with its reason.
    #[error("no host could be used: {}", listed(.0))]
    NoHost(Vec<ConnectError>),
}

impl ConnectError {
    /// What PostgreSQL said, if it was PostgreSQL that refused.
    #[must_use]
    pub fn database_error(&self) -> Option<&DatabaseError> {
        match self {
            Self::Database { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Would another host perhaps do? libpq goes on where nobody answers, where the server is
    /// still starting, and where it is of the wrong kind; a refused password is final.
    pub(crate) fn allows_next_host(&self) -> bool {
        const CANNOT_CONNECT_NOW: &str = "57P03";
        match self {
            Self::Io { .. } | Self::TimedOut { .. } | Self::Unsuitable { .. } => true,
            Self::Database { error, .. } => error.sqlstate == CANNOT_CONNECT_NOW,
            Self::Tls { .. }
            | Self::TlsFile { .. }
            | Self::PassFile(_)
            | Self::Authentication { .. }
            | Self::Protocol { .. }
            | Self::SessionSettings(_)
            | Self::NoHost(_) => false,
        }
    }
}

fn listed(errors: &[ConnectError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why a statement did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// PostgreSQL refused it. The connection is usable as a rule; ask it.
    #[error(transparent)]
    Database(Box<DatabaseError>),
    /// The connection was unusable before, or the server closed it.
    #[error("the connection is closed")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The server did something that it must not do, or that is not carried: COPY.
    #[error("unexpected answer from the server: {0}")]
    Protocol(&'static str),
    /// One message of the server, such as a row, is larger than the cap.
    #[error("one row of {bytes} bytes is more than the {limit} that are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The cap.
        limit: usize,
    },
    /// Nothing was sent: the statement or a parameter holds a zero byte, or there are too many
    /// parameters. The connection is as it was.
    #[error("the statement cannot be sent: {0}")]
    Unsendable(#[source] io::Error),
}
