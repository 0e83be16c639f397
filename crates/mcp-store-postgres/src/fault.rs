//! What went wrong, and who can mend it.

use std::error::Error as _;

use mcp_connect::ConnectError;
use mcp_store::{StoreError, StoreErrorKind};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Why a statement did not do its work.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A row of this constraint is there already.
    Taken(String),
    /// Two that waited for each other; nothing was done, and it may be asked again.
    Collided(StoreError),
    /// The connection was closed, before or after it was done.
    Cut(StoreError),
    /// Anything else.
    Store(StoreError),
}

impl Fault {
    /// Nothing more is to be told apart: the store failed.
    pub(crate) fn into_store(self) -> StoreError {
        match self {
            Self::Taken(constraint) => StoreError {
                place: "user store".to_owned(),
                fault: format!("another row has this value ({constraint})"),
                hint: None,
                kind: StoreErrorKind::Down,
            },
            Self::Collided(error) | Self::Cut(error) | Self::Store(error) => error,
        }
    }
}

/// A fault of the place that is named by its masked DSN.
pub(crate) fn fault(place: &str, kind: StoreErrorKind, fault: impl Into<String>) -> StoreError {
    StoreError { place: place.to_owned(), fault: fault.into(), hint: None, kind }
}

pub(crate) fn down(place: &str, what: impl Into<String>) -> StoreError {
    fault(place, StoreErrorKind::Down, what)
}

/// What a statement met.
pub(crate) fn of_statement(place: &str, error: &Error) -> Fault {
    let Some(said) = error.as_db_error() else {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let error = down(place, format!("{error}{cause}"));
        return Fault::Cut(error);
    };
    // The detail may quote a row; the message does not.
    let told = StoreError {
        place: place.to_owned(),
        fault: format!("{} ({})", said.message(), said.code().code()),
        hint: hint_of(said.code()),
        kind: kind_of(said.code().code()),
    };
    match *said.code() {
        SqlState::UNIQUE_VIOLATION => {
            Fault::Taken(said.constraint().unwrap_or_default().to_owned())
        }
        SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE => {
            Fault::Collided(told)
        }
        _ => Fault::Store(told),
    }
}

/// Why there is no connection.
pub(crate) fn of_connect(place: &str, error: &ConnectError) -> StoreError {
    let kind = match error {
        ConnectError::Database { error, .. } => kind_of(&error.sqlstate),
        ConnectError::TlsFile { .. }
        | ConnectError::PassFile(_)
        | ConnectError::Authentication { .. }
        | ConnectError::SessionSettings(_) => StoreErrorKind::Refused,
        _ => StoreErrorKind::Down,
    };
    fault(place, kind, error.to_string())
}

/// Classes of PostgreSQL docs, appendix A: what passes by itself, or with the help of whoever runs
/// the database server, is down; what is wrong with the login or the tables is the operator's.
fn kind_of(sqlstate: &str) -> StoreErrorKind {
    const NO_PATIENCE_WITH_LOCKS: &str = "55P03";
    const READ_ONLY: &str = "25006";
    let passes = ["08", "25", "40", "53", "57", "58", "XX"];
    let by_class = passes.iter().any(|class| sqlstate.starts_with(class));
    if by_class || sqlstate == NO_PATIENCE_WITH_LOCKS || sqlstate == READ_ONLY {
        StoreErrorKind::Down
    } else {
        StoreErrorKind::Refused
    }
}

fn hint_of(code: &SqlState) -> Option<String> {
    let hint = match *code {
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "the login must own the tables, or be granted what it does there"
        }
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_FUNCTION | SqlState::UNDEFINED_COLUMN => {
            "the tables are not as this release made them; drop mcp_schema and start again only on \
             an empty database"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use mcp_store::StoreErrorKind;

    use super::kind_of;

    #[test]
    fn what_passes_is_down_and_what_an_operator_mends_is_refused() {
        for passes in ["57P01", "57P03", "53300", "53100", "08006", "55P03", "25006", "40001"] {
            assert_eq!(kind_of(passes), StoreErrorKind::Down, "{passes}");
        }
        for mended in ["28P01", "28000", "3D000", "42501", "42P01", "23514"] {
            assert_eq!(kind_of(mended), StoreErrorKind::Refused, "{mended}");
        }
    }
}
