//! The rule of the rate limiter for one key: how many failures lie within the window.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::table::{Judge, Standing};
use crate::timeline::{NEVER, nanoseconds};

/// Up to so many failures each keeps its own time. Above, they share so many equal slices of the
/// window, and each counts until the last moment of its slice has left: never admitting more than
/// promised, forgiving late by a slice at most, and bounding the memory of a key at any quota.
const TIMES: u32 = 32;

/// How many failures a key may have, in any stretch of time of the given length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Failures within the window that refuse the next attempt. Exact up to 32; above it a
    /// failure may count for up to a 32nd of the window longer than the window.
    pub attempts: NonZeroU32,
    /// How long a failure counts, from the moment it was known to be one. Zero counts nothing.
    pub window: Duration,
}

/// Too many failures: the attempt was not looked at and counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How long until one more attempt is looked at, in whole seconds, rounded up, never zero:
    /// what `Retry-After` says (RFC 9110 §10.2.3).
    pub retry_after: Duration,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many failed attempts, try again in {} s", self.retry_after.as_secs())
    }
}

impl std::error::Error for Refusal {}

/// Why no place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// By attempts whose outcome is not known yet.
    InFlight,
    /// By failures.
    Failed(Refusal),
}

/// What is remembered of one key.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Oldest first.
    runs: Vec<Run>,
    in_flight: u32,
}

/// Failures that leave the window together.
#[derive(Clone, Copy, Debug)]
struct Run {
    at: u64,
    count: u32,
}

impl Failures {
    /// Takes a place for an attempt that is about to be made.
    pub(crate) fn reserve(&mut self, quota: &Quota, now: u64) -> Result<(), Full> {
        self.forget(quota, now);
        if let Some(free_at) = self.blocked_until(quota) {
            return Err(Full::Failed(Refusal::until(free_at, now)));
        }
        let free = u64::from(quota.attempts.get()).saturating_sub(self.count());
        if u64::from(self.in_flight) >= free {
            return Err(Full::InFlight);
        }
        self.in_flight += 1;
        Ok(())
    }

    /// Gives a place back that led to nothing.
    pub(crate) fn withdraw(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Turns a place into a failure.
    pub(crate) fn fail(&mut self, quota: &Quota, now: u64) {
        self.withdraw();
        let at = quota.slice_of(now);
        match self.runs.last_mut() {
            Some(last) if last.at >= at => last.count = last.count.saturating_add(1),
            _ => {
                self.make_room(quota);
                self.runs.push(Run { at, count: 1 });
            }
        }
    }

    /// Most keys fail once and are gone, and none has more runs than the quota allows: room for
    /// one, then doubled up to that.
    fn make_room(&mut self, quota: &Quota) {
        let length = self.runs.len();
        if length == self.runs.capacity() {
            let most = usize::try_from(quota.attempts.get().min(TIMES)).unwrap_or(length);
            self.runs.reserve_exact(most.saturating_sub(length).min(length).max(1));
        }
    }

    fn count(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.count)).sum()
    }

    fn forget(&mut self, quota: &Quota, now: u64) {
        let gone = self.runs.iter().take_while(|run| quota.end_of(run.at) <= now).count();
        self.runs.drain(..gone);
    }

    /// When so many failures will have left that one more attempt is possible; `None` if it is.
    fn blocked_until(&self, quota: &Quota) -> Option<u64> {
        let excess = (self.count() + 1).saturating_sub(u64::from(quota.attempts.get()));
        let mut left = 0;
        for run in self.runs.iter().take_while(|_| excess > 0) {
            left += u64::from(run.count);
            if left >= excess {
                return Some(quota.end_of(run.at));
            }
        }
        None
    }
}

impl Judge<Failures> for Quota {
    fn judge(&self, failures: &mut Failures, now: u64) -> Option<Standing> {
        failures.forget(self, now);
        if failures.in_flight > 0 {
            return Some(Standing::Busy(NEVER));
        }
        let last = failures.runs.last()?;
        Some(match failures.blocked_until(self) {
            Some(free_at) => Standing::Blocked(free_at),
            None => Standing::Open(self.end_of(last.at)),
        })
    }
}

impl Quota {
    /// The time that a failure of now is filed under.
    fn slice_of(&self, now: u64) -> u64 {
        if self.attempts.get() <= TIMES {
            return now;
        }
        let slice = nanoseconds(self.window).div_ceil(u64::from(TIMES)).max(1);
        now.checked_next_multiple_of(slice).unwrap_or(NEVER)
    }

    fn end_of(&self, at: u64) -> u64 {
        at.saturating_add(nanoseconds(self.window)).min(NEVER)
    }
}

impl Refusal {
    fn until(free_at: u64, now: u64) -> Self {
        let seconds = free_at.saturating_sub(now).div_ceil(1_000_000_000).max(1);
        Self { retry_after: Duration::from_secs(seconds) }
    }

    /// For whoever cannot wait for an attempt in flight: the shortest wait that can be said.
    pub(crate) fn soon() -> Self {
        Self::until(0, 0)
    }
}
