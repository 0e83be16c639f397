//! The one way to the audit log.

use std::sync::Arc;
use std::time::SystemTime;

use mcp_identity::{Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, Clock, Subject};

/// Tells the audit log what happened. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
}

impl Recorder {
    pub(crate) fn new(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock }
    }

    /// Something that happened just now.
    pub(crate) fn tell(
        &self,
        action: AuditAction,
        outcome: AuditOutcome,
        subject: Subject,
        actor: Actor,
    ) {
        self.tell_at(self.clock.now(), action, outcome, subject, actor);
    }

    /// Something that happened at a time that is known already.
    pub(crate) fn tell_at(
        &self,
        at: SystemTime,
        action: AuditAction,
        outcome: AuditOutcome,
        subject: Subject,
        actor: Actor,
    ) {
        self.log.record(AuditEvent::new(at, action, outcome, subject, actor));
    }
}
