//! What an admin must not do to accounts: take away his own, or the last one.

use mcp_store::StoreError;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::person::Person;
use crate::service::{AccountService, Requester};

/// What was not done, so that somebody can still look after the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Guard {
    /// Nobody deletes his own account here.
    #[error("you cannot delete your own account")]
    OwnAccount,
    /// Nobody takes his own rights.
    #[error("you cannot take your own rights away")]
    OwnRights,
    /// There would be no admin left.
    #[error("the last admin stays")]
    LastAdmin,
}

impl Guard {
    /// A word that never changes, for the audit log.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::OwnAccount => "own_account",
            Self::OwnRights => "own_rights",
            Self::LastAdmin => "last_admin",
        }
    }
}

/// Changes that take an admin away go one after another: two that each see the other admin would
/// leave none. It holds within this process; servers that share a store do not wait for each
/// other.
pub(crate) struct Turn(Semaphore);

impl Turn {
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(1))
    }

    /// Waits for the turn, which lasts as long as what is returned. Nothing is locked: whatever
    /// takes nobody away goes on.
    pub(crate) async fn wait(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.0.acquire().await.ok()
    }
}

impl AccountService {
    /// May this account be taken away from the admins by whoever asks?
    pub(crate) async fn may_lose(
        &self,
        by: &Requester,
        person: &Person,
        own: Guard,
    ) -> Result<Option<Guard>, StoreError> {
        if by.principal.user.as_ref() == Some(&person.name) {
            return Ok(Some(own));
        }
        if !person.is_acting_admin() {
            return Ok(None);
        }
        let others = self.store.accounts().await?.into_iter();
        let mut others = others.map(|account| Person::of(account, self.now()));
        let another = others.any(|other| other.is_acting_admin() && other.name != person.name);
        Ok((!another).then_some(Guard::LastAdmin))
    }
}
