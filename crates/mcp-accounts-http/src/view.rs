//! The bodies of answers.

use std::time::SystemTime;

use jiff::Timestamp;
use mcp_accounts::{EventInfo, LockState, LoggedIn, Page, Person, SessionInfo, Span};
use schemars::JsonSchema;
use serde::Serialize;

/// Why something was not done.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Detail {
    /// A sentence.
    pub(crate) detail: String,
}

/// A field that is not what it should be.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FieldProblem {
    /// A sentence.
    pub(crate) detail: String,
    /// The name of the field.
    pub(crate) field: String,
}

/// A password that the policy refuses.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FailedRules {
    /// A sentence.
    pub(crate) detail: String,
    /// Every rule that the password breaks.
    pub(crate) failed_rules: Vec<String>,
}

/// Something was done.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Message {
    /// A sentence.
    pub(crate) message: &'static str,
}

/// Something was done.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Success {
    /// Always true.
    pub(crate) success: bool,
    /// A sentence.
    pub(crate) message: &'static str,
}

/// A new session.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionBody {
    /// What is sent as `Authorization: Bearer …` from now on. Told once.
    access_token: String,
    /// Always `bearer`.
    token_type: &'static str,
    /// Seconds until it no longer holds.
    expires_in: u64,
    /// Whose it is.
    user: UserBody,
}

/// The password must be changed before anything else.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangeRequired {
    /// A sentence.
    detail: &'static str,
    /// Good for `POST /auth/email/change-password`, and for nothing else.
    access_token: String,
    /// Always `bearer`.
    token_type: &'static str,
    /// Seconds until it no longer holds.
    expires_in: u64,
}

/// An account, as its owner sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UserBody {
    /// What names it for good.
    id: String,
    /// The name to log in with.
    username: String,
    /// Where its letters go.
    email: Option<String>,
    /// Whether it may be used.
    is_active: bool,
    /// Whether its owner is an admin.
    is_admin: bool,
    /// When it was made.
    created_at: String,
    /// When somebody logged in last.
    last_login_at: Option<String>,
}

/// An account, as an admin sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProfileBody {
    #[serde(flatten)]
    user: UserBody,
    /// What its owner is called.
    full_name: Option<String>,
    /// Whether the password must be changed first.
    password_change_required: bool,
    /// Failed logins in a row.
    failed_login_attempts: u32,
    /// Whether it is locked.
    is_locked: bool,
    /// When the lock ends. Nothing while it is locked: when an admin unlocks it.
    locked_until: Option<String>,
}

/// A part of the list of accounts, in the order of their names.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UsersBody {
    users: Vec<ProfileBody>,
    /// Sent as `cursor`, it asks for what follows. Nothing: there is no more.
    next_cursor: Option<String>,
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionView {
    /// What names it. It opens nothing.
    id: String,
    /// When it was opened.
    created_at: String,
    /// When it was used last, to the minute.
    last_used_at: String,
    /// When it ends by itself.
    expires_at: String,
    /// Where it was opened from.
    ip_address: Option<String>,
    /// The agent that opened it, as it said.
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

/// Sessions, in the order in which they were opened.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionsBody {
    sessions: Vec<SessionView>,
}

/// Sessions were ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EndedBody {
    /// A sentence.
    pub(crate) message: &'static str,
    /// How many.
    pub(crate) ended: usize,
}

/// A link for a new password that holds.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LookBody {
    /// Always true.
    pub(crate) valid: bool,
    /// A sentence.
    pub(crate) message: &'static str,
    /// When it no longer holds.
    pub(crate) expires_at: String,
}

/// A link for a new password that an admin hands over.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LinkBody {
    /// The link. Told once.
    pub(crate) reset_link: String,
    /// When it no longer holds.
    pub(crate) expires_at: String,
}

