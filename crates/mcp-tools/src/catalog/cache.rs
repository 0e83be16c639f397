//! What was read of schemas, for a while.
//!
//! An entry belongs to one principal and ends with its lease: a record that changed may run as
//! another role, which may read other tables.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mcp_identity::{DatabaseName, Lease, Principal, PrincipalId};

use crate::catalog::Wanted;
use crate::catalog::relation::Relations;

/// How long a change that somebody else makes to a schema may go unseen.
pub(crate) const KEPT_FOR: Duration = Duration::from_mins(1);

/// The most that is kept, in bytes of memory, of all principals together.
const MAX_BYTES: usize = 16 << 20;

/// The most entries that are kept, of all principals together.
const MAX_ENTRIES: usize = 1024;

/// Whose, of which database, and narrowed to what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    principal: PrincipalId,
    database: DatabaseName,
    schema: Option<String>,
    table: Option<String>,
}

impl Key {
    pub(crate) fn new(principal: &Principal, database: &DatabaseName, wanted: Wanted<'_>) -> Self {
        Self {
            principal: principal.id.clone(),
            database: database.clone(),
            schema: wanted.schema.map(str::to_owned),
            table: wanted.table.map(str::to_owned),
        }
    }
}

/// Bounded in time, in bytes and in number; the oldest goes first.
#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<Key, Entry>>);

struct Entry {
    relations: Arc<Relations>,
    generation: u64,
    lease: Lease,
    read_at: Instant,
}

impl Entry {
    fn holds(&self, now: Instant) -> bool {
        !self.lease.is_ended() && now.saturating_duration_since(self.read_at) < KEPT_FOR
    }
}

impl Cache {
    /// What is kept, if it still holds.
    pub(crate) fn find(
        &self,
        key: &Key,
        generation: u64,
        lease: &Lease,
        now: Instant,
    ) -> Option<Arc<Relations>> {
        let entries = self.entries();
        let entry = entries.get(key)?;
        let is_own = entry.lease.is_same(lease);
        let fresh = is_own && entry.generation == generation && entry.holds(now);
        fresh.then(|| Arc::clone(&entry.relations))
    }

    /// Keeps what was read. Not where nothing was found: whoever asks again has just made it.
    pub(crate) fn insert(
        &self,
        key: Key,
        generation: u64,
        lease: &Lease,
        relations: &Arc<Relations>,
        now: Instant,
    ) {
        if relations.list.is_empty() || relations.bytes > MAX_BYTES {
            return;
        }
        let (relations, lease) = (Arc::clone(relations), lease.clone());
        let mut entries = self.entries();
        entries.retain(|_, entry| entry.holds(now));
        entries.insert(key, Entry { relations, generation, lease, read_at: now });
        while entries.len() > MAX_ENTRIES || bytes(&entries) > MAX_BYTES {
            let Some(oldest) = oldest(&entries) else { return };
            entries.remove(&oldest);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(entries: &HashMap<Key, Entry>) -> usize {
    entries.values().map(|entry| entry.relations.bytes).sum()
}

fn oldest(entries: &HashMap<Key, Entry>) -> Option<Key> {
    entries.iter().min_by_key(|(_, entry)| entry.read_at).map(|(key, _)| key.clone())
}

#[cfg(test)]
mod tests {
    use mcp_identity::EndReason;

    use super::*;
    use crate::catalog::relation::Relation;

    fn principal() -> (Principal, mcp_identity::LeaseEnd) {
        Principal::local()
    }

    fn key(principal: &Principal, table: usize) -> Key {
        let database = DatabaseName::parse("shop").unwrap();
        let table = table.to_string();
        Key::new(principal, &database, Wanted { schema: None, table: Some(&table) })
    }

    fn relations(bytes: usize) -> Arc<Relations> {
        Arc::new(Relations { list: vec![Relation::default()], bytes, cut: false })
    }

    #[test]
    fn what_was_read_holds_for_a_minute_and_no_longer() {
        let (principal, _end) = principal();
        let (cache, now) = (Cache::default(), Instant::now());
        let key = key(&principal, 0);
        cache.insert(key.clone(), 7, &principal.lease, &relations(1), now);
        let just = Duration::from_millis(59_999);
        assert!(cache.find(&key, 7, &principal.lease, now + just).is_some());
        assert!(cache.find(&key, 7, &principal.lease, now + KEPT_FOR).is_none());
    }

    #[test]
    fn a_change_of_the_schema_ends_it_at_once() {
        let (principal, _end) = principal();
        let (cache, now) = (Cache::default(), Instant::now());
        let key = key(&principal, 0);
        cache.insert(key.clone(), 7, &principal.lease, &relations(1), now);
        assert!(cache.find(&key, 8, &principal.lease, now).is_none());
    }

    #[test]
    fn it_ends_with_the_credential_that_read_it() {
        let (principal, end) = principal();
        let (cache, now) = (Cache::default(), Instant::now());
        let key = key(&principal, 0);
        cache.insert(key.clone(), 7, &principal.lease, &relations(1), now);
        // The record that takes its place is known before the old one ends.
        let (changed, _changed_end) = Principal::local();
        assert!(cache.find(&key, 7, &changed.lease, now).is_none());
        end.end(EndReason::Replaced);
        assert!(cache.find(&key, 7, &principal.lease, now).is_none());
    }

    #[test]
    fn it_is_bounded_in_number_and_in_bytes_and_the_oldest_goes_first() {
        let (principal, _end) = principal();
        let (cache, now) = (Cache::default(), Instant::now());
        let insert = |place: usize, bytes| {
            let at = now + Duration::from_micros(u64::try_from(place).unwrap());
            cache.insert(key(&principal, place), 0, &principal.lease, &relations(bytes), at);
        };
        for place in 0..=MAX_ENTRIES {
            insert(place, 1);
        }
        assert_eq!(cache.entries().len(), MAX_ENTRIES);
        assert!(cache.find(&key(&principal, 0), 0, &principal.lease, now).is_none());
        assert!(cache.find(&key(&principal, 1), 0, &principal.lease, now).is_some());
        insert(MAX_ENTRIES + 1, MAX_BYTES);
        assert_eq!(cache.entries().len(), 1);
        insert(MAX_ENTRIES + 2, MAX_BYTES + 1);
        assert_eq!(cache.entries().len(), 1, "what is larger than all is not kept");
    }
}
