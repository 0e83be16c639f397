//! Word that something is worth reading again.

use mcp_identity::{SessionId, TokenId, UserName};
use tokio::sync::broadcast;

/// What to read again, never what is true: losing, repeating or reordering one does no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The token of that id was made, changed or removed.
    Token(TokenId),
    /// The account of that name was made, changed or removed.
    User(UserName),
    /// The login session of that id was opened or ended.
    Session(SessionId),
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

    /// The next change, if one was told already. Never waits.
    pub fn told(&mut self) -> Option<Change> {
        match self.0.try_recv() {
            Ok(change) => Some(change),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Change::Everything),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                None
            }
        }
    }

    /// Forgets what was told and not yet heard. For whoever is about to read everything anyway:
    /// skip first, then read, and a change made in between is told again.
    pub fn skip(&mut self) {
        self.0 = self.0.resubscribe();
    }
}

#[cfg(test)]
mod tests {
    use mcp_identity::TokenId;

    use super::{Change, ChangeSender};

    fn id(text: &str) -> TokenId {
        TokenId::parse(text).unwrap()
    }

    #[tokio::test]
    async fn who_lags_is_told_to_read_everything() {
        let sender = ChangeSender::new();
        let mut changes = sender.listen();
        for n in 0..2_000 {
            sender.tell(Change::Token(id(&format!("token-{n}"))));
        }
        assert_eq!(changes.next().await, Some(Change::Everything));
    }

    #[tokio::test]
    async fn what_was_skipped_is_not_told_and_what_comes_after_is() {
        let sender = ChangeSender::new();
        let mut changes = sender.listen();
        sender.tell(Change::Everything);
        changes.skip();
        sender.tell(Change::Token(id("token-1")));
        assert_eq!(changes.next().await, Some(Change::Token(id("token-1"))));
    }

    #[test]
    fn what_was_told_is_taken_without_a_wait() {
        let sender = ChangeSender::new();
        let mut changes = sender.listen();
        assert_eq!(changes.told(), None);
        sender.tell(Change::Token(id("token-1")));
        assert_eq!(changes.told(), Some(Change::Token(id("token-1"))));
        for _ in 0..2_000 {
            sender.tell(Change::Token(id("token-1")));
        }
        assert_eq!(changes.told(), Some(Change::Everything));
        drop(sender);
        while changes.told().is_some() {}
    }

    #[tokio::test]
    async fn changes_end_with_their_store() {
        let sender = ChangeSender::new();
        let mut changes = sender.listen();
        drop(sender);
        assert_eq!(changes.next().await, None);
    }
}
