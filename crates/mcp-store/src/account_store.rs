//! Where accounts and their sessions are kept.

use std::collections::BTreeSet;
use std::time::SystemTime;

use mcp_identity::{SessionId, UserName};
use mcp_throttle::{Failure, Lock, Lockout, LockoutPolicy, Ticket, Verdict};

use crate::account::{AdminsLeft, LoginSession, SessionSelector, StoredHash, UserEdit, UserRecord};
use crate::change::Changes;
use crate::token_store::{BoxFuture, StoreError};

/// A place that keeps accounts and their sessions. Each method happens as a whole or not at all,
/// and is durable when it says so, unless it says otherwise.
///
/// What the server keeps by itself (sessions, failures, locks, last logins) belongs to an account
/// by its name and its time of making: who is removed and made again under the same name inherits
/// nothing.
pub trait AccountStore: Send + Sync {
    /// Every account, in the order of the store.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read as a whole; never a part of it.
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, StoreError>>;

    /// At most so many accounts, in the order of the keys of their names ([`UserName::key`], byte
    /// by byte): those behind `after`, or the first ones.
    ///
    /// # Errors
    /// As [`AccountStore::accounts`].
    fn accounts_after<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Account>, StoreError>> {
        Box::pin(async move {
            let mut accounts = self.accounts().await?;
            accounts.retain(|it| after.is_none_or(|after| it.record.name.key() > after));
            accounts.sort_by(|one, other| one.record.name.key().cmp(other.record.name.key()));
            accounts.truncate(limit);
            Ok(accounts)
        })
    }

    /// The account of that name.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read. Not found is `Ok(None)`.
    fn find_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>>;

    /// The account with that address, in upper and lower case alike.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read. Not found is `Ok(None)`.
    fn find_email<'a>(
        &'a self,
        email: &'a str,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(async move {
            let wanted = email.to_lowercase();
            let has_it = |account: &Account| {
                account.record.email.as_ref().is_some_and(|email| email.to_lowercase() == wanted)
            };
            Ok(self.accounts().await?.into_iter().find(has_it))
        })
    }

    /// The hashes of the passwords that the account of that name had before the one that it has,
    /// newest first, at most so many: those that [`UserEdit::past`] and
    /// [`Spending::past`](crate::Spending::past) had remembered. A stronger hash of the same
    /// password is no other password. Nobody has none.
    ///
    /// Whoever looks at the account first, then asks this, and has the change made only if the
    /// account has still the hash that was looked at ([`UserEdit::checked`]), has seen them all.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn past_passwords<'a>(
        &'a self,
        name: &'a UserName,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredHash>, StoreError>>;

    /// Keeps a new account.
    ///
    /// # Errors
    /// [`AddRejection::NameTaken`] and [`AddRejection::EmailTaken`] change nothing.
    fn add_account(&self, record: UserRecord) -> BoxFuture<'_, Result<(), AddRejection>>;

    /// Changes an account, remembers the password that goes, where that is asked for, and ends the
    /// sessions that the edit ends, in one. Enabling lifts a lock and forgets failures.
    ///
    /// # Errors
    /// [`EditRejection`]; nothing is changed then.
    fn edit_account<'a>(
        &'a self,
        name: &'a UserName,
        edit: UserEdit,
    ) -> BoxFuture<'a, Result<Account, EditRejection>>;

    /// Removes an account with its sessions and all that is kept of it. `admins`: whether it is
    /// removed though it is the last admin's.
    ///
    /// # Errors
    /// [`EditRejection`]; nothing is removed then.
    fn delete_account<'a>(
        &'a self,
        name: &'a UserName,
        admins: AdminsLeft,
    ) -> BoxFuture<'a, Result<UserRecord, EditRejection>>;

    /// Lifts the lock of an account and forgets its failures. `false`: it had neither.
    ///
    /// # Errors
    /// [`EditRejection`]; nothing is changed then.
    fn unlock_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<bool, EditRejection>>;

    /// Finds the account that somebody wants to log in to, and takes a place for the attempt by
    /// [`Lockout::reserve`]. `None`: there is no such account.
    ///
    /// # Errors
    /// [`StoreError`]; no place is taken then.
    fn find_login<'a>(
        &'a self,
        name: &'a UserName,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Option<Login>, StoreError>>;

    /// The password was wrong: [`Lockout::failed`]. A lock that it set is durable. Of an account
    /// that is gone, or that is another one under the same name by now (`account_made` is the time
    /// of making of the one that was found), [`Failure::Ignored`].
    ///
    /// # Errors
    /// [`StoreError`]; the place stays held then, until it is void.
    fn fail_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>>;

    /// Nothing was looked at: [`Lockout::withdrawn`]. Of an account that is gone, or that is another
    /// one by now, nothing.
    ///
    /// # Errors
    /// [`StoreError`]; the place stays held then, until it is void.
    fn withdraw_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The password was right: [`Lockout::succeeded`], the last login, and the new session, in
    /// one. Ends the sessions of the user that were used least recently, down to the limit; those
    /// that have expired do not count, and are left to [`AccountStore::sweep`].
    ///
    /// Whoever shares one verification shares its place: each opens a session with the same ticket.
    ///
    /// # Errors
    /// [`OpenRejection`]; no session is opened then. Whether the account is as it was is looked at
    /// before the lock.
    fn open_session(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, OpenRejection>>;

    /// Every session, expired ones included, in the order in which they were opened.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read as a whole.
    fn sessions(&self) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>>;

    /// Those of one user, in the same order. Whoever may be asked by anybody with a session reads
    /// no others for it.
    ///
    /// # Errors
    /// As [`AccountStore::sessions`].
    fn sessions_of<'a>(
        &'a self,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(async move {
            let mut sessions = self.sessions().await?;
            sessions.retain(|session| session.user == *user);
            Ok(sessions)
        })
    }

    /// The session of that id, if [`AccountStore::sessions`] would give it.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read. Not found is `Ok(None)`.
    fn find_session<'a>(
        &'a self,
        id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<LoginSession>, StoreError>>;

    /// The accounts of these names, these sessions, and whose they are. What is not among them is no
    /// more; and no session is given that its account, as it is given, does not have: who is removed
    /// and made again meanwhile inherits nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read; never a part of it.
    fn excerpt<'a>(
        &'a self,
        users: &'a [UserName],
        sessions: &'a [SessionId],
    ) -> BoxFuture<'a, Result<Excerpt, StoreError>> {
        Box::pin(async move {
            let mut names: BTreeSet<UserName> = users.iter().cloned().collect();
            let mut there = Vec::new();
            for id in sessions {
                if let Some(session) = self.find_session(id).await? {
                    names.insert(session.user);
                    there.push(id);
                }
            }
            let mut excerpt = Excerpt::default();
            for name in names {
                excerpt.accounts.extend(self.find_account(&name).await?);
            }
            // Once more, after what they hang on: if their account was removed before it was read,
            // and made anew, they are gone by now.
            for id in there {
                excerpt.sessions.extend(self.find_session(id).await?);
            }
            Ok(excerpt)
        })
    }

    /// Ends the sessions that `selector` names, and returns them.
    ///
    /// # Errors
    /// [`StoreError`]; all stay then.
    fn end_sessions(
        &self,
        selector: SessionSelector,
    ) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>>;

    /// Notes when sessions were used last. May be lost in a crash; those that are gone are passed
    /// over, and so is a time before the one that is known: word of it may come late, from another
    /// process.
    ///
    /// # Errors
    /// [`StoreError`].
    fn touch_sessions(
        &self,
        used: Vec<(SessionId, SystemTime)>,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Forgets what is over at `now`: sessions that expired, and what is kept of accounts that
    /// are no more. Says how many sessions there were.
    ///
    /// Nobody need be told: what is over is over by its own record, wherever that is known.
    ///
    /// # Errors
    /// [`StoreError`].
    fn sweep(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Word of changes from now on, made here or elsewhere: of each account that was made, edited
    /// or removed, and of each session that was opened, ended or swept. Places, failures, locks
    /// and times of use need not be told: whoever wants them reads them here.
    fn changes(&self) -> Changes;
}

/// An account, with what the server keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What its operator says.
    pub record: UserRecord,
    /// When somebody logged in last.
    pub last_login: Option<SystemTime>,
    /// Failures and lock.
    pub lockout: Lockout,
}

