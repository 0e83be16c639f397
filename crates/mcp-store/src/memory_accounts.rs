//! The twin in memory: for tests, and for embedders whose accounts live elsewhere.

mod recovery;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use mcp_identity::{SessionId, TokenHash, UserName};
use mcp_throttle::{Failure, LockoutPolicy, Ticket};

use crate::account::{AdminsLeft, LoginSession, SessionSelector, StoredHash, UserEdit, UserRecord};
use crate::account_store::{
    Account, AccountStore, AddRejection, EditRejection, Login, OpenRejection, Opened, Opening,
};
use crate::change::{Change, ChangeSender, Changes};
use crate::shared_store::SharedStore;
use crate::token_store::{BoxFuture, StoreError, StoreErrorKind};

/// Accounts and their sessions in memory. Lost with the process.
#[derive(Debug, Default)]
pub struct MemoryAccounts {
    kept: Mutex<Kept>,
    changes: ChangeSender,
}

#[derive(Debug, Default)]
struct Kept {
    /// In the order in which they were added.
    accounts: Vec<Account>,
    /// In the order in which they were opened.
    sessions: Vec<LoginSession>,
    letters: Vec<recovery::Letter>,
    last_letter: i64,
    resets: Vec<recovery::Reset>,
    /// The passwords of before, newest first, of those of whom there are any.
    past: HashMap<UserName, Vec<StoredHash>>,
}

impl MemoryAccounts {
    /// A store without accounts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn add_now(&self, record: UserRecord) -> Result<(), AddRejection> {
        let name = record.name.clone();
        self.kept().add(record)?;
        self.tell_user(&name);
        Ok(())
    }

    fn edit_now(&self, name: &UserName, edit: &UserEdit) -> Result<Account, EditRejection> {
        let (account, ended) = self.kept().edit(name, edit)?;
        self.tell_user(name);
        self.tell_ended(&ended);
        Ok(account)
    }

    fn delete_now(&self, name: &UserName, admins: AdminsLeft) -> Result<UserRecord, EditRejection> {
        let (record, ended) = self.kept().delete(name, admins)?;
        self.tell_user(name);
        self.tell_ended(&ended);
        Ok(record)
    }

    fn unlock_now(&self, name: &UserName) -> Result<bool, EditRejection> {
        let had_something = self.kept().unlock(name)?;
        self.tell_user(name);
        Ok(had_something)
    }

    fn open_now(&self, opening: Opening) -> Result<Opened, OpenRejection> {
        let (id, user) = (opening.session.id.clone(), opening.session.user.clone());
        let rehashed = opening.stronger.is_some();
        let opened = self.kept().open(opening)?;
        if rehashed {
            self.tell_user(&user);
        }
        self.tell_sessions(opened.ended.iter().chain([&id]));
        Ok(opened)
    }

    fn end_now(&self, selector: &SessionSelector) -> Vec<LoginSession> {
        let ended = self.kept().end(selector);
        self.tell_ended(&ended);
        ended
    }

    fn sweep_now(&self, now: SystemTime) -> usize {
        let over = |session: &mut LoginSession| session.is_expired(now);
        let ended: Vec<_> = self.kept().sessions.extract_if(.., over).collect();
        self.tell_ended(&ended);
        ended.len()
    }
}

