//! Letters to be sent, and links for a new password.
//!
//! Spending a link is a change of both media. With the users file locked, the database says
//! durably that the link is spent and what it sets; then the users file takes that; then the
//! database forgets it.
//!
//! | a crash | leaves |
//! |---|---|
//! | before the database has it | a link that may be spent |
//! | before the users file has it | a link that is spent, sessions that ended, and the new password in the database: the next start writes it |
//! | after that | all done; more passwords of before may be remembered than are to be, until the next change; the next start forgets what was to be written |
//!
//! So no link is spent twice, and no password that was acknowledged is lost. What the next start
//! writes is written only if the account is still as it was when the link was minted.

use std::time::SystemTime;

use mcp_identity::{SessionId, TokenHash};
use mcp_store::{
    EditRejection, LetterClaim, LetterMatter, LoginSession, MOST_LETTERS, Minting, QueuedLetter,
    ResetLook, SessionSelector, SpendRejection, Spending, Spent, StoreError, StoreErrorKind,
    StoredHash, UserEdit, UserRecord,
};

use super::{Clerk, keep};
use crate::fault::down;
use crate::state::{AccountKey, Durability, KeptReset, Tables};

impl Clerk {
    pub(in crate::accounts) fn ask_letter(
        &self,
        matter: &LetterMatter,
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let change = self.state.begin(Durability::Full)?;
        if !change.tables().ask(matter, now)? {
            let fault = format!("{MOST_LETTERS} letters wait to be sent");
            return Err(down(self.state.path(), fault));
        }
        change.commit()
    }

