//! The reading half: is this token good?

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use mcp_identity::{Clock, CredentialFault, Denial, Principal, TokenHash};
use mcp_store::{StoreError, TokenStore};
use tokio::sync::{mpsc, oneshot};

use crate::index::Index;
use crate::keeper::Keeper;

/// Somebody waits for the index to be as the store is.
pub(crate) type Refresh = oneshot::Sender<Result<(), StoreError>>;

/// Tells good tokens from others. Cheap to clone; every clone reads the same index.
#[derive(Clone)]
pub struct Auth {
    index: Arc<Index>,
    refreshes: mpsc::Sender<Refresh>,
}

impl Auth {
    /// The longest token that is looked at, in bytes. A longer one is unknown, and not hashed.
    pub const MAX_TOKEN_BYTES: usize = 512;

    /// Loads every token, and returns the two halves. Nobody is let in unless the keeper lives:
    /// run it, or `Auth` refuses everyone from the moment it is dropped.
    ///
    /// # Errors
    /// [`StoreError`] when the tokens cannot be read as a whole; there is no last good data yet.
    pub async fn open(
        store: Arc<dyn TokenStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Keeper), StoreError> {
        let index = Arc::new(Index::closed());
        // Few wait at once: those who make changes. More of them wait for a place in the queue.
        let (refreshes, asked) = mpsc::channel(16);
        let keeper = Keeper::open(store, clock, Arc::clone(&index), asked).await?;
        Ok((Self { index, refreshes }, keeper))
    }

    /// Whose token this is, if it holds at `now`.
    ///
    /// # Errors
    /// [`Denial::BadCredential`]: unknown, expired by its record (swept or not), or, when the
    /// keeper has stopped, ended. Clients must not see the difference.
    pub fn bearer(&self, presented: &[u8], now: SystemTime) -> Result<Arc<Principal>, Denial> {
        if presented.len() > Self::MAX_TOKEN_BYTES {
            return Err(Denial::BadCredential(CredentialFault::Unknown));
        }
        let hash = TokenHash::of_presented(presented);
        self.index.look_up(hash, now).map_err(Denial::BadCredential)
    }

    /// Waits until every change that the store held before this call is in force here: what the
    /// process that made a change does before it says that it is done.
    ///
    /// # Errors
    /// [`RefreshError`]: the store could not be read (the last good data stays, and the keeper
    /// tries again by itself), or the keeper has stopped (everyone is refused).
    pub async fn refresh(&self) -> Result<(), RefreshError> {
        let (asked, answer) = oneshot::channel();
        self.refreshes.send(asked).await.map_err(|_| RefreshError::Stopped)?;
        answer.await.map_err(|_| RefreshError::Stopped)?.map_err(RefreshError::Store)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// Why it is not known whether a change is in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The keeper has stopped. Nothing is in force: everyone is refused.
    #[error("the keeper of the tokens has stopped")]
    Stopped,
    /// The store could not be read.
    #[error(transparent)]
    Store(StoreError),
}
