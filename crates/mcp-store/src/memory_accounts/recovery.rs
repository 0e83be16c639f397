//! Letters to be sent, and links for a new password.

use std::time::SystemTime;

use mcp_identity::{SessionId, TokenHash, UserName};

use super::{Kept, MemoryAccounts};
use crate::account::{SessionSelector, UserRecord};
use crate::recovery_store::{
    FARTHEST, LetterClaim, LetterMatter, MOST_LETTERS, Minting, QueuedLetter, REMEMBERED,
    RecoveryStore, ResetLook, SpendRejection, Spending, Spent, reset_seal,
};
use crate::token_store::{BoxFuture, StoreError, StoreErrorKind};

/// A letter that waits.
#[derive(Debug)]
pub(super) struct Letter {
    claim: LetterClaim,
    matter: LetterMatter,
    asked_at: SystemTime,
    due: SystemTime,
}

/// A link, by the hash of its secret.
#[derive(Debug)]
pub(super) struct Reset {
    hash: TokenHash,
    user: UserName,
    /// The account: another of its name was made at another time.
    made: SystemTime,
    seal: TokenHash,
    expires_at: SystemTime,
    spent: bool,
}

impl Letter {
    fn is_due(&self, now: SystemTime) -> bool {
        let farthest = now.checked_add(FARTHEST);
        self.due <= now || farthest.is_some_and(|farthest| self.due > farthest)
    }
}

impl Reset {
    fn holds_for(&self, record: &UserRecord) -> bool {
        record.name == self.user
            && record.created_at == self.made
            && record.enabled
            && reset_seal(record) == self.seal
    }
}

impl Kept {
    fn ask(&mut self, matter: LetterMatter, now: SystemTime) -> Result<(), StoreError> {
        if self.letters.len() >= MOST_LETTERS {
            return Err(too_many_letters());
        }
        self.last_letter += 1;
        let claim = LetterClaim { letter: self.last_letter, attempt: 0 };
        self.letters.push(Letter { claim, matter, asked_at: now, due: now });
        Ok(())
    }

    fn claim(&mut self, now: SystemTime, until: SystemTime) -> Option<QueuedLetter> {
        let due = self.letters.iter_mut().filter(|letter| letter.is_due(now));
        let letter = due.min_by_key(|letter| (letter.due, letter.claim.letter))?;
        letter.claim.attempt += 1;
        letter.due = until;
        let Letter { claim, matter, asked_at, due: _ } = letter;
        Some(QueuedLetter { claim: *claim, matter: matter.clone(), asked_at: *asked_at })
    }

    fn postpone(&mut self, claim: LetterClaim, due: SystemTime) -> bool {
        let letter = self.letters.iter_mut().find(|letter| letter.claim == claim);
        letter.map(|letter| letter.due = due).is_some()
    }

    fn finish(&mut self, claim: LetterClaim) -> bool {
        self.letters.extract_if(.., |letter| letter.claim == claim).next().is_some()
    }

    fn mint(&mut self, minting: Minting) -> Option<UserRecord> {
        let Minting { whom, hash, now, expires_at } = minting;
        let mut accounts = self.accounts.iter();
        let found = accounts.find(|account| account.record.enabled && whom.is(&account.record))?;
        let record = found.record.clone();
        let forgotten = now.checked_sub(REMEMBERED);
        self.resets.retain(|reset| {
            let is_void = reset.user == record.name && !reset.spent;
            !is_void && forgotten.is_none_or(|forgotten| reset.expires_at > forgotten)
        });
        self.resets.push(Reset {
            hash,
            user: record.name.clone(),
            made: record.created_at,
            seal: reset_seal(&record),
            expires_at,
            spent: false,
        });
        Some(record)
    }