impl Kept {
    fn account(&mut self, name: &UserName) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.record.name == *name)
    }

    /// The account of that name, if it is still the one that was made then.
    fn account_made(&mut self, name: &UserName, made: SystemTime) -> Option<&mut Account> {
        self.account(name).filter(|account| account.record.created_at == made)
    }

    /// Has anybody but `name` this address?
    fn email_is_taken(&self, email: Option<&str>, name: &UserName) -> bool {
        let Some(wanted) = email.map(str::to_lowercase) else { return false };
        self.accounts.iter().filter(|account| account.record.name != *name).any(|account| {
            account.record.email.as_ref().is_some_and(|email| email.to_lowercase() == wanted)
        })
    }

    /// Is there another admin than `name`?
    fn is_led_without(&self, name: &UserName) -> bool {
        let records = self.accounts.iter().map(|account| &account.record);
        records.filter(|record| record.name != *name).any(UserRecord::is_acting_admin)
    }

    /// Remembers the password that goes, and of those before it so many in all.
    fn remember(&mut self, name: &UserName, gone: StoredHash, most: usize) {
        let mut past = self.past.remove(name).unwrap_or_default();
        past.insert(0, gone);
        past.truncate(most);
        if !past.is_empty() {
            self.past.insert(name.clone(), past);
        }
    }

    fn past(&self, name: &UserName, most: usize) -> Vec<StoredHash> {
        let account = self.accounts.iter().find(|account| account.record.name == *name);
        let past = self.past.get(name).into_iter().flatten();
        let is_over = |hash: &&StoredHash| account.is_some_and(|it| it.record.password != **hash);
        past.filter(is_over).take(most).cloned().collect()
    }

    fn add(&mut self, record: UserRecord) -> Result<(), AddRejection> {
        if self.account(&record.name).is_some() {
            return Err(AddRejection::NameTaken);
        }
        if self.email_is_taken(record.email.as_deref(), &record.name) {
            return Err(AddRejection::EmailTaken);
        }
        self.accounts.push(Account::new(record));
        Ok(())
    }

    fn edit(
        &mut self,
        name: &UserName,
        edit: &UserEdit,
    ) -> Result<(Account, Vec<LoginSession>), EditRejection> {
        let meant = |account: &&mut Account| edit.is_meant_for(&account.record);
        let current = self.account(name).filter(meant).ok_or(EditRejection::NotFound)?;
        let before = current.record.clone();
        let record = edit.apply(&before);
        if edit.admins.forbids(&before, Some(&record), || self.is_led_without(name)) {
            return Err(EditRejection::LastAdmin);
        }
        if self.email_is_taken(record.email.as_deref(), name) {
            return Err(EditRejection::EmailTaken);
        }
        if edit.replaces_password_of(&before) {
            self.remember(name, before.password, edit.past);
        }
        let account = self.account(name).ok_or(EditRejection::NotFound)?;
        account.record = record;
        if edit.enabled == Some(true) {
            account.lockout.unlock();
        }
        let edited = account.clone();
        let ended = edit.ends(name).map(|selector| self.end(&selector)).unwrap_or_default();
        Ok((edited, ended))
    }

    fn delete(
        &mut self,
        name: &UserName,
        admins: AdminsLeft,
    ) -> Result<(UserRecord, Vec<LoginSession>), EditRejection> {
        let mut accounts = self.accounts.iter();
        let place = accounts.position(|account| account.record.name == *name);
        let place = place.ok_or(EditRejection::NotFound)?;
        let there = &self.accounts[place].record;
        if admins.forbids(there, None, || self.is_led_without(name)) {
            return Err(EditRejection::LastAdmin);
        }
        let removed = self.accounts.remove(place);
        self.past.remove(name);
        let ended = self.end(&SessionSelector::OfUser(name.clone(), None));
        Ok((removed.record, ended))
    }

    fn unlock(&mut self, name: &UserName) -> Result<bool, EditRejection> {
        let lockout = &mut self.account(name).ok_or(EditRejection::NotFound)?.lockout;
        let had_something = lockout.lock.is_some() || lockout.failures > 0;
        lockout.unlock();
        Ok(had_something)
    }

    fn find_login(
        &mut self,
        name: &UserName,
        policy: &LockoutPolicy,
        now: SystemTime,
    ) -> Option<Login> {
        let account = self.account(name)?;
        let before = account.clone();
        Some(Login { account: before, verdict: account.lockout.reserve(policy, now) })
    }

    fn open(&mut self, opening: Opening) -> Result<Opened, OpenRejection> {
        let Opening { session, ticket, policy, account_made, checked, stronger, limit, now } =
            opening;
        if self.sessions.iter().any(|kept| kept.id == session.id || kept.hash == session.hash) {
            return Err(OpenRejection::Store(session_taken()));
        }
        let account = self.account(&session.user).ok_or(OpenRejection::Changed)?;
        if account.record.created_at != account_made {
            // The place was one of the account that is gone; this one's are none of its business.
            return Err(OpenRejection::Changed);
        }
        if !account.record.enabled || account.record.password != checked {
            account.lockout.withdrawn(ticket);
            return Err(OpenRejection::Changed);
        }
        account.lockout.succeeded(ticket, &policy, now).map_err(OpenRejection::Locked)?;
        account.last_login = Some(now);
        if let Some(stronger) = stronger {
            account.record.password = stronger;
        }
        let ended = self.make_room(&session.user, limit, now);
        self.sessions.push(session);
        Ok(Opened { ended })
    }

    /// Ends what is too much for one more session of that user.
    fn make_room(&mut self, user: &UserName, limit: usize, now: SystemTime) -> Vec<SessionId> {
        if limit == 0 {
            return Vec::new();
        }
        let counts = |session: &&LoginSession| session.user == *user && !session.is_expired(now);
        let mut open: Vec<_> = self.sessions.iter().filter(counts).collect();
        // Stable: of two that were used at the same time, the one opened first goes first.
        open.sort_by_key(|session| session.last_used);
        let too_many = (open.len() + 1).saturating_sub(limit);
        let ended: Vec<_> = open[..too_many].iter().map(|session| session.id.clone()).collect();
        self.sessions.retain(|session| !ended.contains(&session.id));
        ended
    }

    fn end(&mut self, selector: &SessionSelector) -> Vec<LoginSession> {
        self.sessions.extract_if(.., |session| selector.names(session)).collect()
    }

    fn touch(&mut self, used: &[(SessionId, SystemTime)]) {
        for (id, at) in used {
            if let Some(session) = self.sessions.iter_mut().find(|session| session.id == *id) {
                session.last_used = session.last_used.max(*at);
            }
        }
    }
}

