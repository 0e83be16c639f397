//! The rate limiter: failures by key, in any window of time.
//!
//! ```text
//!              reserve                       begin                was_wrong, dropped
//!   free place ────────▶ Reservation ──────────────────▶ Guess ─────────────────────▶ failure
//!        ▲                    │ dropped                    │ was_right                   │
//!        └────────────────────┴────────────────────────────┘                             │
//!        └───────────────────────── the window has passed ───────────────────────────────┘
//!
//!   no free place: Refused if failures fill the quota, Wait if attempts in flight are among them
//! ```

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::failures::{Failures, Full, Quota, Refusal};
use crate::reservation::{Ending, Reservation};
use crate::table::Table;
use crate::timeline::Timeline;

/// How many keys a limiter remembers unless told otherwise: a hundred thousand. Measured with
/// [`AddressKey`](crate::AddressKey): 160 bytes for a key that failed once, 310 for one with ten
/// failures, 670 for one with 32 or more; so 67 MB at the very most, and 31 at ten failures.
pub const DEFAULT_KEYS: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// Allows each key so many failures in any window of time; what succeeds costs nothing.
///
/// A handle: clones share one memory. Each call is a few microseconds under one lock, and sweeps
/// a little as it goes; there is nothing to run beside it. When the keys are as many as they may
/// be, those are forgotten first that nobody is refused for, oldest first; a key that holds a
/// place is never forgotten.
///
/// It knows nothing of other processes. `now` should be read right before each call.
pub struct RateLimiter<K> {
    memory: Arc<Mutex<Memory<K>>>,
}

/// What [`RateLimiter::reserve`] says.
#[derive(Debug)]
pub enum Admission<K: Ord + Clone> {
    /// Go ahead; the place is held until the reservation or its guess is settled or dropped.
    Reserved(Reservation<K>),
    /// Attempts in flight fill the quota, and they may all turn out good. Ask again when one of
    /// this key has ended; who cannot wait is not refused for failures but for lack of room.
    Wait,
    /// Failures fill the quota.
    Refused(Refusal),
}

struct Memory<K> {
    quota: Quota,
    timeline: Timeline,
    table: Table<K, Failures>,
}

impl<K: Ord + Clone> RateLimiter<K> {
    /// A limiter that remembers nothing yet, and at most so many keys.
    #[must_use]
    pub fn new(quota: Quota, keys: NonZeroUsize) -> Self {
        let memory = Memory { quota, timeline: Timeline::default(), table: Table::new(keys) };
        Self { memory: Arc::new(Mutex::new(memory)) }
    }

    /// Takes a place for an attempt, before it is made.
    #[must_use]
    pub fn reserve(&self, key: K, now: SystemTime) -> Admission<K> {
        let admitted = self.lock().reserve(&key, now);
        match admitted {
            Ok(()) => Admission::Reserved(Reservation::new(self.clone(), key)),
            Err(Full::InFlight) => Admission::Wait,
            Err(Full::Failed(refusal)) => Admission::Refused(refusal),
        }
    }

    /// Counts what is known to count without a long look at it: a bad bearer token, a request for
    /// a reset link. Never admits more than the quota, together with places that are held.
    ///
    /// # Errors
    /// When the quota was used up already; nothing is counted then. While it is places held by
    /// others that fill it, the wait is one second.
    pub fn count(&self, key: K, now: SystemTime) -> Result<(), Refusal> {
        let mut memory = self.lock();
        memory.reserve(&key, now).map_err(|full| match full {
            Full::InFlight => Refusal::soon(),
            Full::Failed(refusal) => refusal,
        })?;
        memory.settle(key, Ending::Failure);
        Ok(())
    }

    /// Changes the quota. What is remembered is judged by the new one, all of it at once: about a
    /// tenth of a second when the memory is full.
    pub fn update(&self, quota: Quota) {
        let memory = &mut *self.lock();
        memory.quota = quota;
        memory.table.judge_all(&memory.quota, memory.timeline.elapsed());
    }

    /// How many keys are remembered, for a gauge.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.lock().table.len()
    }

    /// Lets the time pass up to `now`, for a settlement that comes after it.
    pub(crate) fn pass(&self, now: SystemTime) {
        self.lock().timeline.advance(now);
    }

    pub(crate) fn settle(&self, key: K, ending: Ending) {
        self.lock().settle(key, ending);
    }

    fn lock(&self) -> MutexGuard<'_, Memory<K>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Clone> Memory<K> {
    fn reserve(&mut self, key: &K, now: SystemTime) -> Result<(), Full> {
        let now = self.timeline.advance(now);
        self.table.sweep(&self.quota, now);
        let mut failures = match self.table.take(key) {
            Some(failures) => failures,
            None if self.table.make_room() => Failures::default(),
            None => return Err(Full::InFlight),
        };
        let admitted = failures.reserve(&self.quota, now);
        self.table.put(key.clone(), failures, &self.quota, now);
        admitted
    }

    fn settle(&mut self, key: K, ending: Ending) {
        let now = self.timeline.elapsed();
        // A key with a place is never forgotten, so it is there.
        if let Some(mut failures) = self.table.take(&key) {
            match ending {
                Ending::Nothing => failures.withdraw(),
                Ending::Failure => failures.fail(&self.quota, now),
            }
            self.table.put(key, failures, &self.quota, now);
        }
    }
}

impl<K> Clone for RateLimiter<K> {
    fn clone(&self) -> Self {
        Self { memory: Arc::clone(&self.memory) }
    }
}

/// Says nothing of the keys: who came from where is no matter for a log.
impl<K> fmt::Debug for RateLimiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RateLimiter(…)")
    }
}
