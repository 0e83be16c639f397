//! The lockout of one account: plain data and the rule that changes it.
//!
//! ```text
//!     ┌────────────────────────────────┐    failed, and the limit is reached    ┌───────────────┐
//!  ┌─▶│ open                           │ ─────────────────────────────────────▶ │ locked        │
//!  │  │   failures < limit             │                                        │   until a     │
//!  │  │   failures + places ≤ limit    │ ◀───────────────────────────────────── │   time, or    │
//!  │  └────────────────────────────────┘     its time has come, or unlock:      │   an admin    │
//!  │     │                                   no failures                        └───────────────┘
//!  └─────┘                                                                        │           ▲
//!   reserve: one place more, or Wait                                              └───────────┘
//!   failed: one failure for a place                        reserve, succeeded: Locked; failed: Ignored
//!   succeeded, unlock: no failures                         (the lock is as it was)
//!   withdrawn, or nothing heard for `hold`: the place is free
//! ```
//!
//! A store that says this in another language (SQL) locks the row, changes it in one statement,
//! and takes the time from the database. Its place is a time in an array beside the counter.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

/// When an account locks, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutPolicy {
    /// Failures in a row that lock the account. `None`: nothing is counted and nothing new is
    /// locked; a lock that stands already holds until it ends.
    pub limit: Option<NonZeroU32>,
    /// How long a lock lasts, counted from the failure that set it. `None`: until an admin
    /// unlocks.
    pub duration: Option<Duration>,
    /// How long a place is held for an attempt of which nothing more is heard, because its process
    /// died. Longer than any attempt waits and works; not zero, or no place would ever be held.
    pub hold: Duration,
}

/// What is remembered of one account. Any value is sound, however it came about: the next call
/// brings it into shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockout {
    /// Failures since the last success, unlock or end of a lock.
    pub failures: u32,
    /// When the last of them was; nothing is decided by it.
    pub last_failure: Option<SystemTime>,
    /// The lock, if one was set. It may have ended since: [`Lockout::lock_at`] says.
    pub lock: Option<Lock>,
    /// The places held, each named by the time it was taken; no two are the same. They need not
    /// survive a restart of the only process that could settle them.
    pub reserved: Vec<SystemTime>,
}

/// A lock, and how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// By itself, at this time.
    Until(SystemTime),
    /// When an admin says so. Later than any time.
    UntilUnlocked,
}

/// A place held for one attempt. It is settled once: failed, succeeded or withdrawn; else it is
/// void after the policy's `hold`.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a ticket that is not settled holds its place until it is void"]
pub struct Ticket(SystemTime);

/// What [`Lockout::reserve`] says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go ahead; settle the ticket when it is known how the attempt ended.
    Reserved(Ticket),
    /// Attempts in flight fill the limit, and they may all turn out good. Ask again when one has
    /// ended; who cannot wait is not refused for failures but for lack of room.
    Wait,
    /// The account is locked. The caller does the same work as ever and says the same as ever.
    Locked(Lock),
}

/// What a failure did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It was counted; so many in a row now.
    Counted {
        /// At least 1, below the limit.
        failures: u32,
    },
    /// It locked the account. Said of exactly one failure for each lock.
    Locks(Lock),
    /// It changed nothing: the account is locked already, or lockout is off.
    Ignored,
}

impl LockoutPolicy {
    /// A lock that only an admin ends must not fall on the last one who could: it lasts 15 minutes
    /// then, also one that was set while there were others.
    #[must_use]
    pub fn for_the_last_admin(self) -> Self {
        let duration = self.duration.unwrap_or(Duration::from_mins(15));
        Self { duration: Some(duration), ..self }
    }

    /// The end of a lock that is set now.
    fn lock_from(&self, now: SystemTime) -> Lock {
        // A time beyond the end of the clock does not come.
        let end = self.duration.and_then(|duration| now.checked_add(duration));
        end.map_or(Lock::UntilUnlocked, Lock::Until)
    }

    /// Is a place taken at that time still held? Alike on either side of now: the clock may have
    /// been set back since.
    fn holds(&self, taken: SystemTime, now: SystemTime) -> bool {
        let age = now.duration_since(taken).unwrap_or_else(|ahead| ahead.duration());
        age < self.hold
    }
}

impl Lock {
    /// How long it still lasts, if it ends by itself; zero when it has ended.
    #[must_use]
    pub fn left(self, now: SystemTime) -> Option<Duration> {
        match self {
            Self::Until(end) => Some(end.duration_since(now).unwrap_or_default()),
            Self::UntilUnlocked => None,
        }
    }
}

