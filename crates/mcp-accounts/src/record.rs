//! What goes into the audit log.

use std::time::SystemTime;

use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditOutcome, Caller, Denial, Principal, PrincipalId, Subject,
    UserName,
};
use mcp_store::LoginSession;

use crate::service::{AccountService, Requester};

impl AccountService {
    /// Records that somebody asked for an endpoint that his credential does not reach.
    pub fn record_denied(&self, by: &Requester) {
        self.audit.record(denied(self.now(), &by.principal, &by.caller));
    }

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

/// Somebody asked for what his credential, which is a good one, does not reach.
pub(crate) fn denied(now: SystemTime, principal: &Principal, caller: &Caller) -> AuditEvent {
    let subject = match (&principal.id, &principal.user) {
        (PrincipalId::Token(id), _) => Subject::Token(id.clone()),
        (PrincipalId::Session(id) | PrincipalId::PasswordChange(id), Some(user)) => {
            Subject::Session(id.clone(), user.clone())
        }
        (PrincipalId::Session(_) | PrincipalId::PasswordChange(_), None)
        | (PrincipalId::Local, _) => Subject::None,
    };
    let outcome = AuditOutcome::Refused(Denial::NotAllowed.code());
    let actor = Actor::Caller(caller.clone(), Some(principal.id.clone()));
    AuditEvent::new(now, AuditAction::UseEndpoint, outcome, subject, actor)
}

fn actor(by: &Requester) -> Actor {
    Actor::Caller(by.caller.clone(), Some(by.principal.id.clone()))
}
