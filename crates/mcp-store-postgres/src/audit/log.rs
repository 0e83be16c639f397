//! The log as those see it who record.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use mcp_identity::{AuditEvent, AuditLog, Clock, Entropy, EntropyError};
use mcp_store::AuditQueue;

use super::writer::PostgresAuditWriter;
use crate::store::PostgresStore;

/// Records what happened in the database of a store. Cheap to clone: all clones are one log.
///
/// Recording puts a line into memory and wakes the [`PostgresAuditWriter`]. What is recorded after
/// the writer ended goes nowhere.
#[derive(Clone)]
pub struct PostgresAudit {
    queue: Arc<AuditQueue>,
}

impl PostgresStore {
    /// The audit log that lies beside the accounts, and who writes it. Events are kept for so many
    /// days; `None`: for ever.
    ///
    /// # Errors
    /// When there is no randomness to name what is written.
    pub fn audit(
        &self,
        retention_days: Option<NonZeroU32>,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<(PostgresAudit, PostgresAuditWriter), EntropyError> {
        let mut name = [0; 16];
        entropy.fill(&mut name)?;
        let queue = Arc::new(AuditQueue::new());
        let log = PostgresAudit { queue: Arc::clone(&queue) };
        let name = u128::from_be_bytes(name);
        Ok((log, PostgresAuditWriter::new(queue, self.clone(), clock, retention_days, name)))
    }
}

impl AuditLog for PostgresAudit {
    fn record(&self, event: AuditEvent) {
        self.queue.record(event);
    }
}

impl fmt::Debug for PostgresAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAudit").finish_non_exhaustive()
    }
}