    /// The link and the place of its account, if it holds.
    fn look_up(&self, hash: TokenHash, now: SystemTime) -> Result<(&Reset, usize), SpendRejection> {
        let reset = self.resets.iter().find(|reset| reset.hash == hash && !reset.spent);
        let reset = reset.ok_or(SpendRejection::Invalid)?;
        let mut accounts = self.accounts.iter();
        let place = accounts.position(|account| reset.holds_for(&account.record));
        let place = place.ok_or(SpendRejection::Invalid)?;
        if reset.expires_at <= now {
            return Err(SpendRejection::Expired);
        }
        Ok((reset, place))
    }

    fn look(&self, hash: TokenHash, now: SystemTime) -> Result<ResetLook, StoreError> {
        match self.look_up(hash, now) {
            Ok((reset, _)) => {
                Ok(ResetLook::Valid { user: reset.user.clone(), expires_at: reset.expires_at })
            }
            Err(SpendRejection::Invalid | SpendRejection::Changed) => Ok(ResetLook::Invalid),
            Err(SpendRejection::Expired) => Ok(ResetLook::Expired),
            Err(SpendRejection::Store(error)) => Err(error),
        }
    }

    fn spend(&mut self, spending: Spending) -> Result<Spent, SpendRejection> {
        let Spending { hash, checked, password, past, now, end_sessions, confirm } = spending;
        let (_, place) = self.look_up(hash, now)?;
        let gone = self.accounts[place].record.password.clone();
        if checked.is_some_and(|checked| checked != gone) {
            return Err(SpendRejection::Changed);
        }
        let name = self.accounts[place].record.name.clone();
        if confirm {
            // A link is spent, whether or not there is room for word of it.
            let _ = self.ask(LetterMatter::PasswordReset(name.clone()), now);
        }
        for reset in self.resets.iter_mut().filter(|reset| reset.hash == hash) {
            reset.spent = true;
        }
        if gone != password {
            self.remember(&name, gone, past);
        }
        let account = &mut self.accounts[place];
        account.record.password = password;
        account.record.must_change_password = false;
        account.lockout.unlock();
        let record = account.record.clone();
        let ended =
            if end_sessions { self.end(&SessionSelector::OfUser(name, None)) } else { Vec::new() };
        Ok(Spent { record, ended: ended.into_iter().map(|session| session.id).collect() })
    }
}

impl MemoryAccounts {
    fn spend_now(&self, spending: Spending) -> Result<Spent, SpendRejection> {
        let spent = self.kept().spend(spending)?;
        self.tell_user(&spent.record.name);
        self.tell_sessions(spent.ended.iter().collect::<Vec<&SessionId>>());
        Ok(spent)
    }
}

fn too_many_letters() -> StoreError {
    StoreError {
        place: "accounts in memory".to_owned(),
        fault: format!("{MOST_LETTERS} letters wait to be sent"),
        hint: None,
        kind: StoreErrorKind::Down,
    }
}

impl RecoveryStore for MemoryAccounts {
    fn ask_letter(
        &self,
        matter: LetterMatter,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.kept().ask(matter, now) })
    }

    fn claim_letter(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> BoxFuture<'_, Result<Option<QueuedLetter>, StoreError>> {
        Box::pin(async move { Ok(self.kept().claim(now, until)) })
    }

    fn postpone_letter(
        &self,
        claim: LetterClaim,
        due: SystemTime,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.kept().postpone(claim, due)) })
    }

    fn finish_letter(&self, claim: LetterClaim) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.kept().finish(claim)) })
    }

    fn mint_reset(
        &self,
        minting: Minting,
    ) -> BoxFuture<'_, Result<Option<UserRecord>, StoreError>> {
        Box::pin(async { Ok(self.kept().mint(minting)) })
    }

    fn look_at_reset(
        &self,
        hash: TokenHash,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<ResetLook, StoreError>> {
        Box::pin(async move { self.kept().look(hash, now) })
    }

    fn spend_reset(&self, spending: Spending) -> BoxFuture<'_, Result<Spent, SpendRejection>> {
        Box::pin(async { self.spend_now(spending) })
    }
}
