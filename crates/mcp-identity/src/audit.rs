//! What is recorded: every event of authentication and every statement, once.

use std::time::SystemTime;

use crate::caller::Caller;
use crate::name::{DatabaseName, TokenId};
use crate::principal::PrincipalId;
use crate::user::{SessionId, UserName};

/// Keeps what happened. Recording never waits and never fails: a log that cannot be written says
/// so itself, elsewhere.
pub trait AuditLog: Send + Sync {
    /// Keeps an event.
    fn record(&self, event: AuditEvent);
}

/// Keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudit;

impl AuditLog for NoAudit {
    fn record(&self, _: AuditEvent) {}
}

/// Something that happened to a credential, an account or a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub at: SystemTime,
    /// What was done or tried.
    pub action: AuditAction,
    /// What became of it.
    pub outcome: AuditOutcome,
    /// Whom or what it concerns.
    pub subject: Subject,
    /// Who did it.
    pub actor: Actor,
    /// How many events like this one the line stands for; at least 1. A flood is told as one.
    pub count: u64,
}

impl AuditEvent {
    /// One event.
    #[must_use]
    pub fn new(
        at: SystemTime,
        action: AuditAction,
        outcome: AuditOutcome,
        subject: Subject,
        actor: Actor,
    ) -> Self {
        Self { at, action, outcome, subject, actor, count: 1 }
    }
}

/// What was done or tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A password was given for a session.
    Login,
    /// A session was ended by its holder.
    Logout,
    /// A bearer token was presented: each failure, and the first use per address and hour.
    Bearer,
    /// An account was locked.
    Lock,
    /// A lock was lifted, or ran out.
    Unlock,
    /// A session was ended by somebody else.
    EndSession,
    /// A token was made.
    AddToken,
    /// A token was removed.
    RemoveToken,
    /// A token's secret was replaced.
    RotateToken,
    /// An account was made.
    AddUser,
    /// An account's fields were changed.
    EditUser,
    /// A password was set.
    SetPassword,
    /// An endpoint was asked for with a good credential that does not reach it.
    UseEndpoint,
    /// A letter with a link for a new password was asked for, by address.
    AskReset,
    /// A link for a new password was minted for somebody to hand over.
    MintLink,
    /// A password was set by a link.
    ResetPassword,
    /// A letter was sent, or will never be.
    SendLetter,
    /// An account was enabled.
    EnableUser,
    /// An account was disabled.
    DisableUser,
    /// An account was deleted.
    DeleteUser,
    /// A credential file was read again, or could not be.
    Reload,
    /// A statement that only reads was run, or was not allowed to.
    Read,
    /// A statement that writes was run.
    Change,
}

impl AuditAction {
    /// A word that never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Bearer => "bearer",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::EndSession => "end_session",
            Self::AddToken => "add_token",
            Self::RemoveToken => "remove_token",
            Self::RotateToken => "rotate_token",
            Self::AddUser => "add_user",
            Self::EditUser => "edit_user",
            Self::SetPassword => "set_password",
            Self::UseEndpoint => "use_endpoint",
            Self::AskReset => "ask_reset",
            Self::MintLink => "mint_link",
            Self::ResetPassword => "reset_password",
            Self::SendLetter => "send_letter",
            Self::EnableUser => "enable_user",
            Self::DisableUser => "disable_user",
            Self::DeleteUser => "delete_user",
            Self::Reload => "reload",
            Self::Read => "read",
            Self::Change => "change",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// It was refused, for a reason that is a word which never changes.
    Refused(&'static str),
    /// It could not be done: a part was down.
    Failed(&'static str),
}

/// Whom or what an event concerns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Nobody in particular.
    None,
    /// An account.
    User(UserName),
    /// A name that is no account's. It is not recorded: people type their passwords there.
    UnknownUser,
    /// An API token.
    Token(TokenId),
    /// A session, and whose it is.
    Session(SessionId, UserName),
    /// A statement: the database, and the command as PostgreSQL's tags have it. Never the text,
    /// which holds data.
    Statement(DatabaseName, &'static str),
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody on the wire; with his credential, if he had a good one.
    Caller(Caller, Option<PrincipalId>),
    /// The holder of a credential, where it is not known from where.
    Principal(PrincipalId),
    /// Somebody at a terminal, by the name that the system knows.
    Operator(String),
    /// The server itself.
    Server,
}
