//! Time that stands still, although the hashing threads take theirs.

use std::sync::mpsc::{Sender, channel};

/// Keeps tokio's paused time from running ahead while the runtime waits for another thread: what
/// waits for a timer waits until the test advances the time. Lasts until it is dropped.
pub(crate) struct StillTime(#[expect(dead_code, reason = "its drop is heard")] Sender<()>);

impl StillTime {
    pub(crate) fn begin() -> Self {
        let (sender, dropped) = channel();
        // Paused time stands while something runs on a blocking thread.
        tokio::task::spawn_blocking(move || dropped.recv());
        Self(sender)
    }
}