    pub(in crate::accounts) fn claim_letter(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<Option<QueuedLetter>, StoreError> {
        // Asked for again and again: who finds nothing need not hold up others.
        if !self.state.tables()?.is_any_due(now)? {
            return Ok(None);
        }
        let change = self.state.begin(Durability::Full)?;
        let taken = change.tables().claim(now, until)?;
        change.commit()?;
        Ok(taken)
    }

    pub(in crate::accounts) fn postpone_letter(
        &self,
        claim: LetterClaim,
        due: SystemTime,
    ) -> Result<bool, StoreError> {
        let change = self.state.begin(Durability::Full)?;
        let is_ours = change.tables().postpone(claim, due)?;
        change.commit()?;
        Ok(is_ours)
    }

    pub(in crate::accounts) fn finish_letter(
        &self,
        claim: LetterClaim,
    ) -> Result<bool, StoreError> {
        let change = self.state.begin(Durability::Full)?;
        let is_ours = change.tables().finish(claim)?;
        change.commit()?;
        Ok(is_ours)
    }

    pub(in crate::accounts) fn mint_reset(
        &mut self,
        minting: &Minting,
    ) -> Result<Option<UserRecord>, StoreError> {
        let change = self.state.begin(Durability::Full)?;
        let found = self.roll.find_fresh_by(&minting.whom)?;
        let Some(record) = found.filter(|record| record.enabled) else { return Ok(None) };
        let reset = KeptReset::new(&record, minting.hash, minting.expires_at);
        change.tables().mint(&reset, minting.now)?;
        change.commit()?;
        Ok(Some(record))
    }

    pub(in crate::accounts) fn look_at_reset(
        &mut self,
        hash: TokenHash,
        now: SystemTime,
    ) -> Result<ResetLook, StoreError> {
        let found = self.state.tables()?.reset(hash)?;
        let Some(reset) = found.filter(|reset| !reset.spent) else { return Ok(ResetLook::Invalid) };
        let record = self.roll.find_fresh(&reset.user)?;
        Ok(match record.map(|record| judge(&reset, &record, now)) {
            Some(Ok(())) => ResetLook::Valid { user: reset.user, expires_at: reset.expires_at },
            Some(Err(SpendRejection::Expired)) => ResetLook::Expired,
            Some(Err(SpendRejection::Store(error))) => return Err(error),
            Some(Err(SpendRejection::Invalid | SpendRejection::Changed)) | None => {
                ResetLook::Invalid
            }
        })
    }

    pub(in crate::accounts) fn spend_reset(
        &mut self,
        spending: &Spending,
    ) -> Result<Spent, SpendRejection> {
        let change = self.state.begin(Durability::Full)?;
        let reset = change.tables().reset(spending.hash)?.filter(|reset| !reset.spent);
        let reset = reset.ok_or(SpendRejection::Invalid)?;
        let edit = setting(&spending.password);
        let mut spent = Err(SpendRejection::Invalid);
        let written = self.roll.users.edit_if_now(&reset.user, &edit, |record| {
            spent = judge(&reset, record, spending.now).and_then(|()| {
                let ended = spend(&change.tables(), &reset, record, spending)?;
                change.commit()?;
                Ok(ended)
            });
            spent.is_ok()
        });
        let mut ended = match (spent, &written) {
            (Ok(ended), _) => ended,
            (Err(SpendRejection::Invalid), Err(EditRejection::Store(error))) => {
                return Err(error.clone().into());
            }
            (Err(rejection), _) => return Err(rejection),
        };
        let outcome = match written {
            Ok(Some(record)) => {
                self.settle(&reset, spending, &mut ended)?;
                self.tell_user(&reset.user);
                Ok(record)
            }
            Ok(None) => Err(SpendRejection::Invalid),
            Err(rejection) => Err(self.give_back_link(&reset, rejection)),
        };
        self.tell_ended(&ended);
        let ended: Vec<SessionId> = ended.into_iter().map(|session| session.id).collect();
        outcome.map(|record| Spent { record, ended })
    }

    /// The users file has it: nothing is to be written any more, and whoever logged in with the
    /// old password while it was written does not stay.
    fn settle(
        &self,
        reset: &KeptReset,
        spending: &Spending,
        ended: &mut Vec<LoginSession>,
    ) -> Result<(), StoreError> {
        let change = self.state.begin(Durability::Full)?;
        let tables = change.tables();
        tables.settle_reset(reset.hash)?;
        tables.forget_past(&reset.account, spending.past)?;
        if spending.end_sessions {
            ended.extend(tables.end(&SessionSelector::OfUser(reset.user.clone(), None))?);
        }
        change.commit()
    }

    /// The users file did not take it.
    fn give_back_link(&self, reset: &KeptReset, rejection: EditRejection) -> SpendRejection {
        let error = match rejection {
            EditRejection::NotFound | EditRejection::EmailTaken | EditRejection::LastAdmin => {
                return SpendRejection::Invalid;
            }
            EditRejection::Store(error) => error,
        };
        // What is perhaps not on disk is written again by the next start, if it is not.
        if error.kind != StoreErrorKind::NotDurable {
            let given_back = self.state.begin(Durability::Full).and_then(|change| {
                change.tables().unspend(reset.hash)?;
                change.commit()
            });
            if let Err(error) = given_back {
                tracing::warn!(error = %error, "A link stays spent whose password was not set yet");
            }
        }
        SpendRejection::Store(error)
    }

    /// Writes the passwords that a crash kept from the users file.
    pub(in crate::accounts) fn finish_resets(&self) -> Result<(), StoreError> {
        for reset in self.state.tables()?.pending_resets()? {
            let Some(edit) = reset.pending.as_ref().map(setting) else { continue };
            let same = |record: &UserRecord| reset.holds_for(record);
            match self.roll.users.edit_if_now(&reset.user, &edit, same) {
                Ok(None)
                | Err(
                    EditRejection::NotFound | EditRejection::EmailTaken | EditRejection::LastAdmin,
                ) => {}
                Ok(Some(_)) => {
                    tracing::info!(
                        user.name = %reset.user,
                        "Set a password by a link that was spent when the server stopped"
                    );
                    self.tell_user(&reset.user);
                }
                Err(EditRejection::Store(error)) => return Err(error),
            }
            let change = self.state.begin(Durability::Full)?;
            change.tables().settle_reset(reset.hash)?;
            change.commit()?;
        }
        Ok(())
    }
}

/// Its owner has just chosen it: nobody need change it.
fn setting(password: &StoredHash) -> UserEdit {
    UserEdit {
        password: Some(password.clone()),
        must_change_password: Some(false),
        ..UserEdit::default()
    }
}

fn judge(reset: &KeptReset, record: &UserRecord, now: SystemTime) -> Result<(), SpendRejection> {
    if !reset.holds_for(record) {
        return Err(SpendRejection::Invalid);
    }
    if reset.expires_at <= now { Err(SpendRejection::Expired) } else { Ok(()) }
}

/// All that the database does about it, while the account is as in `record`; the sessions that end.
fn spend(
    tables: &Tables<'_>,
    reset: &KeptReset,
    record: &UserRecord,
    spending: &Spending,
) -> Result<Vec<LoginSession>, SpendRejection> {
    let gone = &record.password;
    if spending.checked.as_ref().is_some_and(|checked| checked != gone) {
        return Err(SpendRejection::Changed);
    }
    if spending.past > 0 && spending.password != *gone {
        tables.remember(&reset.account, gone)?;
    }
    if !tables.spend(reset.hash, &spending.password)? {
        return Err(SpendRejection::Invalid);
    }
    unlock(tables, &reset.account)?;
    if spending.confirm {
        // A link is spent, whether or not there is room for word of it.
        tables.ask(&LetterMatter::PasswordReset(reset.user.clone()), spending.now)?;
    }
    if !spending.end_sessions {
        return Ok(Vec::new());
    }
    Ok(tables.end(&SessionSelector::OfUser(reset.user.clone(), None))?)
}

fn unlock(tables: &Tables<'_>, account: &AccountKey) -> Result<(), StoreError> {
    let before = tables.kept(account)?;
    let mut lockout = before.lockout(Vec::new());
    lockout.unlock();
    keep(tables, account, &before, &before.with(&lockout))
}
