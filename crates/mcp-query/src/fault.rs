//! Why a statement gave no result, in words for the model that sent it.

use std::fmt::Write as _;
use std::time::Duration;

use mcp_connect::{DatabaseError, WireError};
use mcp_identity::AuditOutcome;
use mcp_pool::AcquireError;
use mcp_sql::Refusal;

use crate::query::Stop;

/// A statement that did not end well.
#[derive(Debug)]
pub enum QueryFault {
    /// Not sent: the text is no statement that may run.
    Refused(Refusal),
    /// The principal reaches no database of that name; perhaps there is none.
    UnknownDatabase,
    /// PostgreSQL refused it or failed. The position is one in the caller's text.
    Database(Box<DatabaseError>),
    /// The same of a change, perhaps behind rows that it returned: nothing of it stays.
    Undone(Box<DatabaseError>),
    /// There is no connection to run it on.
    Unavailable(AcquireError),
    /// The connection broke in the middle.
    Broken(WireError),
    /// It ran longer than it may.
    TimedOut(Duration),
    /// The credential ended while it ran.
    Ended,
    /// A change was under way, and nobody learned how it ended.
    Unsure,
    /// Whoever asked is gone.
    Gone,
}

impl QueryFault {
    /// What the model is told. Never a host, a DSN, or what lies behind the database's name.
    #[must_use]
    pub fn told(&self) -> String {
        self.told_of("the query")
    }

    /// The same, where the caller's text is a part of the query: `the condition`.
    #[must_use]
    pub fn told_of(&self, text: &str) -> String {
        match self {
            Self::Refused(refusal) => format!("Error: {refusal}"),
            Self::UnknownDatabase => {
                "Error: unknown database; leave the argument out for the default one".into()
            }
            Self::Database(error) | Self::Undone(error) => told(error, text),
            Self::Unavailable(AcquireError::Busy(waited)) => format!(
                "Error: every connection of this credential is busy and stayed so for {waited:?}; \
                 try again later"
            ),
            Self::Unavailable(AcquireError::TooMuch(_)) => {
                "Error: this database is not served: its login may do more than an agent should; \
                 its operator can mend that"
                    .into()
            }
            Self::Unavailable(
                AcquireError::NoSuchDatabase | AcquireError::Connect(_) | AcquireError::Lost,
            ) => "Error: the database cannot be reached at the moment; try again later".into(),
            Self::Broken(WireError::TooLarge { limit, .. }) => format!(
                "Error: a single row is larger than {limit} bytes; select fewer columns or shorten \
                 them"
            ),
            Self::Broken(_) => {
                "Error: the connection to the database broke while the query ran; try again".into()
            }
            Self::TimedOut(limit) => format!(
                "Error: the query ran longer than {limit:?} and was cancelled; ask for less or \
                 use an index"
            ),
            Self::Unsure => {
                "Error: the statement was cut off while it ran: it may have been done as a whole, \
                 or not at all; look at the data before you send it again"
                    .into()
            }
            Self::Ended | Self::Gone | Self::Unavailable(AcquireError::Ended) => {
                "Error: the credential is no longer valid".into()
            }
        }
    }
}

impl QueryFault {
    /// What the record says of it: a word that never changes.
    pub(crate) fn outcome(&self) -> AuditOutcome {
        match self {
            Self::Refused(Refusal::Denied(_)) => AuditOutcome::Refused("denied_name"),
            Self::Refused(_) => AuditOutcome::Refused("not_allowed"),
            Self::UnknownDatabase => AuditOutcome::Refused("unknown_database"),
            Self::Database(_) | Self::Undone(_) => AuditOutcome::Failed("database_error"),
            Self::Unavailable(_) => AuditOutcome::Failed("unavailable"),
            Self::Broken(_) => AuditOutcome::Failed("broken"),
            Self::TimedOut(_) => AuditOutcome::Failed("timed_out"),
            Self::Ended => AuditOutcome::Failed("ended"),
            Self::Unsure => AuditOutcome::Failed("unsure"),
            Self::Gone => AuditOutcome::Failed("gone"),
        }
    }
}

fn told(error: &DatabaseError, of: &str) -> String {
    let mut text = format!("Error {}: {}", error.sqlstate, error.message);
    // Writing to a String does not fail.
    if let Some(position) = error.position {
        let _ = write!(text, "\nPosition: character {position} of {of}");
    }
    if let Some(detail) = &error.detail {
        let _ = write!(text, "\nDetail: {detail}");
    }
    if let Some(hint) = &error.hint {
        let _ = write!(text, "\nHint: {hint}");
    }
    text
}

impl From<Refusal> for QueryFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<AcquireError> for QueryFault {
    fn from(fault: AcquireError) -> Self {
        match fault {
            AcquireError::Ended => Self::Ended,
            AcquireError::NoSuchDatabase => Self::UnknownDatabase,
            other => Self::Unavailable(other),
        }
    }
}

impl From<WireError> for QueryFault {
    fn from(fault: WireError) -> Self {
        match fault {
            WireError::Database(error) => Self::Database(error),
            other => Self::Broken(other),
        }
    }
}

impl From<Stop> for QueryFault {
    fn from(Stop: Stop) -> Self {
        Self::Gone
    }
}