impl Ticket {
    /// The ticket of a place that was taken at this time, read back from where it is kept.
    pub fn taken_at(time: SystemTime) -> Self {
        Self(time)
    }

    /// When the place was taken, which names it among those of the account.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.0
    }
}

impl Lockout {
    /// Takes a place for an attempt, before the password is looked at.
    ///
    /// One place is left to an open account even if it has more failures than the limit, which
    /// was lowered since: it is a failure that locks, never a reservation.
    #[must_use]
    pub fn reserve(&mut self, policy: &LockoutPolicy, now: SystemTime) -> Verdict {
        self.refresh(policy, now);
        if let Some(lock) = self.lock {
            return Verdict::Locked(lock);
        }
        let Some(limit) = policy.limit else { return Verdict::Reserved(Ticket(now)) };
        let free = limit.get() - self.failures.min(limit.get() - 1);
        if u32::try_from(self.reserved.len()).is_ok_and(|held| held < free) {
            self.hold_place(now)
        } else {
            Verdict::Wait
        }
    }

    /// The password was wrong. Counts also for a place that is void by now: it was evaluated.
    #[must_use = "the failure that locks is told to the owner of the account"]
    pub fn failed(&mut self, ticket: Ticket, policy: &LockoutPolicy, now: SystemTime) -> Failure {
        self.withdrawn(ticket);
        self.refresh(policy, now);
        let Some(limit) = policy.limit else { return Failure::Ignored };
        // A failure while locked does not lengthen the lock: an attacker must not be able to keep
        // the owner out for ever.
        if self.lock.is_some() {
            return Failure::Ignored;
        }
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
        if self.failures < limit.get() {
            return Failure::Counted { failures: self.failures };
        }
        let lock = policy.lock_from(now);
        self.lock = Some(lock);
        Failure::Locks(lock)
    }

    /// The password was right: the count starts anew.
    ///
    /// # Errors
    /// With the lock, when the account was locked since the place was taken (the place was void,
    /// or the limit was lowered meanwhile). The caller is not let in, and nothing changes.
    pub fn succeeded(
        &mut self,
        ticket: Ticket,
        policy: &LockoutPolicy,
        now: SystemTime,
    ) -> Result<(), Lock> {
        self.withdrawn(ticket);
        self.refresh(policy, now);
        if let Some(lock) = self.lock {
            return Err(lock);
        }
        self.unlock();
        Ok(())
    }

    /// Nothing was looked at: the queue was full, or a part was down. Only the place comes back.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is settled once")]
    pub fn withdrawn(&mut self, ticket: Ticket) {
        self.reserved.retain(|taken| *taken != ticket.0);
    }

    /// An admin unlocks or enables the account. Attempts in flight keep their places.
    pub fn unlock(&mut self) {
        self.failures = 0;
        self.last_failure = None;
        self.lock = None;
    }

    /// The lock in force, as the next attempt would find it.
    #[must_use]
    pub fn lock_at(&self, policy: &LockoutPolicy, now: SystemTime) -> Option<Lock> {
        let lock = self.lock?.min(policy.lock_from(now));
        // It has ended at its end, not a moment later.
        (lock > Lock::Until(now)).then_some(lock)
    }

    /// Brings the account to the present: what has ended is forgotten.
    ///
    /// No lock lasts longer from now on than the policy says. That never lengthens one; it brings
    /// forward the end of a lock that was set under a longer policy, or before the clock was set
    /// back, which would not end in anybody's time.
    pub(crate) fn refresh(&mut self, policy: &LockoutPolicy, now: SystemTime) {
        self.reserved.retain(|taken| policy.holds(*taken, now));
        if self.lock.is_some() {
            match self.lock_at(policy, now) {
                Some(lock) => self.lock = Some(lock),
                None => self.unlock(),
            }
        }
    }

    fn hold_place(&mut self, now: SystemTime) -> Verdict {
        // Among as many moments as there are places and one more, one is free.
        let held = u64::try_from(self.reserved.len()).unwrap_or(u64::MAX);
        let mut moments = (0..=held).filter_map(|n| now.checked_add(Duration::from_micros(n)));
        match moments.find(|moment| !self.reserved.contains(moment)) {
            Some(taken) => {
                self.reserved.push(taken);
                Verdict::Reserved(Ticket(taken))
            }
            // The clock stands at the end of time.
            None => Verdict::Wait,
        }
    }
}
