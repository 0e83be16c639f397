//! Who writes the lines.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mcp_identity::Clock;
use mcp_store::{AuditQueue, StoreError};
use tokio::time::{Instant, sleep};

use super::journal::Journal;
use super::time::{day_of, until_next_day};
use crate::fault::shown;

/// How long urgent lines wait for others before all of them are made durable.
const GATHER: Duration = Duration::from_millis(500);
/// How often folded failures are looked after, and a disk that fails is tried again.
const SOON: Duration = Duration::from_secs(1);
/// How often a file is looked after that nothing is written to: the clock may be set.
const LATE: Duration = Duration::from_secs(30);

/// Writes what an [`AuditFile`](super::AuditFile) records.
#[must_use = "nothing is written until `run` is awaited or `finish_now` called"]
pub struct AuditWriter {
    queue: Arc<AuditQueue>,
    clock: Arc<dyn Clock>,
    desk: Desk,
}

/// What the writer has before it. Goes to a thread that may block, and comes back.
struct Desk {
    journal: Journal,
    /// Whole lines that were taken from the queue and are not yet in the file.
    unwritten: Vec<u8>,
    /// When lines must be made durable.
    sync_at: Option<Instant>,
    /// What keeps it from writing, which was logged when it began.
    outage: Option<StoreError>,
}

impl AuditWriter {
    pub(super) fn new(queue: Arc<AuditQueue>, journal: Journal, clock: Arc<dyn Clock>) -> Self {
        let desk = Desk { journal, unwritten: Vec::new(), sync_at: None, outage: None };
        Self { queue, clock, desk }
    }

    /// Writes until `shutdown` ends, then writes the rest, with what is still being folded, and
    /// makes it durable. With a `shutdown` that is over already: writes what was recorded.
    ///
    /// # Errors
    /// When lines were still unwritten at the end; they are lost. The error says how many.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), StoreError> {
        let mut shutdown = pin!(shutdown);
        loop {
            self = self.turn(false).await;
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.next_turn() => {}
            }
        }
        // A backlog of before is written first, and what was recorded meanwhile a turn later.
        let behind = !self.desk.unwritten.is_empty();
        self = self.turn(true).await;
        if behind && self.desk.outage.is_none() {
            self = self.turn(true).await;
        }
        self.finish()
    }

    /// Writes what was recorded and makes it durable, on this thread, which blocks: for a tool
    /// that ends at once.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn finish_now(mut self) -> Result<(), StoreError> {
        self.desk.turn(&self.queue, self.clock.as_ref(), Instant::now(), true);
        self.finish()
    }

    /// Waits until there is something to do.
    async fn next_turn(&self) {
        if self.desk.outage.is_some() {
            return sleep(SOON).await;
        }
        let idle = until_next_day(self.clock.now()).min(LATE);
        let pause = match self.desk.sync_at {
            Some(at) => at.saturating_duration_since(Instant::now()),
            None if self.queue.is_folding() => SOON,
            None => idle,
        };
        tokio::select! {
            () = self.queue.recorded() => {}
            () = sleep(pause) => {}
        }
    }

    /// Does what there is to do, on a thread that may block.
    async fn turn(self, last: bool) -> Self {
        let now = Instant::now();
        let work = tokio::task::spawn_blocking(move || {
            let Self { queue, clock, mut desk } = self;
            desk.turn(&queue, clock.as_ref(), now, last);
            Self { queue, clock, desk }
        });
        match work.await {
            Ok(writer) => writer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down and takes us along at this very point.
                Err(_) => std::future::pending().await,
            },
        }
    }

    fn finish(self) -> Result<(), StoreError> {
        let Self { queue, clock, mut desk } = self;
        let Some(outage) = desk.outage.take() else { return Ok(()) };
        let rest = queue.take(clock.now(), true);
        let lines = [desk.unwritten, rest.text].concat();
        let lines = lines.split_inclusive(|byte| *byte == b'\n').count();
        if lines == 0 {
            return Err(outage);
        }
        let fault = format!("{}; {lines} lines of the audit log are lost", outage.fault);
        Err(StoreError { fault, ..outage })
    }
}

impl Desk {
    fn turn(&mut self, queue: &AuditQueue, clock: &dyn Clock, now: Instant, last: bool) {
        let time = clock.now();
        if self.unwritten.is_empty() {
            let batch = queue.take(time, last);
            if batch.urgent {
                self.sync_at.get_or_insert(now + GATHER);
            }
            if batch.lost > 0 {
                tracing::error!(
                    events = batch.lost,
                    "Audit events found no room; they are counted"
                );
            }
            self.unwritten = batch.text;
        }
        let (written, appended) = self.journal.append(&self.unwritten, day_of(time));
        self.unwritten.drain(..written);
        let done = appended.and_then(|()| self.sync(now, last));
        self.report(done);
    }

    fn sync(&mut self, now: Instant, last: bool) -> Result<(), StoreError> {
        if !last && self.sync_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        self.sync_at = None;
        self.journal.sync()
    }

    /// One line in the log of the process when an outage begins, and one when it is over.
    fn report(&mut self, done: Result<(), StoreError>) {
        let path = shown(self.journal.names().current());
        match done {
            Ok(()) => {
                if self.outage.take().is_some() {
                    tracing::info!(file = %path, "The audit log is written again");
                }
            }
            Err(error) => {
                if self.outage.is_none() {
                    tracing::error!(%error, "Cannot write the audit log; events wait in memory");
                }
                self.outage = Some(error);
            }
        }
    }
}

impl fmt::Debug for AuditWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.desk.journal.names().current();
        f.debug_struct("AuditWriter").field("path", &path).finish_non_exhaustive()
    }
}
