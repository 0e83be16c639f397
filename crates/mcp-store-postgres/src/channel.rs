//! Whether word of changes arrives.

use tokio::sync::watch;

/// Whether word of what other servers change arrives at once. While it does not, everything is
/// said to have changed from time to time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChannelState(watch::Receiver<bool>);

impl ChannelState {
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (teller, state) = watch::channel(false);
        (teller, Self(state))
    }

    /// Does word arrive?
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is up, or down; for ever, if its keeper ends before.
    pub async fn until(&mut self, up: bool) {
        if self.0.wait_for(|now| *now == up).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
