//! The writing half: the only reader of changes, and the only one to end a lease.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mcp_identity::Clock;
use mcp_store::{Change, Changes, StoreError, StoreErrorKind, TokenRecord, TokenStore};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::auth::Refresh;
use crate::index::Index;
use crate::ledger::Ledger;

/// How long until the wall clock is looked at again, however far the next expiry: it may jump.
const RECHECK: Duration = Duration::from_secs(30);

/// How often the store is read when nothing tells of its changes any more.
const POLL: Duration = Duration::from_secs(5);

/// How long one reading of the store may take. While it lasts, no lease ends.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// How long after a failed reading the next one comes, at first; doubled up to [`RECHECK`].
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the index of an [`Auth`](crate::Auth) as the store is. While it lives, tokens are good;
/// dropped, stopped or panicked, it ends every lease and leaves an index that refuses everyone.
#[must_use = "a keeper that is not run puts everybody out"]
pub struct Keeper {
    store: Arc<dyn TokenStore>,
    clock: Arc<dyn Clock>,
    changes: Changes,
    asked: mpsc::Receiver<Refresh>,
    ledger: Ledger,
    /// Nothing tells of changes any more.
    deaf: bool,
    /// The store could not be read the last time.
    outage: Option<Outage>,
}

struct Outage {
    fault: StoreError,
    retry_at: Instant,
    wait: Duration,
}

enum Wake {
    /// The store may hold something else than the ledger.
    Read,
    /// Somebody waits until it has been read.
    Asked(Refresh),
    /// It is time to look at the clock.
    Time,
}

impl Keeper {
    pub(crate) async fn open(
        store: Arc<dyn TokenStore>,
        clock: Arc<dyn Clock>,
        index: Arc<Index>,
        asked: mpsc::Receiver<Refresh>,
    ) -> Result<Self, StoreError> {
        // Listened to before it is read: a change made in between is told.
        let changes = store.changes();
        let records = read(&*store).await?;
        let mut ledger = Ledger::new(index);
        ledger.settle(records, clock.now());
        Ok(Self { store, clock, changes, asked, ledger, deaf: false, outage: None })
    }

    /// Keeps until `shutdown`, and refuses everyone after. Never returns before.
    ///
    /// A store that cannot be read leaves the last good tokens in force (they expire all the
    /// same), is logged once for each distinct fault, and is tried again.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = shutdown => {}
            never = self.keep() => match never {},
        }
    }

    async fn keep(&mut self) -> Infallible {
        loop {
            match self.woken().await {
                Wake::Read => {
                    // Reported once by the reading itself, and tried again.
                    let _ = self.read_again().await;
                }
                Wake::Asked(first) => self.refresh(first).await,
                Wake::Time => {
                    if self.is_due() {
                        let _ = self.read_again().await;
                    }
                }
            }
            // On each turn, so that a busy store cannot keep an expired lease alive.
            self.ledger.sweep(self.clock.now());
        }
    }

    async fn woken(&mut self) -> Wake {
        let wake_at = self.wake_at();
        tokio::select! {
            change = self.changes.next(), if !self.deaf => match change {
                // One token or all: the store is small and its snapshot consistent; read it whole.
                Some(Change::Token(_) | Change::Everything) => Wake::Read,
                None => {
                    self.deaf = true;
                    tracing::warn!("No word of token changes any more: reading them every 5 s");
                    Wake::Read
                }
            },
            Some(refresh) = self.asked.recv() => Wake::Asked(refresh),
            () = sleep_until(wake_at) => Wake::Time,
        }
    }

    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let longest = if self.deaf { POLL } else { RECHECK };
        let to_expiry = self.ledger.next_expiry().map(|end| {
            // Over already, by a clock that jumped: at once.
            end.duration_since(self.clock.now()).unwrap_or_default()
        });
        let wake_at = now + to_expiry.map_or(longest, |wait| wait.min(longest));
        self.outage.as_ref().map_or(wake_at, |outage| wake_at.min(outage.retry_at))
    }

    fn is_due(&self) -> bool {
        self.deaf || self.outage.as_ref().is_some_and(|outage| outage.retry_at <= Instant::now())
    }

    /// One reading answers all who wait.
    async fn refresh(&mut self, first: Refresh) {
        let mut waiting = vec![first];
        while let Ok(another) = self.asked.try_recv() {
            waiting.push(another);
        }
        let outcome = self.read_again().await;
        for refresh in waiting {
            // Gone: nobody waits any more, and the change is in force all the same.
            let _ = refresh.send(outcome.clone());
        }
    }

    async fn read_again(&mut self) -> Result<(), StoreError> {
        // Before the reading, so that what changes during it is told again.
        self.changes.skip();
        match read(&*self.store).await {
            Ok(records) => {
                self.ledger.settle(records, self.clock.now());
                if self.outage.take().is_some() {
                    tracing::info!("The token store can be read again");
                }
                Ok(())
            }
            Err(fault) => {
                self.note_outage(&fault);
                Err(fault)
            }
        }
    }

    fn note_outage(&mut self, fault: &StoreError) {
        let before = self.outage.take();
        if before.as_ref().is_none_or(|outage| outage.fault != *fault) {
            let hint = fault.hint.as_deref().unwrap_or_default();
            tracing::error!(error = %fault, hint, "Kept the last good tokens");
        }
        let wait = before.map_or(RETRY, |outage| (outage.wait * 2).min(RECHECK));
        let retry_at = Instant::now() + wait;
        self.outage = Some(Outage { fault: fault.clone(), retry_at, wait });
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

async fn read(store: &dyn TokenStore) -> Result<Vec<TokenRecord>, StoreError> {
    timeout(READ_LIMIT, store.all()).await.unwrap_or_else(|_| {
        Err(StoreError {
            place: "token store".to_owned(),
            fault: format!("no answer within {} s", READ_LIMIT.as_secs()),
            hint: None,
            kind: StoreErrorKind::Down,
        })
    })
}
