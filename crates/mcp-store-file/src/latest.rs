//! What a watch read last, for whoever asks what the file holds.
//!
//! One reading serves both: the watch that tells of a change, and its listener who asks what
//! changed. The listener thus never reads a file that is already broken again, and while a file
//! cannot be used, the last good records are what is there.
//!
//! A writer of this process must find its own change at once. Each change here ends an epoch; a
//! reading says in which epoch it began, and counts only as long as that one lasts. Until the
//! watch has read what was written, the file itself is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_watch::Watched;

use crate::document::Document;
use crate::kind::Kind;

/// A handle to it. Clones are the same.
pub(crate) struct Latest<K: Kind>(Arc<Shared<K>>);

struct Shared<K: Kind> {
    epoch: Epoch,
    running: Mutex<Option<Reading<K>>>,
}

/// What a watch reads. `None`: nothing yet that could be used.
pub(crate) type Reading<K> = Watched<Option<Snapshot<K>>>;

/// How many changes this process made. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// The records of one reading.
pub(crate) struct Snapshot<K: Kind> {
    epoch: u64,
    document: Document<K>,
    places: HashMap<K::Key, usize>,
}

/// As long as it lives, the watch's readings are what is there.
pub(crate) struct InUse<K: Kind>(Latest<K>);

impl<K: Kind> Latest<K> {
    /// The snapshot that is as the file is. `None`: ask the file.
    pub(crate) fn snapshot(&self) -> Option<Current<K>> {
        let latest = self.running().as_ref().map(Watched::current)?;
        // Asked for after the snapshot: a change in between makes it old, and is seen.
        let epoch = self.epoch().now();
        let is_current = latest.as_ref().as_ref().is_some_and(|snapshot| snapshot.epoch == epoch);
        is_current.then_some(Current(latest))
    }

    /// Makes the readings of a watch count from now on.
    pub(crate) fn follow(&self, reading: Reading<K>) -> InUse<K> {
        *self.running() = Some(reading);
        InUse(self.clone())
    }

    /// This process changed the file: nothing that was read before counts any more.
    pub(crate) fn outdate(&self) {
        self.epoch().0.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn epoch(&self) -> &Epoch {
        &self.0.epoch
    }

    fn running(&self) -> MutexGuard<'_, Option<Reading<K>>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Kind> Clone for Latest<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Kind> Default for Latest<K> {
    fn default() -> Self {
        Self(Arc::new(Shared { epoch: Epoch::default(), running: Mutex::new(None) }))
    }
}

impl<K: Kind> Drop for InUse<K> {
    /// Nobody follows the file any more.
    fn drop(&mut self) {
        *self.0.running() = None;
    }
}

/// A snapshot that was found to be as the file is.
pub(crate) struct Current<K: Kind>(Arc<Option<Snapshot<K>>>);

impl<K: Kind> Current<K> {
    pub(crate) fn records(&self) -> Vec<K::Record> {
        let documents = self.0.iter().map(|snapshot| &snapshot.document);
        documents.flat_map(Document::records).cloned().collect()
    }

    pub(crate) fn find(&self, key: &K::Key) -> Option<K::Record> {
        let snapshot = self.0.as_ref().as_ref()?;
        let place = snapshot.places.get(key)?;
        snapshot.document.entries.get(*place).map(|entry| entry.record.clone())
    }
}

impl<K: Kind> Snapshot<K> {
    /// `document` was read from bytes that were asked for in `epoch`, or after it.
    pub(crate) fn new(epoch: u64, document: Document<K>) -> Self {
        let keys = document.records().map(K::key);
        let places = keys.enumerate().map(|(place, key)| (key, place)).collect();
        Self { epoch, document, places }
    }
}
