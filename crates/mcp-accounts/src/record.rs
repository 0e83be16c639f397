//! What goes into the audit log.

use mcp_identity::{Actor, AuditAction, AuditEvent, AuditOutcome, Caller, Subject, UserName};
use mcp_store::LoginSession;

use crate::service::{AccountService, Requester};

impl AccountService {
    /// Something that somebody with a credential did to an account.
    pub(crate) fn record(&self, by: &Requester, action: AuditAction, user: &UserName) {
        self.tell(action, AuditOutcome::Done, Subject::User(user.clone()), actor(by));
    }

    /// Something that he was not let do.
    pub(crate) fn record_refused(
        &self,
        by: &Requester,
        action: AuditAction,
        user: &UserName,
        why: &'static str,
    ) {
        self.tell(action, AuditOutcome::Refused(why), Subject::User(user.clone()), actor(by));
    }

    /// Something that a stranger did for himself.
    pub(crate) fn record_stranger(
        &self,
        caller: &Caller,
        action: AuditAction,
        outcome: AuditOutcome,
        subject: Subject,
    ) {
        self.tell(action, outcome, subject, Actor::Caller(caller.clone(), None));
    }

    /// Sessions that somebody ended.
    pub(crate) fn record_ended(&self, by: &Requester, ended: &[LoginSession]) {
        for LoginSession { id, user, .. } in ended {
            let subject = Subject::Session(id.clone(), user.clone());
            self.tell(AuditAction::EndSession, AuditOutcome::Done, subject, actor(by));
        }
    }

    fn tell(&self, action: AuditAction, outcome: AuditOutcome, subject: Subject, actor: Actor) {
        self.audit.record(AuditEvent::new(self.now(), action, outcome, subject, actor));
    }
}

fn actor(by: &Requester) -> Actor {
    Actor::Caller(by.caller.clone(), Some(by.principal.id.clone()))
}
