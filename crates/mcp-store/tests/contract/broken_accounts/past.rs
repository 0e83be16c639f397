//! Passwords of before in memory, with one fault.

use mcp_identity::UserName;
use mcp_store::{Account, AccountStore as _, EditRejection, StoreError, StoredHash};

use super::{BrokenAccounts, Fault};

impl BrokenAccounts {
    pub(super) async fn past(
        &self,
        name: &UserName,
        most: usize,
    ) -> Result<Vec<StoredHash>, StoreError> {
        let mut past = self.kept.past_passwords(name, most).await?;
        if self.has(Fault::ForgetsThePast) {
            past.clear();
        }
        if self.has(Fault::RemembersOldestFirst) {
            past.reverse();
        }
        let odd = self.remembered.lock().unwrap();
        Ok(odd.iter().cloned().chain(past).collect())
    }

    /// How many are remembered of an edit that says so many.
    pub(super) fn past_of(&self, said: usize) -> usize {
        match said {
            0 => usize::from(self.has(Fault::RemembersUnasked)),
            some => some + usize::from(self.has(Fault::RemembersTooMuch)),
        }
    }

    /// The answer to an edit, with a fault remembered though it was refused.
    pub(super) async fn remembering(
        &self,
        name: &UserName,
        edited: Result<Account, EditRejection>,
    ) -> Result<Account, EditRejection> {
        if edited.is_err() && self.has(Fault::RemembersWhatIsRefused) {
            let there = self.kept.find_account(name).await?;
            let password = there.map(|account| account.record.password);
            self.remembered.lock().unwrap().extend(password);
        }
        edited
    }
}