/// Ids and tokens are random: this does not happen while randomness is what it should be.
fn session_taken() -> StoreError {
    StoreError {
        place: "accounts in memory".to_owned(),
        fault: "another session has this id or this token".to_owned(),
        hint: None,
        kind: StoreErrorKind::Down,
    }
}

impl AccountStore for MemoryAccounts {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, StoreError>> {
        Box::pin(async { Ok(self.kept().accounts.clone()) })
    }

    fn find_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(async { Ok(self.kept().account(name).cloned()) })
    }

    fn past_passwords<'a>(
        &'a self,
        name: &'a UserName,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredHash>, StoreError>> {
        Box::pin(async move { Ok(self.kept().past(name, most)) })
    }

    fn add_account(&self, record: UserRecord) -> BoxFuture<'_, Result<(), AddRejection>> {
        Box::pin(async { self.add_now(record) })
    }

    fn edit_account<'a>(
        &'a self,
        name: &'a UserName,
        edit: UserEdit,
    ) -> BoxFuture<'a, Result<Account, EditRejection>> {
        Box::pin(async move { self.edit_now(name, &edit) })
    }

    fn delete_account<'a>(
        &'a self,
        name: &'a UserName,
        admins: AdminsLeft,
    ) -> BoxFuture<'a, Result<UserRecord, EditRejection>> {
        Box::pin(async move { self.delete_now(name, admins) })
    }

    fn unlock_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<bool, EditRejection>> {
        Box::pin(async { self.unlock_now(name) })
    }

    fn find_login<'a>(
        &'a self,
        name: &'a UserName,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Option<Login>, StoreError>> {
        Box::pin(async move { Ok(self.kept().find_login(name, &policy, now)) })
    }

    fn fail_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>> {
        Box::pin(async move {
            let mut kept = self.kept();
            let account = kept.account_made(name, account_made);
            let failed = account.map(|account| account.lockout.failed(ticket, &policy, now));
            Ok(failed.unwrap_or(Failure::Ignored))
        })
    }

    fn withdraw_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if let Some(account) = self.kept().account_made(name, account_made) {
                account.lockout.withdrawn(ticket);
            }
            Ok(())
        })
    }

    fn open_session(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, OpenRejection>> {
        Box::pin(async { self.open_now(opening) })
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(async { Ok(self.kept().sessions.clone()) })
    }

    fn find_session<'a>(
        &'a self,
        id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<LoginSession>, StoreError>> {
        Box::pin(async {
            let kept = self.kept();
            Ok(kept.sessions.iter().find(|session| session.id == *id).cloned())
        })
    }

    fn end_sessions(
        &self,
        selector: SessionSelector,
    ) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(async move { Ok(self.end_now(&selector)) })
    }

    fn touch_sessions(
        &self,
        used: Vec<(SessionId, SystemTime)>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.kept().touch(&used);
            Ok(())
        })
    }

    fn sweep(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move { Ok(self.sweep_now(now)) })
    }

    fn changes(&self) -> Changes {
        self.changes.listen()
    }
}

impl SharedStore for MemoryAccounts {
    fn changes_behind<'a>(
        &'a self,
        hashes: &'a [TokenHash],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Vec<Change>, StoreError>> {
        Box::pin(async move {
            let kept = self.kept();
            let meant = kept.sessions.iter().filter(|session| hashes.contains(&session.hash));
            let held = meant.filter(|session| !session.is_expired(now));
            Ok(held.map(|session| Change::Session(session.id.clone())).collect())
        })
    }
}
