//! Who writes the rows, and deletes the old ones.

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mcp_identity::{Clock, UserName};
use mcp_store::{AuditLine, AuditQueue, StoreError};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use crate::fault::Fault;
use crate::pool::Values;
use crate::store::PostgresStore;

/// So many events go into one statement.
const BATCH: usize = 500;
/// How long an event waits for others that are written with it.
const GATHER: Duration = Duration::from_millis(100);
/// How often folded failures are looked after, a database that is down is tried again, and many
/// old rows are deleted.
const SOON: Duration = Duration::from_secs(1);
/// How often old rows are looked for.
const SWEEP: Duration = Duration::from_hours(1);
/// So many of them are deleted at a time.
const SWEPT: i64 = 1_000;

const DAY: Duration = Duration::from_hours(24);

/// Writes what a [`PostgresAudit`](super::PostgresAudit) records.
#[must_use = "nothing is written until `run` is awaited"]
pub struct PostgresAuditWriter {
    queue: Arc<AuditQueue>,
    store: PostgresStore,
    clock: Arc<dyn Clock>,
    /// For how long rows are kept; `None`: for ever.
    retention: Option<Duration>,
    /// Together they name a row, so that none is written twice.
    name: u128,
    next: u64,
    /// Whole lines that were taken from the queue, and up to where they are in the table.
    unwritten: Vec<u8>,
    written: usize,
    sweep_at: Instant,
    /// What keeps it from writing, which was logged when it began.
    outage: Option<StoreError>,
}

/// What one statement writes.
#[derive(Default)]
struct Rows {
    lines: Vec<Value>,
    /// By what the accounts are found that they concern.
    keys: Vec<Option<String>>,
    names: Vec<String>,
    /// How many bytes of lines they are.
    bytes: usize,
}

impl PostgresAuditWriter {
    pub(super) fn new(
        queue: Arc<AuditQueue>,
        store: PostgresStore,
        clock: Arc<dyn Clock>,
        retention_days: Option<NonZeroU32>,
        name: u128,
    ) -> Self {
        Self {
            queue,
            store,
            clock,
            retention: retention_days.map(|days| DAY.saturating_mul(days.get())),
            name,
            next: 0,
            unwritten: Vec::new(),
            written: 0,
            sweep_at: Instant::now(),
            outage: None,
        }
    }

    /// Writes until `shutdown` ends, then writes the rest, with what is still being folded. With a
    /// `shutdown` that is over already: writes what was recorded.
    ///
    /// # Errors
    /// When events were still unwritten at the end; they are lost. The error says how many.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), StoreError> {
        let mut shutdown = pin!(shutdown);
        loop {
            // A statement is waited for, or it would not be known what it did.
            self.turn(false).await;
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.next_turn() => {}
            }
            if self.outage.is_none() && Instant::now() >= self.sweep_at {
                self.sweep().await;
            }
        }
        self.turn(true).await;
        self.finish()
    }

    /// Waits until there is something to do.
    async fn next_turn(&self) {
        if self.outage.is_some() {
            return sleep(SOON).await;
        }
        let idle = self.sweep_at.saturating_duration_since(Instant::now());
        let pause = if self.queue.is_folding() { SOON.min(idle) } else { idle };
        tokio::select! {
            () = self.queue.recorded() => sleep(GATHER).await,
            () = sleep(pause) => {}
        }
    }

    /// Writes what was left, and what was recorded since.
    async fn turn(&mut self, last: bool) {
        if self.write_all().await {
            self.take(last);
            self.write_all().await;
        }
    }

    /// Says whether nothing is left.
    async fn write_all(&mut self) -> bool {
        while self.written < self.unwritten.len() {
            let done = self.write().await;
            self.report(done);
            if self.outage.is_some() {
                return false;
            }
        }
        true
    }

    fn take(&mut self, last: bool) {
        let batch = self.queue.take(self.clock.now(), last);
        if batch.lost > 0 {
            tracing::error!(events = batch.lost, "Audit events found no room; they are counted");
        }
        (self.unwritten, self.written) = (batch.text, 0);
    }

    /// Writes the next few hundred. They keep their names until they are known to be written.
    async fn write(&mut self) -> Result<(), StoreError> {
        const SQL: &str = "SELECT mcp_write_events($1, $2, $3)::text";
        let rows = self.rows();
        let values: Values<'_> = &[
            (&rows.lines, Type::JSONB_ARRAY),
            (&rows.keys, Type::TEXT_ARRAY),
            (&rows.names, Type::TEXT_ARRAY),
        ];
        self.store.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        self.next += rows.lines.len() as u64;
        self.written += rows.bytes;
        Ok(())
    }

    fn rows(&self) -> Rows {
        let mut rows = Rows::default();
        let lines = self.unwritten[self.written..].split_inclusive(|byte| *byte == b'\n');
        for (number, line) in (self.next..).zip(lines.take(BATCH)) {
            rows.bytes += line.len();
            rows.add(line, format!("{:032x}-{number}", self.name));
        }
        rows
    }

    /// Deletes some of what is old enough. Several servers may do so at once: each takes what no
    /// other has taken.
    async fn sweep(&mut self) {
        const SQL: &str = "DELETE FROM auth_events WHERE id IN (SELECT id FROM auth_events \
            WHERE ts < $1 ORDER BY ts LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1";
        let now = Instant::now();
        self.sweep_at = now + SWEEP;
        let end = self.retention.and_then(|kept| self.clock.now().checked_sub(kept));
        let Some(end) = end else { return };
        let values: Values<'_> = &[(&end, Type::TIMESTAMPTZ), (&SWEPT, Type::INT8)];
        match self.store.pool().write(SQL, values).await.map_err(Fault::into_store) {
            Ok(rows) if i64::try_from(rows.len()).is_ok_and(|rows| rows < SWEPT) => {}
            Ok(_) => self.sweep_at = now + SOON,
            Err(error) => {
                tracing::warn!(%error, "Cannot delete old audit events; tried again in an hour");
            }
        }
    }

    /// One line in the log of the process when an outage begins, and one when it is over.
    fn report(&mut self, done: Result<(), StoreError>) {
        match done {
            Ok(()) => {
                if self.outage.take().is_some() {
                    tracing::info!("The audit log is written again");
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

    fn finish(mut self) -> Result<(), StoreError> {
        let Some(outage) = self.outage.take() else { return Ok(()) };
        let rest = self.queue.take(self.clock.now(), true);
        let lines = |text: &[u8]| text.split_inclusive(|byte| *byte == b'\n').count();
        let lost = lines(&self.unwritten[self.written..]) + lines(&rest.text);
        let what = format!("{}; {lost} lines of the audit log are lost", outage.fault);
        Err(StoreError { fault: what, ..outage })
    }
}

impl Rows {
    /// The line as a row shows it: with nothing in it that hides.
    fn add(&mut self, line: &[u8], name: String) {
        let parsed = AuditLine::parse(line).map(AuditLine::visible);
        debug_assert!(parsed.is_ok(), "the queue holds lines");
        let Ok(line) = parsed else { return };
        let key = line.user.as_deref().and_then(|user| UserName::parse(user).ok());
        self.keys.push(key.map(|name| name.key().to_owned()));
        self.lines.push(line.versioned());
        self.names.push(name);
    }
}

impl fmt::Debug for PostgresAuditWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAuditWriter").field("store", &self.store).finish_non_exhaustive()
    }
}
