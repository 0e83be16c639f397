//! Places for connections: so many and no more, first come, first served.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections may exist for one purpose: of a database, of one user on it.
#[derive(Debug)]
pub(crate) struct Places {
    /// Fair: whoever waits longest is next.
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Held for as long as its connection exists.
pub(crate) type Place = OwnedSemaphorePermit;

impl Places {
    pub(crate) fn new(count: NonZeroUsize) -> Self {
        // A semaphore holds fewer than a machine word; no configuration comes near.
        let count = count.get().min(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(count)), waiting: AtomicUsize::new(0) }
    }

    /// A place for one more connection. If none is free, `make_room` may close one that nobody
    /// uses; then this waits. `None`: there will never be one again.
    pub(crate) async fn take(&self, make_room: impl FnOnce()) -> Option<Place> {
        if let Ok(place) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(place);
        }
        // Counted before the look at what lies idle: a connection that comes back in between sees
        // one or the other.
        let _waiting = Waiting::count(&self.waiting);
        make_room();
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Is somebody waiting for a place? Then nothing goes back to lie idle on one.
    pub(crate) fn is_contended(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }
}

/// Counts one who waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn count(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
