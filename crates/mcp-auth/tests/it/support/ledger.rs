//! An audit log that can be read.

use std::sync::Mutex;

use mcp_identity::{AuditAction, AuditEvent, AuditLog, AuditOutcome, Subject};

/// Every event, in order.
#[derive(Default)]
pub(crate) struct Recorded(Mutex<Vec<AuditEvent>>);

impl Recorded {
    /// What was recorded since this was asked before.
    pub(crate) fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The same, as action, outcome and subject.
    pub(crate) fn lines(&self) -> Vec<(AuditAction, AuditOutcome, Subject)> {
        self.take().into_iter().map(|event| (event.action, event.outcome, event.subject)).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl AuditLog for Recorded {
    fn record(&self, event: AuditEvent) {
        self.0.lock().unwrap().push(event);
    }
}
