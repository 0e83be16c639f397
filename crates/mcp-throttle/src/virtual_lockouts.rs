//! The lockout of names that nobody has, so that they behave like those of accounts.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::lockout::{Failure, Lock, Lockout, LockoutPolicy, Ticket, Verdict};
use crate::table::{Judge, Standing, Table};
use crate::timeline::{NEVER, Timeline, nanoseconds};

/// A [`Lockout`] for each name that was tried and belongs to no account, in bounded memory.
///
/// The key is best a keyed digest of the canonical name: people type their passwords into the
/// field for names, and a digest of fixed size bounds the memory. When the keys are as many as
/// they may be, those are forgotten first that are not locked, oldest first; a key that holds a
/// place is forgotten only after the place is void.
///
/// Tickets are good for the key and the process that gave them, and for nothing else.
pub struct VirtualLockouts<K> {
    memory: Mutex<Memory<K>>,
}

struct Memory<K> {
    policy: LockoutPolicy,
    timeline: Timeline,
    table: Table<K, Lockout>,
}

impl<K: Ord + Clone> VirtualLockouts<K> {
    /// No name was tried yet; at most so many keys will be remembered. About 250 bytes for a key
    /// of 32 bytes.
    #[must_use]
    pub fn new(policy: LockoutPolicy, keys: NonZeroUsize) -> Self {
        let memory = Memory { policy, timeline: Timeline::default(), table: Table::new(keys) };
        Self { memory: Mutex::new(memory) }
    }

    /// As [`Lockout::reserve`], but the times in tickets and locks are of this table's own
    /// reckoning, which no clock shows.
    #[must_use]
    pub fn reserve(&self, key: &K, now: SystemTime) -> Verdict {
        let memory = &mut *self.lock();
        let moment = memory.moment(now);
        memory.table.sweep(&memory.policy, nanoseconds_of(moment));
        let mut lockout = match memory.table.take(key) {
            Some(lockout) => lockout,
            None if memory.table.make_room() => Lockout::default(),
            None => return Verdict::Wait,
        };
        let verdict = lockout.reserve(&memory.policy, moment);
        memory.put(key, lockout, moment);
        verdict
    }

    /// As [`Lockout::failed`]: whatever was tried, nobody has this name.
    #[must_use = "the failure that locks is for the audit log"]
    pub fn failed(&self, key: &K, ticket: Ticket, now: SystemTime) -> Failure {
        let memory = &mut *self.lock();
        let moment = memory.moment(now);
        let mut lockout = match memory.table.take(key) {
            Some(lockout) => lockout,
            // Forgotten since: the place was void long ago.
            None if memory.table.make_room() => Lockout::default(),
            None => return Failure::Ignored,
        };
        let failure = lockout.failed(ticket, &memory.policy, moment);
        memory.put(key, lockout, moment);
        failure
    }

    /// As [`Lockout::withdrawn`].
    pub fn withdrawn(&self, key: &K, ticket: Ticket) {
        let memory = &mut *self.lock();
        if let Some(mut lockout) = memory.table.take(key) {
            lockout.withdrawn(ticket);
            let moment = moment_of(memory.timeline.elapsed());
            memory.put(key, lockout, moment);
        }
    }

    /// Changes the policy. What is remembered is judged by the new one, all of it at once.
    pub fn update(&self, policy: LockoutPolicy) {
        let memory = &mut *self.lock();
        memory.policy = policy;
        memory.table.judge_all(&memory.policy, memory.timeline.elapsed());
    }

    /// How many keys are remembered, for a gauge.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.lock().table.len()
    }

    fn lock(&self) -> MutexGuard<'_, Memory<K>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Clone> Memory<K> {
    /// The time of the timeline, as a point in time for the rule: it never goes back, so that no
    /// row is filed under a time that does not come.
    fn moment(&mut self, now: SystemTime) -> SystemTime {
        moment_of(self.timeline.advance(now))
    }

    fn put(&mut self, key: &K, lockout: Lockout, moment: SystemTime) {
        self.table.put(key.clone(), lockout, &self.policy, nanoseconds_of(moment));
    }
}

impl Judge<Lockout> for LockoutPolicy {
    fn judge(&self, lockout: &mut Lockout, now: u64) -> Option<Standing> {
        lockout.refresh(self, moment_of(now));
        if lockout.reserved.is_empty() {
            // Most rows lie here for long without a place: the space is given back.
            lockout.reserved = Vec::new();
        }
        // Nothing ends by itself: in line behind all that does, oldest first.
        let never = |since: SystemTime| NEVER.saturating_add(nanoseconds_of(since));
        if let Some(newest) = lockout.reserved.iter().max() {
            let void = nanoseconds_of(*newest).saturating_add(nanoseconds(self.hold));
            return Some(Standing::Busy(void));
        }
        let last = lockout.last_failure?;
        Some(match lockout.lock {
            Some(Lock::Until(end)) => Standing::Blocked(nanoseconds_of(end)),
            Some(Lock::UntilUnlocked) => Standing::Blocked(never(last)),
            None => Standing::Open(never(last)),
        })
    }
}

fn moment_of(elapsed: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(elapsed)
}

fn nanoseconds_of(moment: SystemTime) -> u64 {
    moment.duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
}

/// Says nothing of the keys: they are what somebody typed.
impl<K> fmt::Debug for VirtualLockouts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualLockouts(…)")
    }
}
