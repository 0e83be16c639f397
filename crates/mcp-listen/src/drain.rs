//! Word that shutdown has begun, for every connection.

use tokio::sync::watch;

/// The telling end.
#[derive(Debug)]
pub(crate) struct DrainSignal(watch::Sender<bool>);

impl DrainSignal {
    pub(crate) fn new() -> Self {
        Self(watch::channel(false).0)
    }

    pub(crate) fn begin(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn listen(&self) -> Drain {
        Drain(self.0.subscribe())
    }
}

/// The listening end.
#[derive(Clone, Debug)]
pub(crate) struct Drain(watch::Receiver<bool>);

impl Drain {
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until shutdown has begun.
    pub(crate) async fn begun(mut self) {
        // An error means that the server is gone: shutdown if ever there was one.
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}
