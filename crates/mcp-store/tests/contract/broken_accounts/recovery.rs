//! Letters and links in memory, with one fault.

use std::time::{Duration, SystemTime};

use mcp_identity::TokenHash;
use mcp_store::{
    AccountStore as _, BoxFuture, EditRejection, FARTHEST, LetterClaim, LetterMatter, Minting,
    QueuedLetter, RecoveryStore, ResetLook, SpendRejection, Spending, Spent, StoreError, UserEdit,
    UserRecord, Whom,
};

use super::{BrokenAccounts, Fault};

/// What this store knows of links beside the one that keeps its promises.
#[derive(Default)]
pub(super) struct Links {
    minted: Vec<(TokenHash, ResetLook)>,
    looked_at: Vec<TokenHash>,
    spent: Vec<(TokenHash, Spent)>,
}

impl BrokenAccounts {
    async fn claim(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<Option<QueuedLetter>, StoreError> {
        let taken = self.kept.claim_letter(now, until).await?;
        if let Some(letter) = &taken {
            if self.has(Fault::GivesOneLetterToAll) {
                self.kept.postpone_letter(letter.claim, now).await?;
            }
            let is_far = letter.asked_at > now + FARTHEST;
            if self.has(Fault::KeepsLettersOfTomorrow) && is_far {
                return Ok(None);
            }
        }
        Ok(taken)
    }

    async fn mint(&self, minting: Minting) -> Result<Option<UserRecord>, StoreError> {
        let Minting { whom, hash, expires_at, .. } = minting.clone();
        let accounts = self.kept.accounts().await?;
        let meant = accounts.into_iter().map(|account| account.record).find(|it| whom.is(it));
        if let (Whom::Address(address), Some(record)) = (&whom, &meant)
            && self.has(Fault::FindsAddressesWithCase)
            && record.email.as_deref() != Some(address)
        {
            return Ok(None);
        }
        let minted = self.kept.mint_reset(minting).await?;
        if let Some(record) = &minted {
            let look = ResetLook::Valid { user: record.name.clone(), expires_at };
            let mut links = self.links.lock().unwrap();
            if !self.has(Fault::KeepsOlderLinks) {
                links.minted.retain(|(_, known)| match known {
                    ResetLook::Valid { user, .. } => *user != record.name,
                    ResetLook::Invalid | ResetLook::Expired => true,
                });
            }
            links.minted.push((hash, look));
        }
        let disabled = meant.filter(|_| self.has(Fault::MintsForTheDisabled));
        Ok(minted.or(disabled))
    }

    async fn look(&self, hash: TokenHash, now: SystemTime) -> Result<ResetLook, StoreError> {
        let late = Duration::from_secs(u64::from(self.has(Fault::ExpiresLinksLate)));
        let look = self.kept.look_at_reset(hash, now - late).await?;
        let mut links = self.links.lock().unwrap();
        let seen = links.looked_at.contains(&hash);
        links.looked_at.push(hash);
        let known = links.minted.iter().find(|(minted, _)| *minted == hash);
        let known = known.map(|(_, look)| look.clone());
        let is_spent = links.spent.iter().any(|(spent, _)| *spent == hash);
        Ok(match (look, known) {
            (ResetLook::Valid { .. }, _) if seen && self.has(Fault::SpendsByLooking) => {
                ResetLook::Invalid
            }
            (ResetLook::Expired, _) if self.has(Fault::TellsNoEnd) => ResetLook::Invalid,
            (ResetLook::Invalid, Some(known)) if !is_spent => match known {
                ResetLook::Valid { expires_at, .. } if expires_at <= now => {
                    if self.has(Fault::RemembersForEver) {
                        ResetLook::Expired
                    } else {
                        ResetLook::Invalid
                    }
                }
                known if self.has(Fault::KeepsOlderLinks) => known,
                known if self.has(Fault::KeepsLinksOfChanged) => known,
                _ => ResetLook::Invalid,
            },
            (look, _) => look,
        })
    }

    async fn spend(&self, mut spending: Spending) -> Result<Spent, SpendRejection> {
        spending.end_sessions |= self.has(Fault::EndsSessionsAnyway);
        spending.end_sessions &= !self.has(Fault::EndsNoSessions);
        if self.has(Fault::SpendsWithoutMemory) {
            spending.past = 0;
        }
        if self.has(Fault::SpendsOverOthers) {
            spending.checked = None;
        }
        spending.confirm |= self.has(Fault::ConfirmsAnyway);
        spending.confirm &= !self.has(Fault::ConfirmsNothing);
        let hash = spending.hash;
        let look = self.kept.look_at_reset(hash, spending.now).await?;
        if let ResetLook::Valid { user, .. } = &look {
            let before = self.kept.find_account(user).await?;
            if self.has(Fault::KeepsLocks) {
                self.deleted.lock().unwrap().extend(before);
            }
        }
        if self.has(Fault::LooksBeforeItSpends) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let spent = self.kept.spend_reset(spending).await;
        match &spent {
            Ok(done) => {
                self.links.lock().unwrap().spent.push((hash, done.clone()));
                if self.has(Fault::AsksForAnother) {
                    let edit = UserEdit { must_change_password: Some(true), ..UserEdit::default() };
                    let asked = self.kept.edit_account(&done.record.name, edit).await;
                    asked.map_err(|fault| match fault {
                        EditRejection::Store(fault) => SpendRejection::Store(fault),
                        EditRejection::NotFound
                        | EditRejection::EmailTaken
                        | EditRejection::LastAdmin => SpendRejection::Invalid,
                    })?;
                }
            }
            Err(SpendRejection::Invalid) => {
                let seemed_good = matches!(look, ResetLook::Valid { .. });
                let again = self.has(Fault::SpendsAgain)
                    || self.has(Fault::LooksBeforeItSpends) && seemed_good;
                let links = self.links.lock().unwrap();
                let before = links.spent.iter().find(|(known, _)| *known == hash);
                if let Some((_, done)) = before.filter(|_| again) {
                    return Ok(done.clone());
                }
            }
            Err(SpendRejection::Expired | SpendRejection::Changed | SpendRejection::Store(_)) => {}
        }
        spent
    }
}

impl RecoveryStore for BrokenAccounts {
    fn ask_letter(
        &self,
        matter: LetterMatter,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        if self.has(Fault::LosesLetters) {
            return Box::pin(async { Ok(()) });
        }
        self.kept.ask_letter(matter, now)
    }

    fn claim_letter(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> BoxFuture<'_, Result<Option<QueuedLetter>, StoreError>> {
        Box::pin(self.claim(now, until))
    }

    fn postpone_letter(
        &self,
        claim: LetterClaim,
        due: SystemTime,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        let late = self.has(Fault::LetsTheLatePutOff);
        Box::pin(async move { Ok(self.kept.postpone_letter(claim, due).await? || late) })
    }

    fn finish_letter(&self, claim: LetterClaim) -> BoxFuture<'_, Result<bool, StoreError>> {
        let late = self.has(Fault::LetsTheLateFinish);
        Box::pin(async move { Ok(self.kept.finish_letter(claim).await? || late) })
    }

    fn mint_reset(
        &self,
        minting: Minting,
    ) -> BoxFuture<'_, Result<Option<UserRecord>, StoreError>> {
        Box::pin(self.mint(minting))
    }

    fn look_at_reset(
        &self,
        hash: TokenHash,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<ResetLook, StoreError>> {
        Box::pin(self.look(hash, now))
    }

    fn spend_reset(&self, spending: Spending) -> BoxFuture<'_, Result<Spent, SpendRejection>> {
        Box::pin(self.spend(spending))
    }
}
