//! Looking back, for whoever asks over the wire.

use mcp_identity::NoAudit;

use super::line::{AuditFilter, AuditLine};
use crate::token_store::{BoxFuture, StoreError};

/// Most lines of one answer.
pub const MOST_EVENTS: usize = 100;

/// How many newer lines may be passed over.
pub const FARTHEST_EVENT: usize = 10_000;

/// What happened, newest first.
///
/// The work of one answer is bounded, however long the log is: what is farther back than that is
/// read with the operator's tool. A line that cannot be read is passed over. What has just
/// happened may not be written yet.
pub trait AuditEvents: Send + Sync {
    /// The lines that the page wants.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn newest(&self, page: AuditPage) -> BoxFuture<'_, Result<Vec<AuditLine>, StoreError>>;
}

/// Which part of the log is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// Which lines.
    pub filter: AuditFilter,
    /// How many; no more than [`MOST_EVENTS`] are given.
    pub limit: usize,
    /// How many newer ones are passed over; no more than [`FARTHEST_EVENT`] are.
    pub offset: usize,
}

impl AuditPage {
    /// The page within what is given.
    #[must_use]
    pub fn bounded(self) -> Self {
        let (limit, offset) = (self.limit.min(MOST_EVENTS), self.offset.min(FARTHEST_EVENT));
        Self { limit, offset, ..self }
    }
}

/// Where nothing is recorded, nothing is told.
impl AuditEvents for NoAudit {
    fn newest(&self, _: AuditPage) -> BoxFuture<'_, Result<Vec<AuditLine>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
