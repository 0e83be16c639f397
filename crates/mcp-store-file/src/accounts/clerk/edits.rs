//! Accounts made, changed and removed: changes of two media, of which a crash may leave the first
//! alone.
//!
//! The order of each, and what a crash after its first step leaves:
//!
//! | change | first | then | in between |
//! |---|---|---|---|
//! | made | users file | – | |
//! | edited, and sessions end | the sessions end, durably | users file; sessions that were opened meanwhile end | signed out, and the account as before. It was not acknowledged |
//! | another password, and the one before is remembered | it is remembered, durably | users file; what is more than is kept is forgotten | one password is remembered that the account still has: it is no other one, and not given as one |
//! | enabled | users file | the lock is lifted | enabled, and locked as before |
//! | removed | users file, with the database held | sessions and all that is kept go | sessions of nobody: they are none any more, and swept |
//!
//! Sessions of an account that is disabled open nothing, and are swept, too: whoever is enabled
//! again finds none of them.

use mcp_identity::UserName;
use mcp_store::{
    Account, AddRejection, AdminsLeft, Change, EditRejection, LoginSession, SessionSelector,
    StoreError, StoreErrorKind, UserEdit, UserRecord,
};

use super::{Clerk, keep};
use crate::fault::WithHint as _;
use crate::state::{AccountKey, Durability};

impl Clerk {
    pub(in crate::accounts) fn add(&self, record: UserRecord) -> Result<(), AddRejection> {
        let name = record.name.clone();
        let added = self.roll.users.insert_now(record);
        match &added {
            Err(AddRejection::NameTaken | AddRejection::EmailTaken) => {}
            Err(AddRejection::Store(error)) if error.kind != StoreErrorKind::NotDurable => {}
            Ok(()) | Err(AddRejection::Store(_)) => self.tell_user(&name),
        }
        added
    }

    pub(in crate::accounts) fn add_all(
        &self,
        records: Vec<UserRecord>,
    ) -> Result<Vec<Result<(), AddRejection>>, StoreError> {
        let added = self.roll.users.insert_all_now(records);
        let unsure = |error: &StoreError| error.kind == StoreErrorKind::NotDurable;
        if added.as_ref().err().is_none_or(unsure) {
            self.changes.tell(Change::Everything);
        }
        added
    }

    pub(in crate::accounts) fn edit(
        &self,
        name: &UserName,
        edit: &UserEdit,
    ) -> Result<Account, EditRejection> {
        let ends = edit.ends(name);
        let remembers = edit.password.is_some() && edit.past > 0;
        let (mut ended, edited) = if ends.is_some() || remembers {
            self.edit_when_noted(name, edit, ends.as_ref())
        } else {
            (Vec::new(), self.roll.users.edit_now(name, edit))
        };
        let mut follows = Ok(());
        if is_in_force(&edited) {
            follows = self.follow_up(name, edit, ends.as_ref(), &mut ended);
            // What cannot be forgotten now is at the next change.
            if edit.password.is_some()
                && let Err(error) = self.forget_more(name, edit.past)
            {
                tracing::warn!(error = %error, "More passwords of before are kept than need be");
            }
            self.tell_user(name);
        }
        self.tell_ended(&ended);
        let record = edited?;
        follows.map_err(half_done)?;
        Ok(self.account_of(record).map_err(unseen)?)
    }

