//! A place in the book of a rate limiter, and what becomes of it.

use std::fmt;
use std::time::SystemTime;

use crate::limiter::RateLimiter;

/// What a place turns into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Nothing,
    Failure,
}

/// A place for an attempt that has not begun.
///
/// Dropped, it is given back and nothing has happened: the queue was full, the store was down,
/// the client left while waiting.
#[derive(Debug)]
#[must_use = "dropping a reservation gives the place back"]
pub struct Reservation<K: Ord + Clone>(Place<K>);

/// An attempt that has begun. It belongs to the job that does the checking, not to the client who
/// may leave.
///
/// Dropped without a word, it is a failure: an attempt that can be cut off before it counts is
/// not limited at all. A job that panics or is cancelled falls under that too; so does a part that
/// turns out to be down, which is why what can be down is asked before [`Reservation::begin`], or
/// the guess is told that it [`fell_through`](Guess::fell_through).
#[derive(Debug)]
#[must_use = "dropping a guess counts it as wrong"]
pub struct Guess<K: Ord + Clone>(Place<K>);

impl<K: Ord + Clone> Reservation<K> {
    pub(crate) fn new(limiter: RateLimiter<K>, key: K) -> Self {
        Self(Place { limiter, key: Some(key), ending: Ending::Nothing })
    }

    /// From here on the secret is being looked at.
    pub fn begin(self) -> Guess<K> {
        let Self(mut place) = self;
        place.ending = Ending::Failure;
        Guess(place)
    }
}

impl<K: Ord + Clone> Guess<K> {
    /// It was right: the place is free again. Earlier failures of the key stay, or one good
    /// password would buy any number of guesses at others.
    pub fn was_right(self) {
        self.end(Ending::Nothing);
    }

    /// It was wrong, known `now`: the window of this failure begins here.
    pub fn was_wrong(self, now: SystemTime) {
        self.0.limiter.pass(now);
        self.end(Ending::Failure);
    }

    /// A part was down and the question stays open. Nothing is counted; only for what the caller
    /// cannot bring about.
    pub fn fell_through(self) {
        self.end(Ending::Nothing);
    }

    fn end(mut self, ending: Ending) {
        self.0.ending = ending;
    }
}

struct Place<K: Ord + Clone> {
    limiter: RateLimiter<K>,
    /// There until the drop takes it.
    key: Option<K>,
    ending: Ending,
}

impl<K: Ord + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.limiter.settle(key, self.ending);
        }
    }
}

impl<K: Ord + Clone> fmt::Debug for Place<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(…)")
    }
}
