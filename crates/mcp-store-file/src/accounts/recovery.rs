//! The accounts as a store of letters to be sent and of links for a new password.

use std::time::SystemTime;

use mcp_identity::TokenHash;
use mcp_store::{
    BoxFuture, LetterClaim, LetterMatter, Minting, QueuedLetter, RecoveryStore, ResetLook,
    SpendRejection, Spending, Spent, StoreError, UserRecord,
};

use super::FileAccounts;

impl RecoveryStore for FileAccounts {
    fn ask_letter(
        &self,
        matter: LetterMatter,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.ask_letter(&matter, now)))
    }

    fn claim_letter(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> BoxFuture<'_, Result<Option<QueuedLetter>, StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.claim_letter(now, until)))
    }

    fn postpone_letter(
        &self,
        claim: LetterClaim,
        due: SystemTime,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.postpone_letter(claim, due)))
    }

    fn finish_letter(&self, claim: LetterClaim) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.finish_letter(claim)))
    }

    fn mint_reset(
        &self,
        minting: Minting,
    ) -> BoxFuture<'_, Result<Option<UserRecord>, StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.mint_reset(&minting)))
    }

    fn look_at_reset(
        &self,
        hash: TokenHash,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<ResetLook, StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.look_at_reset(hash, now)))
    }

    fn spend_reset(&self, spending: Spending) -> BoxFuture<'_, Result<Spent, SpendRejection>> {
        Box::pin(self.ask(move |clerk| clerk.spend_reset(&spending)))
    }
}
