//! The records of accounts and of their sessions.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use mcp_identity::{
    DatabaseGrant, DatabaseName, DbRole, Grants, RoleName, SessionId, TokenHash, UserName,
};

/// The role of those who look after the accounts of others.
pub const ADMIN_ROLE: &str = "admin";

/// One account as it is kept: everything but the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Unique in its store, by its key.
    pub name: UserName,
    /// Where its letters go. Unique in its store, upper and lower case alike.
    pub email: Option<String>,
    /// What its owner is called. Hostile text: escape it before showing it.
    pub full_name: Option<String>,
    /// What its password is checked against.
    pub password: StoredHash,
    /// Whether the password opens nothing until its owner has changed it.
    pub must_change_password: bool,
    /// What it is for, in its owner's words. Hostile text: escape it before showing it.
    pub note: String,
    /// Whether it may be used at all. An administrator's word; a lock is something else.
    pub enabled: bool,
    /// Application roles.
    pub roles: BTreeSet<RoleName>,
    /// The only databases it reaches; `None`: every one that is open to it.
    pub databases: Option<BTreeSet<DatabaseName>>,
    /// The PostgreSQL role that its connections run as.
    pub db_role: Option<DbRole>,
    /// Never writes, whatever the database allows.
    pub read_only: bool,
    /// When it was made.
    pub created_at: SystemTime,
}

impl UserRecord {
    /// An account with nothing but its identity: enabled, no roles, every database.
    #[must_use]
    pub fn new(name: UserName, password: StoredHash, created_at: SystemTime) -> Self {
        Self {
            name,
            email: None,
            full_name: None,
            password,
            must_change_password: false,
            note: String::new(),
            enabled: true,
            roles: BTreeSet::new(),
            databases: None,
            db_role: None,
            read_only: false,
            created_at,
        }
    }

    /// Does the other record open the same doors? The note, the address, the full name and the
    /// password open nothing for a session that is open already.
    #[must_use]
    pub fn same_authority(&self, other: &Self) -> bool {
        let Self {
            name,
            email: _,
            full_name: _,
            password: _,
            must_change_password: _,
            note: _,
            enabled,
            roles,
            databases,
            db_role,
            read_only,
            created_at,
        } = self;
        *name == other.name
            && *enabled == other.enabled
            && *roles == other.roles
            && *databases == other.databases
            && *db_role == other.db_role
            && *read_only == other.read_only
            // Another time of making: another account under the same name.
            && *created_at == other.created_at
    }

    /// May whoever has this account look after those of others? A lock that is on it does not
    /// count: it ends.
    #[must_use]
    pub fn is_acting_admin(&self) -> bool {
        self.enabled && self.roles.iter().any(|role| role.as_str() == ADMIN_ROLE)
    }

    /// The rights that this record gives.
    #[must_use]
    pub fn grants(&self) -> Grants {
        let databases = match &self.databases {
            Some(named) => DatabaseGrant::Some(named.clone()),
            None => DatabaseGrant::All,
        };
        Grants {
            roles: self.roles.clone(),
            databases,
            db_role: self.db_role.clone(),
            tools: None,
            read_only: self.read_only,
        }
    }
}

/// A password hash as it stands in a store, in the form of its algorithm. What it means is for
/// `mcp-password` to say. `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredHash(String);

impl StoredHash {
    /// Takes it as it stands there.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The hash itself. Not a password, and still a secret: it can be guessed against.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredHash(…)")
    }
}

/// One login session as it is kept: everything but its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSession {
    /// Its public name.
    pub id: SessionId,
    /// SHA-256 of the token's text. Unique in its store.
    pub hash: TokenHash,
    /// Whose it is.
    pub user: UserName,
    /// When it was opened.
    pub created_at: SystemTime,
    /// The first instant at which it no longer holds.
    pub expires_at: SystemTime,
    /// When it was used last, to the minute.
    pub last_used: SystemTime,
    /// Where it was opened from.
    pub address: Option<IpAddr>,
    /// The agent that opened it, as it said, cut to 256 bytes. Hostile text: escape it.
    pub agent: Option<String>,
    /// What it opens.
    pub scope: SessionScope,
}

/// What a session opens.
///
/// Matched exhaustively on purpose: who decides what a session may do decides it for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionScope {
    /// All that its user may reach.
    #[default]
    Full,
    /// The change of its user's password, and nothing else.
    PasswordChange,
}

impl SessionScope {
    /// A word that never changes: what stores keep.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::PasswordChange => "password_change",
        }
    }

    /// The scope of that word. `None`: it is none that is known here, and opens nothing.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Full, Self::PasswordChange].into_iter().find(|scope| scope.as_str() == word)
    }
}

