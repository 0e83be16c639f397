//! Word that something is worth reading again.

use mcp_identity::TokenId;
use tokio::sync::broadcast;

/// What to read again, never what is true: losing, repeating or reordering one does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The token of that id was made, changed or removed.
    Token(TokenId),
    /// Anything may have changed: word was lost, or the whole file was replaced.
    Everything,
}

/// The telling end. Cheap to clone; telling never waits.
#[derive(Clone, Debug)]
pub struct ChangeSender(broadcast::Sender<Change>);

impl ChangeSender {
    /// A channel that holds up to 1,024 changes for its slowest listener; who lags further is
    /// told [`Change::Everything`].
    #[must_use]
    pub fn new() -> Self {
        Self(broadcast::channel(1024).0)
    }

    /// Tells everybody who listens. Nobody listening is fine.
    pub fn tell(&self, change: Change) {
        let _ = self.0.send(change);
    }

    /// A listener for what is told from now on.
    #[must_use]
    pub fn listen(&self) -> Changes {
        Changes(self.0.subscribe())
    }
}

impl Default for ChangeSender {
    fn default() -> Self {
        Self::new()
    }
}

/// The listening end.
#[derive(Debug)]
pub struct Changes(broadcast::Receiver<Change>);

impl Changes {
    /// The next change; `None` once the store is gone. Safe to drop while waiting.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Change::Everything),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