impl Account {
    /// An account that nobody has tried to log in to.
    #[must_use]
    pub fn new(record: UserRecord) -> Self {
        Self { record, last_login: None, lockout: Lockout::default() }
    }
}

/// Some of the accounts and sessions of a store, as they were at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// In no order.
    pub accounts: Vec<Account>,
    /// In no order.
    pub sessions: Vec<LoginSession>,
}

/// What is found for somebody who wants to log in.
#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    /// The account, as it was before the place was taken.
    pub account: Account,
    /// Whether the attempt may be made.
    pub verdict: Verdict,
}

/// A session that is to be opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Opening {
    /// The session.
    pub session: LoginSession,
    /// The place of the attempt that opens it.
    pub ticket: Ticket,
    /// The policy by which the place was taken.
    pub policy: LockoutPolicy,
    /// The account that was found: its time of making. Another one under the same name is not
    /// logged in to.
    pub account_made: SystemTime,
    /// The hash that the password was checked against: if it is another by now, nobody is let in.
    pub checked: StoredHash,
    /// A stronger hash of the same password, to be kept instead. No session ends for it.
    pub stronger: Option<StoredHash>,
    /// Sessions that the user may have at a time; 0: any number.
    pub limit: usize,
    /// The time now.
    pub now: SystemTime,
}

/// A session that was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The sessions that ended for it.
    pub ended: Vec<SessionId>,
}

/// Why an account was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddRejection {
    /// There is an account of this name, in this or another spelling.
    #[error("the name is taken")]
    NameTaken,
    /// Another account has this address.
    #[error("the email is taken")]
    EmailTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an account was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditRejection {
    /// There is no account of this name.
    #[error("user not found")]
    NotFound,
    /// Another account has this address.
    #[error("the email is taken")]
    EmailTaken,
    /// Nobody would be left who looks after the accounts, and that was not to be:
    /// [`AdminsLeft::AtLeastOne`].
    #[error("the last admin stays")]
    LastAdmin,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why no session was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenRejection {
    /// The account was locked while the password was looked at.
    #[error("the account is locked")]
    Locked(Lock),
    /// The account is gone, is another one by now, has another password, or is disabled. The
    /// place was given back, if there is still an account that it was taken of.
    #[error("the account is not as it was")]
    Changed,
    /// The store failed; the place stays held until it is void.
    #[error(transparent)]
    Store(#[from] StoreError),
}
