//! Attempts to log in: places, failures, sessions.

use std::time::SystemTime;

use mcp_identity::UserName;
use mcp_store::{
    EditRejection, Login, LoginSession, OpenRejection, Opened, Opening, StoreError, StoreErrorKind,
    StoredHash, UserEdit, UserRecord,
};
use mcp_throttle::{Failure, Lockout, LockoutPolicy, Ticket};

use super::{Clerk, keep};
use crate::fault::down;
use crate::state::{AccountKey, Durability, Kept, Tables};

impl Clerk {
    pub(in crate::accounts) fn find_login(
        &mut self,
        name: &UserName,
        policy: &LockoutPolicy,
        now: SystemTime,
    ) -> Result<Option<Login>, StoreError> {
        let Some(user) = self.roll.find(name)? else { return Ok(None) };
        let key = AccountKey::of(&user.record);
        let kept = self.state.tables()?.kept(&key)?;
        let account = self.account(user, &key, &kept);
        let mut lockout = account.lockout.clone();
        let mut verdict = lockout.reserve(policy, now);
        if kept.with(&lockout) == kept {
            self.places.hold(&key, lockout.reserved);
        } else {
            // A lock has ended: seldom, and with the database for ourselves.
            verdict = self.change_lockout(&key, |lockout| lockout.reserve(policy, now))?;
        }
        Ok(Some(Login { account, verdict }))
    }

    pub(in crate::accounts) fn fail_login(
        &mut self,
        name: &UserName,
        account_made: SystemTime,
        ticket: Ticket,
        policy: &LockoutPolicy,
        now: SystemTime,
    ) -> Result<Failure, StoreError> {
        let Some(key) = self.key_of(name, account_made)? else { return Ok(Failure::Ignored) };
        self.change_lockout(&key, |lockout| lockout.failed(ticket, policy, now))
    }

    pub(in crate::accounts) fn withdraw_login(
        &mut self,
        name: &UserName,
        account_made: SystemTime,
        ticket: &Ticket,
    ) -> Result<(), StoreError> {
        if let Some(key) = self.key_of(name, account_made)? {
            self.give_back(&key, ticket);
        }
        Ok(())
    }

    /// The account of that name, if it is still the one that was made then.
    fn key_of(
        &self,
        name: &UserName,
        account_made: SystemTime,
    ) -> Result<Option<AccountKey>, StoreError> {
        let found = self.roll.find(name)?.map(|user| user.record);
        let same = found.filter(|record| record.created_at == account_made);
        Ok(same.map(|record| AccountKey::of(&record)))
    }

    pub(in crate::accounts) fn unlock(&mut self, name: &UserName) -> Result<bool, EditRejection> {
        let user = self.roll.find(name)?.ok_or(EditRejection::NotFound)?;
        let had_something = self.change_lockout(&AccountKey::of(&user.record), |lockout| {
            let had_something = lockout.lock.is_some() || lockout.failures > 0;
            lockout.unlock();
            had_something
        })?;
        self.tell_user(name);
        Ok(had_something)
    }

    /// With the database held from the first look at the account: whoever disables it, changes its
    /// password or ends its sessions meanwhile does so before, and is seen, or after, and ends
    /// this session too.
    pub(in crate::accounts) fn open_session(
        &mut self,
        opening: Opening,
    ) -> Result<Opened, OpenRejection> {
        let Opening { session, ticket, policy, account_made, checked, stronger, limit, now } =
            opening;
        let change = self.state.begin(Durability::Full)?;
        let tables = change.tables();
        self.is_new(&tables, &session)?;
        let found = self.roll.find_fresh(&session.user)?;
        let Some(record) = found.filter(|record| record.created_at == account_made) else {
            // The place was one of the account that is gone; those of another one are none of
            // its business.
            return Err(OpenRejection::Changed);
        };
        let key = AccountKey::of(&record);
        let before = tables.kept(&key)?;
        let mut lockout = before.lockout(self.places.of(&key));
        if let Err(rejection) = let_in(&record, &checked, &mut lockout, ticket, &policy, now) {
            keep(&tables, &key, &before, &before.with(&lockout))?;
            change.commit()?;
            self.places.hold(&key, lockout.reserved);
            return Err(rejection);
        }
        let strengthened = self.strengthen(&record, stronger);
        if let Err(rejection) = strengthened {
            self.places.hold(&key, lockout.reserved);
            return Err(rejection);
        }
        tables.keep(&key, &Kept { last_login: Some(now), ..before.with(&lockout) })?;
        let ended = tables.make_room(&key, limit, now)?;
        tables.insert(&key, &session)?;
        change.commit()?;
        self.places.hold(&key, lockout.reserved);
        if strengthened == Ok(true) {
            self.tell_user(&record.name);
        }
        self.tell_sessions(ended.iter().chain([&session.id]));
        Ok(Opened { ended })
    }

