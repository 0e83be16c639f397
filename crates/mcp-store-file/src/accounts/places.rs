//! Places of attempts in flight. They are in memory: of what was in flight nothing is left after
//! a restart, and nobody but this process could settle them.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::state::AccountKey;

/// The places that are held, account by account. As many as the limit of failures lets.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<AccountKey, Vec<SystemTime>>);

impl Places {
    pub(super) fn of(&self, account: &AccountKey) -> Vec<SystemTime> {
        self.0.get(account).cloned().unwrap_or_default()
    }

    pub(super) fn hold(&mut self, account: &AccountKey, places: Vec<SystemTime>) {
        if places.is_empty() {
            self.0.remove(account);
        } else {
            self.0.insert(account.clone(), places);
        }
    }

    /// Forgets those of every account that `stays` does not name.
    pub(super) fn retain(&mut self, stays: impl Fn(&AccountKey) -> bool) {
        self.0.retain(|account, _| stays(account));
    }
}
