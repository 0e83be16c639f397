//! A store that is read, heard of, and perhaps down.

use std::time::Duration;

use mcp_store::{Change, Changes, StoreError};
use tokio::time::Instant;

/// How often a store is read when nothing tells of its changes any more.
const POLL: Duration = Duration::from_secs(5);

/// How long after a failed reading the next one comes, at first; doubled up to [`LONGEST_RETRY`].
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// A store, and how it is doing.
pub(crate) struct Watched<S> {
    pub(crate) store: S,
    pub(crate) changes: Changes,
    what: &'static str,
    /// It was read once.
    known: bool,
    /// Nothing tells of changes any more.
    deaf: bool,
    /// When it was asked the last time.
    read_at: Instant,
    /// It could not be read the last time.
    pub(crate) outage: Option<Outage>,
}

pub(crate) struct Outage {
    fault: StoreError,
    pub(crate) since: Instant,
    retry_at: Instant,
    wait: Duration,
}

impl<S> Watched<S> {
    pub(crate) fn new(changes: Changes, store: S, what: &'static str, known: bool) -> Self {
        Self { store, changes, what, known, deaf: false, read_at: Instant::now(), outage: None }
    }

    /// Waits until something is worth reading again, and says what.
    pub(crate) async fn changed(&mut self) -> Change {
        if self.deaf {
            return std::future::pending().await;
        }
        let Some(change) = self.changes.next().await else {
            self.deaf = true;
            tracing::warn!(
                "No word of changes of the {} any more: reading it every 5 s",
                self.what
            );
            return Change::Everything;
        };
        change
    }

    /// May more have changed than what is told?
    pub(crate) fn must_be_read_whole(&self) -> bool {
        self.deaf || self.outage.is_some()
    }

    /// When it is to be read again, told or not.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let poll = self.deaf.then(|| self.read_at + POLL);
        let retry = self.outage.as_ref().map(|outage| outage.retry_at);
        poll.into_iter().chain(retry).min()
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due_at().is_some_and(|due| due <= Instant::now())
    }

    /// Takes note of how a reading went.
    pub(crate) fn note<T>(&mut self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        self.read_at = Instant::now();
        match &read {
            Ok(_) => {
                self.known = true;
                if self.outage.take().is_some() {
                    tracing::info!("The {} can be read again", self.what);
                }
            }
            Err(fault) => self.note_outage(fault),
        }
        read
    }

    fn note_outage(&mut self, fault: &StoreError) {
        let before = self.outage.take();
        if before.as_ref().is_none_or(|outage| outage.fault != *fault) {
            let hint = fault.hint.as_deref().unwrap_or_default();
            let kept =
                if self.known { "Kept what was last read of" } else { "Nothing is known of" };
            tracing::error!(error = %fault, hint, "{kept} the {}", self.what);
        }
        let since = before.as_ref().map_or_else(Instant::now, |outage| outage.since);
        let wait = before.map_or(RETRY, |outage| (outage.wait * 2).min(LONGEST_RETRY));
        let retry_at = Instant::now() + wait;
        self.outage = Some(Outage { fault: fault.clone(), since, retry_at, wait });
    }
}
