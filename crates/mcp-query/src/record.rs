//! Each statement of a caller is recorded once, however it ends.

use std::sync::Arc;

use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, Clock, DatabaseName, Principal, Subject,
};
use mcp_sql::Statement;

use crate::fault::QueryFault;

/// Where statements are recorded, and by whose time.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) log: Arc<dyn AuditLog>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A statement that is about to be judged and run. What it was and how it ended is told when this
/// is dropped: a caller who goes away drops it in the middle.
pub(crate) struct Recording<'r> {
    recorder: &'r Recorder,
    principal: &'r Principal,
    database: &'r DatabaseName,
    action: AuditAction,
    command: &'static str,
    outcome: AuditOutcome,
}

impl Recorder {
    pub(crate) fn begin<'r>(
        &'r self,
        principal: &'r Principal,
        database: &'r DatabaseName,
    ) -> Recording<'r> {
        Recording {
            recorder: self,
            principal,
            database,
            action: AuditAction::Read,
            command: "unknown",
            outcome: AuditOutcome::Failed("gone"),
        }
    }
}

impl Recording<'_> {
    /// It was let pass as this.
    pub(crate) fn is(&mut self, statement: &Statement<'_>) {
        if statement.change().is_some() {
            self.action = AuditAction::Change;
        }
        self.command = statement.command();
    }

    /// It ended so.
    pub(crate) fn ended<T>(&mut self, outcome: &Result<T, QueryFault>) {
        self.outcome = outcome.as_ref().map_or_else(QueryFault::outcome, |_| AuditOutcome::Done);
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        let subject = Subject::Statement(self.database.clone(), self.command);
        let actor = Actor::Principal(self.principal.id.clone());
        let now = self.recorder.clock.now();
        let event = AuditEvent::new(now, self.action, self.outcome, subject, actor);
        self.recorder.log.record(event);
    }
}
