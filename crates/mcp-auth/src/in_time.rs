//! No store is waited for without an end.

use std::time::Duration;

use mcp_store::{StoreError, StoreErrorKind};
use tokio::time::timeout;

/// How long a store may take for one thing. While the keeper waits for it, no lease ends.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// The same for a reading of all that there is, which may be a million sessions.
pub(crate) const LIMIT_OF_ALL: Duration = Duration::from_secs(30);

/// The same for the first of those: nobody is let in yet whose lease could have to end.
pub(crate) const LIMIT_OF_THE_FIRST: Duration = Duration::from_mins(1);

/// What `asking` says, or that `what` did not answer.
pub(crate) async fn in_time<T, E: From<StoreError>>(
    what: &str,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    within(LIMIT, what, asking).await
}

/// The same with another limit.
pub(crate) async fn within<T, E: From<StoreError>>(
    limit: Duration,
    what: &str,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    timeout(limit, asking).await.unwrap_or_else(|_| {
        Err(E::from(StoreError {
            place: what.to_owned(),
            fault: "no answer in time".to_owned(),
            hint: None,
            kind: StoreErrorKind::Down,
        }))
    })
}
