//! Who does the work: everything here runs on one thread, one thing after the other.

mod edits;
mod logins;
mod recovery;

use std::cell::Cell;
use std::collections::HashSet;
use std::time::SystemTime;

use mcp_identity::{SessionId, UserName};
use mcp_store::{
    Account, Change, ChangeSender, LoginSession, SessionSelector, StoreError, StoredHash,
    UserRecord,
};

use super::places::Places;
use super::roll::Roll;
use crate::access::Managed;
use crate::state::{AccountKey, Durability, Kept, State, Tables};
use crate::user_file::UserFile;
use crate::users::KeptUser;

/// Works on the users file and the state database.
pub(super) struct Clerk {
    roll: Roll,
    state: State,
    places: Places,
    changes: ChangeSender,
    warned_of_weak_hashes: Cell<bool>,
    /// The database could not be looked at the last time.
    is_blind: bool,
}

impl Clerk {
    pub(super) fn new(
        users: UserFile,
        managed: Managed,
        state: State,
        changes: ChangeSender,
    ) -> Self {
        let (roll, places) = (Roll::new(users, managed), Places::default());
        let warned_of_weak_hashes = Cell::new(false);
        Self { roll, state, places, changes, warned_of_weak_hashes, is_blind: false }
    }

    /// Tells if another process changed the database, or if that cannot be known any more: who
    /// reads it then hears what is wrong.
    pub(super) fn look(&mut self) {
        let looked = self.state.was_changed_elsewhere();
        let was_blind = std::mem::replace(&mut self.is_blind, looked.is_err());
        if looked.unwrap_or(!was_blind) {
            self.changes.tell(Change::Everything);
        }
    }

    pub(super) fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let everybody = self.roll.all()?;
        let mut kept = self.state.tables()?.all_kept()?;
        let account = |user: KeptUser| {
            let key = AccountKey::of(&user.record);
            let kept = kept.remove(&key).unwrap_or_default();
            self.account(user, &key, &kept)
        };
        Ok(everybody.into_iter().map(account).collect())
    }

    pub(super) fn find_account(&self, name: &UserName) -> Result<Option<Account>, StoreError> {
        let Some(user) = self.roll.find(name)? else { return Ok(None) };
        let key = AccountKey::of(&user.record);
        let kept = self.state.tables()?.kept(&key)?;
        Ok(Some(self.account(user, &key, &kept)))
    }

    pub(super) fn find_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        match self.roll.find_email(email)? {
            Some(name) => self.find_account(&name),
            None => Ok(None),
        }
    }

    pub(super) fn past_passwords(
        &self,
        name: &UserName,
        most: usize,
    ) -> Result<Vec<StoredHash>, StoreError> {
        let Some(user) = self.roll.find(name)? else { return Ok(Vec::new()) };
        let mut past = self.state.tables()?.past(&AccountKey::of(&user.record))?;
        // A change of it was begun and not finished.
        past.retain(|hash| *hash != user.record.password);
        past.truncate(most);
        Ok(past)
    }

    /// Sessions of an account that is no more, or was made anew since, are none any more.
    pub(super) fn sessions(&self) -> Result<Vec<LoginSession>, StoreError> {
        let kept = self.state.tables()?.sessions()?;
        if kept.is_empty() {
            return Ok(Vec::new());
        }
        let everybody = self.roll.all()?;
        let accounts: HashSet<_> =
            everybody.iter().map(|user| AccountKey::of(&user.record)).collect();
        let there = kept.into_iter().filter(|kept| accounts.contains(&kept.account));
        Ok(there.map(|kept| kept.session).collect())
    }

    /// Those of one user, by the same rule.
    pub(super) fn sessions_of(&self, user: &UserName) -> Result<Vec<LoginSession>, StoreError> {
        let Some(owner) = self.roll.find(user)? else { return Ok(Vec::new()) };
        let kept = self.state.tables()?.sessions_of(&AccountKey::of(&owner.record))?;
        Ok(kept.into_iter().map(|kept| kept.session).collect())
    }

    /// By the same rule.
    pub(super) fn find_session(&self, id: &SessionId) -> Result<Option<LoginSession>, StoreError> {
        let Some(kept) = self.state.tables()?.session(id)? else { return Ok(None) };
        let owner = self.roll.find(&kept.session.user)?;
        let is_his = owner.is_some_and(|user| AccountKey::of(&user.record) == kept.account);
        Ok(is_his.then_some(kept.session))
    }

    pub(super) fn end_sessions(
        &self,
        selector: &SessionSelector,
    ) -> Result<Vec<LoginSession>, StoreError> {
        let change = self.state.begin(Durability::Full)?;
        let ended = change.tables().end(selector)?;
        change.commit()?;
        self.tell_ended(&ended);
        Ok(ended)
    }

    pub(super) fn touch_sessions(
        &self,
        used: &[(SessionId, SystemTime)],
    ) -> Result<(), StoreError> {
        let change = self.state.begin(Durability::Batched)?;
        for (id, at) in used {
            change.tables().touch(id, *at)?;
        }
        change.commit()
    }

    /// Ends the sessions of accounts that are no more or are disabled and, where there is a `now`,
    /// those that are over; forgets what is kept of accounts that are no more.
    pub(super) fn sweep(&mut self, now: Option<SystemTime>) -> Result<usize, StoreError> {
        if now.is_some() {
            self.finish_resets()?;
        }
        let census = self.roll.census()?;
        let change = self.state.begin(Durability::Full)?;
        let tables = change.tables();
        let mut ended = match now {
            Some(now) => tables.end_expired(now)?,
            None => Vec::new(),
        };
        if let Some(census) = &census {
            for account in tables.owners()?.iter().filter(|of| !census.may_have_sessions(of)) {
                ended.extend(tables.end_of(account)?);
            }
            for account in tables.all_kept()?.keys().filter(|account| !census.knows(account)) {
                tables.forget_account(account)?;
            }
            for account in tables.remembered()?.iter().filter(|account| !census.knows(account)) {
                tables.forget_past(account, 0)?;
            }
            self.places.retain(|account| census.knows(account));
        }
        change.commit()?;
        self.tell_sessions(&ended);
        Ok(ended.len())
    }

    fn account(&self, user: KeptUser, key: &AccountKey, kept: &Kept) -> Account {
        Account {
            // Until the first login here: what pgEdge's server knew.
            last_login: kept.last_login.or(user.last_login),
            lockout: kept.lockout(self.places.of(key)),
            record: user.record,
        }
    }

    fn account_of(&self, record: UserRecord) -> Result<Account, StoreError> {
        let key = AccountKey::of(&record);
        let kept = self.state.tables()?.kept(&key)?;
        let user = self.roll.find(&record.name)?;
        let last_login = user.and_then(|user| user.last_login);
        Ok(self.account(KeptUser { last_login, ..KeptUser::new(record) }, &key, &kept))
    }

    fn tell_user(&self, name: &UserName) {
        self.changes.tell(Change::User(name.clone()));
    }

    fn tell_sessions<'a>(&self, ids: impl IntoIterator<Item = &'a SessionId>) {
        for id in ids {
            self.changes.tell(Change::Session(id.clone()));
        }
    }

    fn tell_ended(&self, ended: &[LoginSession]) {
        self.tell_sessions(ended.iter().map(|session| &session.id));
    }
}

/// What is kept of an account, if it is still as it was asked for.
fn keep(
    tables: &Tables<'_>,
    key: &AccountKey,
    before: &Kept,
    after: &Kept,
) -> Result<(), StoreError> {
    if before == after { Ok(()) } else { tables.keep(key, after) }
}