impl LoginSession {
    /// Is its time over at `now`?
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires_at <= now
    }
}

/// Which sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionSelector {
    /// The one of that id.
    Id(SessionId),
    /// Those of a user, but for one if it is named.
    OfUser(UserName, Option<SessionId>),
    /// All.
    All,
}

impl SessionSelector {
    /// Does this name that session?
    #[must_use]
    pub fn names(&self, session: &LoginSession) -> bool {
        match self {
            Self::Id(id) => session.id == *id,
            Self::OfUser(user, except) => {
                session.user == *user && except.as_ref() != Some(&session.id)
            }
            Self::All => true,
        }
    }
}

/// Whether a change is made that would leave nobody who looks after the accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminsLeft {
    /// It is: its maker can make an admin by other means.
    #[default]
    MayBeNone,
    /// It is not. Of those who take the last two away at once, through whatever number of servers,
    /// one is refused.
    AtLeastOne,
}

impl AdminsLeft {
    /// Must `before` not become `after`, unless `others` holds an acting admin? `None`: the account
    /// is deleted. The others are asked only where it matters.
    #[must_use]
    pub fn forbids(
        self,
        before: &UserRecord,
        after: Option<&UserRecord>,
        others: impl FnOnce() -> bool,
    ) -> bool {
        let stays = after.is_some_and(UserRecord::is_acting_admin);
        self == Self::AtLeastOne && before.is_acting_admin() && !stays && !others()
    }
}

/// What is to change in an account; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserEdit {
    /// The hash that the account must still have, if it must: the one that somebody's password was
    /// checked against. With another by now, there is no such account for this edit.
    pub checked: Option<StoredHash>,
    /// Whether it is made though it takes the last admin away.
    pub admins: AdminsLeft,
    /// The note.
    pub note: Option<String>,
    /// The address; `Some(None)` removes it.
    pub email: Option<Option<String>>,
    /// The full name; `Some(None)` removes it.
    pub full_name: Option<Option<String>>,
    /// The password.
    pub password: Option<StoredHash>,
    /// Of the passwords before a new one, so many are remembered, the one that goes first among
    /// them; what is more is forgotten. Says nothing without a new password.
    pub past: usize,
    /// Whether the password must be changed first.
    pub must_change_password: Option<bool>,
    /// Whether it may be used. `true` lifts a lock, too, and forgets failures; `false` ends its
    /// sessions.
    pub enabled: Option<bool>,
    /// The roles.
    pub roles: Option<BTreeSet<RoleName>>,
    /// The databases; `Some(None)`: every one.
    pub databases: Option<Option<BTreeSet<DatabaseName>>>,
    /// The PostgreSQL role; `Some(None)`: the login's own.
    pub db_role: Option<Option<DbRole>>,
    /// Whether it never writes.
    pub read_only: Option<bool>,
    /// Ends its sessions, all but this one if it is named.
    pub end_sessions: Option<Option<SessionId>>,
}

impl UserEdit {
    /// The record with the changes made.
    #[must_use]
    pub fn apply(&self, record: &UserRecord) -> UserRecord {
        let mut edited = record.clone();
        set(&mut edited.note, self.note.as_ref());
        set(&mut edited.email, self.email.as_ref());
        set(&mut edited.full_name, self.full_name.as_ref());
        set(&mut edited.password, self.password.as_ref());
        set(&mut edited.must_change_password, self.must_change_password.as_ref());
        set(&mut edited.enabled, self.enabled.as_ref());
        set(&mut edited.roles, self.roles.as_ref());
        set(&mut edited.databases, self.databases.as_ref());
        set(&mut edited.db_role, self.db_role.as_ref());
        set(&mut edited.read_only, self.read_only.as_ref());
        edited
    }

    /// Is this the account that the edit is meant for, as far as that was said?
    #[must_use]
    pub fn is_meant_for(&self, record: &UserRecord) -> bool {
        self.checked.as_ref().is_none_or(|checked| *checked == record.password)
    }

    /// Does this edit give that account another password?
    #[must_use]
    pub fn replaces_password_of(&self, record: &UserRecord) -> bool {
        self.password.as_ref().is_some_and(|new| *new != record.password)
    }

    /// The sessions of `user` that this edit ends.
    #[must_use]
    pub fn ends(&self, user: &UserName) -> Option<SessionSelector> {
        if self.enabled == Some(false) {
            return Some(SessionSelector::OfUser(user.clone(), None));
        }
        let except = self.end_sessions.as_ref()?;
        Some(SessionSelector::OfUser(user.clone(), except.clone()))
    }
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}
