//! A map that stays within its bounds and forgets first what matters least.
//!
//! ```text
//!             in line for being forgotten, each ordered by when its turn comes by itself
//!   open ────▶ first, oldest first            nothing hangs on it
//!   blocked ─▶ when no open row is left       somebody is being refused
//!   busy ────▶ never before its time          somebody holds a place
//! ```
//!
//! To push a blocked row out, whoever tries must first fill the table with rows that are blocked
//! as well, and each of these cost him a full set of failures.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

/// So many rows that have had their time are looked at in each call; two for the one that the
/// call may add, so the table empties itself faster than it fills.
const SWEPT: usize = 2;

/// What a row is worth, and when that changes without anybody touching it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Open(u64),
    Blocked(u64),
    Busy(u64),
}

/// Whoever knows what a row means.
pub(crate) trait Judge<V> {
    /// Brings a row up to date and says where it stands; `None` when there is nothing to remember.
    fn judge(&self, value: &mut V, now: u64) -> Option<Standing>;
}

/// Rows by key. Trees, not hash tables: no pause while a hundred thousand rows move house, and
/// nothing an attacker could make collide.
pub(crate) struct Table<K, V> {
    rows: BTreeMap<K, (V, Standing)>,
    open: BTreeSet<(u64, K)>,
    blocked: BTreeSet<(u64, K)>,
    busy: BTreeSet<(u64, K)>,
    capacity: NonZeroUsize,
}

impl<K: Ord + Clone, V> Table<K, V> {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            rows: BTreeMap::new(),
            open: BTreeSet::new(),
            blocked: BTreeSet::new(),
            busy: BTreeSet::new(),
            capacity,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes a row out, to be changed and put back.
    pub(crate) fn take(&mut self, key: &K) -> Option<V> {
        let (value, standing) = self.rows.remove(key)?;
        let (line, due) = self.line(standing);
        line.remove(&(due, key.clone()));
        Some(value)
    }

    /// Puts a row where it belongs now, if there is anything to remember.
    pub(crate) fn put(&mut self, key: K, mut value: V, judge: &impl Judge<V>, now: u64) {
        if let Some(standing) = judge.judge(&mut value, now) {
            let (line, due) = self.line(standing);
            line.insert((due, key.clone()));
            self.rows.insert(key, (value, standing));
        }
    }

    /// Makes sure that one more row fits. False when every row is held by somebody.
    pub(crate) fn make_room(&mut self) -> bool {
        if self.rows.len() < self.capacity.get() {
            return true;
        }
        let first = self.open.pop_first().or_else(|| self.blocked.pop_first());
        first.is_some_and(|(_, key)| self.rows.remove(&key).is_some())
    }

    /// Judges a few of the rows whose time has come.
    pub(crate) fn sweep(&mut self, judge: &impl Judge<V>, now: u64) {
        for _ in 0..SWEPT {
            let lines = [&self.busy, &self.blocked, &self.open];
            let due = lines.into_iter().filter_map(BTreeSet::first).find(|(due, _)| *due <= now);
            let Some((_, key)) = due.cloned() else { return };
            self.judge_again(key, judge, now);
        }
    }

    /// Judges all rows, because the rule has changed.
    pub(crate) fn judge_all(&mut self, judge: &impl Judge<V>, now: u64) {
        let keys: Vec<K> = self.rows.keys().cloned().collect();
        for key in keys {
            self.judge_again(key, judge, now);
        }
    }

    fn judge_again(&mut self, key: K, judge: &impl Judge<V>, now: u64) {
        if let Some(value) = self.take(&key) {
            self.put(key, value, judge, now);
        }
    }

    fn line(&mut self, standing: Standing) -> (&mut BTreeSet<(u64, K)>, u64) {
        match standing {
            Standing::Open(due) => (&mut self.open, due),
            Standing::Blocked(due) => (&mut self.blocked, due),
            Standing::Busy(due) => (&mut self.busy, due),
        }
    }
}