    /// Ids and tokens are random: another session has them only if randomness is not what it
    /// should be.
    fn is_new(&self, tables: &Tables<'_>, session: &LoginSession) -> Result<(), StoreError> {
        if tables.is_taken(session)? {
            let fault = "another session has this id or this token";
            return Err(down(self.state.path(), fault));
        }
        Ok(())
    }

    /// Keeps a stronger hash, if there is one, of the password that is the account's still.
    /// `false`: it could not be kept; whoever knows the password is let in all the same, and the
    /// next login tries again.
    fn strengthen(
        &self,
        record: &UserRecord,
        stronger: Option<StoredHash>,
    ) -> Result<bool, OpenRejection> {
        let Some(stronger) = stronger else { return Ok(false) };
        let edit = UserEdit { password: Some(stronger), ..UserEdit::default() };
        let same = |now: &UserRecord| {
            now.created_at == record.created_at && is_as_it_was(now, &record.password)
        };
        match self.roll.users.edit_if_now(&record.name, &edit, same) {
            Ok(Some(_)) => Ok(true),
            Ok(None)
            | Err(EditRejection::NotFound | EditRejection::EmailTaken | EditRejection::LastAdmin) => {
                Err(OpenRejection::Changed)
            }
            Err(EditRejection::Store(error)) if error.kind == StoreErrorKind::NotDurable => {
                Ok(true)
            }
            Err(EditRejection::Store(error)) => {
                // A users file that nobody may write says so at every login; once is enough.
                if !self.warned_of_weak_hashes.replace(true) {
                    tracing::warn!(error = %error, "Weak password hashes stay as they are");
                }
                Ok(false)
            }
        }
    }

    fn change_lockout<T>(
        &mut self,
        key: &AccountKey,
        rule: impl FnOnce(&mut Lockout) -> T,
    ) -> Result<T, StoreError> {
        let change = self.state.begin(Durability::Full)?;
        let before = change.tables().kept(key)?;
        let mut lockout = before.lockout(self.places.of(key));
        let said = rule(&mut lockout);
        keep(&change.tables(), key, &before, &before.with(&lockout))?;
        change.commit()?;
        self.places.hold(key, lockout.reserved);
        Ok(said)
    }

    fn give_back(&mut self, key: &AccountKey, ticket: &Ticket) {
        let mut places = self.places.of(key);
        places.retain(|taken| *taken != ticket.time());
        self.places.hold(key, places);
    }
}

/// Is whoever knew this password let in to the account, as it is now? The place comes back in any
/// case.
fn let_in(
    record: &UserRecord,
    checked: &StoredHash,
    lockout: &mut Lockout,
    ticket: Ticket,
    policy: &LockoutPolicy,
    now: SystemTime,
) -> Result<(), OpenRejection> {
    if !is_as_it_was(record, checked) {
        lockout.withdrawn(ticket);
        return Err(OpenRejection::Changed);
    }
    lockout.succeeded(ticket, policy, now).map_err(OpenRejection::Locked)
}

fn is_as_it_was(record: &UserRecord, checked: &StoredHash) -> bool {
    record.enabled && record.password == *checked
}