    /// The password that goes is remembered and the sessions end when it is certain that the users
    /// file would take the edit, which is then held for it; and before it does. Gives those that
    /// ended in any case.
    fn edit_when_noted(
        &self,
        name: &UserName,
        edit: &UserEdit,
        ends: Option<&SessionSelector>,
    ) -> (Vec<LoginSession>, Result<UserRecord, EditRejection>) {
        let change = match self.state.begin(Durability::Full) {
            Ok(change) => change,
            Err(error) => return (Vec::new(), Err(error.into())),
        };
        let mut ended = Ok(Vec::new());
        let edited = self.roll.users.edit_if_now(name, edit, |record| {
            ended = self.roll.may_edit(record, edit).and_then(|()| {
                let tables = change.tables();
                if edit.past > 0 && edit.replaces_password_of(record) {
                    tables.remember(&AccountKey::of(record), &record.password)?;
                }
                let ended = ends.map(|selector| tables.end(selector)).transpose()?;
                change.commit()?;
                Ok(ended.unwrap_or_default())
            });
            ended.is_ok()
        });
        match ended {
            Err(rejection) => (Vec::new(), Err(rejection)),
            Ok(ended) => (ended, edited.and_then(|edited| edited.ok_or(EditRejection::NotFound))),
        }
    }

    /// What follows from an edit that is in the users file: whoever logged in while it was made
    /// does not stay, and who is enabled is not locked.
    fn follow_up(
        &self,
        name: &UserName,
        edit: &UserEdit,
        ends: Option<&SessionSelector>,
        ended: &mut Vec<LoginSession>,
    ) -> Result<(), StoreError> {
        let enables = edit.enabled == Some(true);
        if ends.is_none() && !enables {
            return Ok(());
        }
        let change = self.state.begin(Durability::Full)?;
        if let Some(selector) = ends {
            ended.extend(change.tables().end(selector)?);
        }
        if enables && let Some(user) = self.roll.find(name)? {
            let key = AccountKey::of(&user.record);
            let before = change.tables().kept(&key)?;
            let mut lockout = before.lockout(Vec::new());
            lockout.unlock();
            keep(&change.tables(), &key, &before, &before.with(&lockout))?;
        }
        change.commit()
    }

    /// Forgets what is remembered of more passwords than are to be.
    fn forget_more(&self, name: &UserName, most: usize) -> Result<(), StoreError> {
        let Some(user) = self.roll.find(name)? else { return Ok(()) };
        let key = AccountKey::of(&user.record);
        if self.state.tables()?.past(&key)?.len() <= most {
            return Ok(());
        }
        let change = self.state.begin(Durability::Full)?;
        change.tables().forget_past(&key, most)?;
        change.commit()
    }

    pub(in crate::accounts) fn delete(
        &mut self,
        name: &UserName,
        admins: AdminsLeft,
    ) -> Result<UserRecord, EditRejection> {
        let change = self.state.begin(Durability::Full)?;
        let selector = SessionSelector::OfUser(name.clone(), None);
        let ended = change.tables().end(&selector)?;
        change.tables().forget_name(name.key())?;
        let removed = self.roll.users.remove_now(name, admins);
        if !is_in_force(&removed) {
            return removed;
        }
        if let Err(error) = change.commit() {
            // Nobody has this account any more, and so nobody has its sessions.
            tracing::warn!(error = %error, "What was kept of a deleted account is left to be swept");
        }
        self.places.retain(|account| account.name != name.key());
        self.tell_user(name);
        self.tell_ended(&ended);
        removed
    }
}

/// Is it in the users file, if perhaps not on disk?
fn is_in_force<T>(changed: &Result<T, EditRejection>) -> bool {
    match changed {
        Ok(_) => true,
        Err(EditRejection::NotFound | EditRejection::EmailTaken | EditRejection::LastAdmin) => {
            false
        }
        Err(EditRejection::Store(error)) => error.kind == StoreErrorKind::NotDurable,
    }
}

/// All is done; what else is kept of the account cannot be told.
fn unseen(error: StoreError) -> StoreError {
    let fault = format!("the account is changed, but {}", error.fault);
    StoreError { fault, kind: StoreErrorKind::NotDurable, ..error }
}

/// The users file has it, the state database has not.
fn half_done(error: StoreError) -> StoreError {
    let fault = format!("the account is changed in the users file, but {}", error.fault);
    StoreError { fault, kind: StoreErrorKind::NotDurable, ..error }
        .hint("end its sessions or unlock it by itself: mcp-admin sessions revoke, mcp-admin users unlock")
}