/// Something that happened. What is not known, or nobody else's business, is not there.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EventView {
    /// When.
    time: String,
    /// What was done or tried, as a word that never changes.
    action: String,
    /// `done`, `refused` or `failed`.
    outcome: String,
    /// Why it was not done, as a word that never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The account that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The session that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// The API token that it concerns, by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The database that a statement ran on.
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<String>,
    /// What the statement does, as PostgreSQL's command tags have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// Where the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<String>,
    /// The agent that sent it, as it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// The request, as `X-Request-Id` named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The credential that did it: `session:` or `token:`, and its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    /// Who did it at a terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    /// How many events of the kind it stands for: a flood is told as one.
    count: u64,
}

/// Events, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EventsBody {
    events: Vec<EventView>,
    /// How many there are at most.
    limit: usize,
    /// How many newer ones were passed over.
    offset: usize,
}

impl SessionBody {
    pub(crate) fn of(entered: LoggedIn, now: SystemTime) -> Self {
        let LoggedIn { session, person } = entered;
        Self {
            access_token: session.token.expose().to_owned(),
            token_type: "bearer",
            expires_in: seconds_until(session.expires_at, now),
            user: UserBody::of(&person),
        }
    }
}

impl ChangeRequired {
    pub(crate) fn of(entered: &LoggedIn, now: SystemTime) -> Self {
        Self {
            detail: "Password change required",
            access_token: entered.session.token.expose().to_owned(),
            token_type: "bearer",
            expires_in: seconds_until(entered.session.expires_at, now),
        }
    }
}

impl UserBody {
    pub(crate) fn of(person: &Person) -> Self {
        Self {
            id: person.name.key().to_owned(),
            username: person.name.as_str().to_owned(),
            email: person.email.clone(),
            is_active: person.is_active,
            is_admin: person.is_admin,
            created_at: time(person.created_at),
            last_login_at: person.last_login.map(time),
        }
    }
}

impl ProfileBody {
    pub(crate) fn of(person: &Person) -> Self {
        let locked_until = match person.lock {
            Some(LockState::Until(end)) => Some(time(end)),
            Some(LockState::UntilUnlocked) | None => None,
        };
        Self {
            user: UserBody::of(person),
            full_name: person.full_name.clone(),
            password_change_required: person.must_change_password,
            failed_login_attempts: person.failures,
            is_locked: person.lock.is_some(),
            locked_until,
        }
    }
}

impl UsersBody {
    pub(crate) fn of(page: Page) -> Self {
        let users = page.people.iter().map(ProfileBody::of).collect();
        Self { users, next_cursor: page.next }
    }
}

impl SessionView {
    pub(crate) fn of(session: SessionInfo) -> Self {
        Self {
            id: session.id.as_str().to_owned(),
            created_at: time(session.created_at),
            last_used_at: time(session.last_used),
            expires_at: time(session.expires_at),
            ip_address: session.address.map(|address| address.to_string()),
            user_agent: session.agent,
            current: session.is_current,
        }
    }
}

impl SessionsBody {
    pub(crate) fn of(sessions: Vec<SessionInfo>) -> Self {
        Self { sessions: sessions.into_iter().map(SessionView::of).collect() }
    }
}

impl EventView {
    fn of(event: EventInfo) -> Self {
        Self {
            time: time(event.time),
            action: event.action,
            outcome: event.outcome,
            reason: event.reason,
            user: event.user,
            session: event.session,
            token: event.token,
            database: event.database,
            command: event.command,
            ip_address: event.address.map(|address| address.to_string()),
            user_agent: event.agent,
            request_id: event.request,
            principal: event.principal,
            operator: event.operator,
            count: event.count,
        }
    }
}

impl EventsBody {
    pub(crate) fn of(events: Vec<EventInfo>, span: Span) -> Self {
        let Span { limit, offset } = span;
        Self { events: events.into_iter().map(EventView::of).collect(), limit, offset }
    }
}

/// RFC 3339, UTC, whole seconds.
fn time(at: SystemTime) -> String {
    format!("{:.0}", Timestamp::try_from(at).unwrap_or(Timestamp::MAX))
}

fn seconds_until(end: SystemTime, now: SystemTime) -> u64 {
    end.duration_since(now).map_or(0, |left| left.as_secs())
}
