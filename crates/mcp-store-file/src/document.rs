//! A credential file that was read: its records, and what it holds besides.

use std::collections::HashSet;
use std::fmt;

use crate::kind::Kind;
use crate::yaml::Foreign;

/// The whole content of a credential file. Two files that mean the same are equal.
pub(crate) struct Document<K: Kind> {
    pub(crate) layout: Layout,
    /// In the order of the file.
    pub(crate) entries: Vec<Entry<K::Record>>,
    /// Keys beside the root's, which are the operator's own.
    pub(crate) foreign: Foreign,
}

/// How the entries are written. A file keeps the layout it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A list of entries, each with its own name in it.
    List,
    /// A map from name to entry: pgEdge's layout.
    Map,
}

/// One record and the keys of its entry that are the operator's own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry<R> {
    pub(crate) record: R,
    pub(crate) foreign: Foreign,
}

impl<K: Kind> Document<K> {
    pub(crate) fn records(&self) -> impl Iterator<Item = &K::Record> {
        self.entries.iter().map(|entry| &entry.record)
    }

    pub(crate) fn into_records(self) -> Vec<K::Record> {
        self.entries.into_iter().map(|entry| entry.record).collect()
    }

    /// Where the entry of that name stands.
    pub(crate) fn place(&self, id: &K::Id) -> Option<usize> {
        self.records().position(|record| K::id(record) == id)
    }

    pub(crate) fn with(mut self, records: Vec<K::Record>) -> Self {
        let entry = |record| Entry { record, foreign: Foreign::default() };
        self.entries.extend(records.into_iter().map(entry));
        self
    }

    pub(crate) fn without(mut self, ids: &[K::Id]) -> Self {
        let gone: HashSet<&K::Id> = ids.iter().collect();
        self.entries.retain(|entry| !gone.contains(K::id(&entry.record)));
        self
    }

    /// With `record` in the place of the one of its name.
    pub(crate) fn replacing(mut self, record: K::Record) -> Self {
        let place = self.place(K::id(&record));
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.record = record;
        }
        self
    }
}

// By hand: a derive would ask it of the kind, not of its records.
impl<K: Kind> PartialEq for Document<K> {
    fn eq(&self, other: &Self) -> bool {
        let Self { layout, entries, foreign } = self;
        *layout == other.layout && *entries == other.entries && *foreign == other.foreign
    }
}

impl<K: Kind> fmt::Debug for Document<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.len();
        f.debug_struct("Document").field("entries", &entries).finish_non_exhaustive()
    }
}
