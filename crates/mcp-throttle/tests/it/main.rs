//! What the throttle promises: sentences first, then generated histories against naive models.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod limiter;
mod limiter_model;
mod lockout;
mod lockout_model;
mod memory;
mod virtual_lockouts;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, SystemTime};

use mcp_throttle::{Admission, Guess, LockoutPolicy, Quota, RateLimiter, Refusal};

const MINUTE: Duration = Duration::from_mins(1);
const WINDOW: Duration = Duration::from_mins(15);

/// So many seconds after the tests' beginning of time.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn limiter(attempts: u32, keys: usize) -> RateLimiter<u32> {
    RateLimiter::new(quota(attempts), NonZeroUsize::new(keys).unwrap())
}

fn quota(attempts: u32) -> Quota {
    Quota { attempts: NonZeroU32::new(attempts).unwrap(), window: WINDOW }
}

fn policy(limit: u32, minutes: u64) -> LockoutPolicy {
    LockoutPolicy {
        limit: NonZeroU32::new(limit),
        duration: (minutes > 0).then(|| Duration::from_mins(minutes)),
        hold: Duration::from_secs(40),
    }
}

/// A guess that is allowed and begun.
fn guess(limiter: &RateLimiter<u32>, key: u32, now: SystemTime) -> Guess<u32> {
    match limiter.reserve(key, now) {
        Admission::Reserved(place) => place.begin(),
        other => panic!("not admitted: {other:?}"),
    }
}

fn fail(limiter: &RateLimiter<u32>, key: u32, times: u32, now: SystemTime) {
    for _ in 0..times {
        guess(limiter, key, now).was_wrong(now);
    }
}

fn refusal(limiter: &RateLimiter<u32>, key: u32, now: SystemTime) -> Option<Refusal> {
    match limiter.reserve(key, now) {
        Admission::Refused(refusal) => Some(refusal),
        Admission::Reserved(_) | Admission::Wait => None,
    }
}

fn waits(limiter: &RateLimiter<u32>, key: u32, now: SystemTime) -> bool {
    matches!(limiter.reserve(key, now), Admission::Wait)
}
