//! A token file that was read: its records, and what it holds besides.

use mcp_identity::TokenId;
use mcp_store::TokenRecord;

use crate::yaml::Foreign;

/// The whole content of a token file. Two files that mean the same are equal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TokenDocument {
    pub(crate) layout: Layout,
    /// In the order of the file.
    pub(crate) entries: Vec<Entry>,
    /// Keys beside `tokens`, which are the operator's own.
    pub(crate) foreign: Foreign,
}

/// How `tokens` is written. A file keeps the layout it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A list of entries, each with its `id` and `note`: the documented layout.
    List,
    /// A map from id to entry, with `annotation` for the note: pgEdge's layout.
    Map,
}

/// One token and the keys of its entry that are the operator's own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) record: TokenRecord,
    pub(crate) foreign: Foreign,
}

impl TokenDocument {
    pub(crate) fn with(mut self, record: TokenRecord) -> Self {
        self.entries.push(Entry { record, foreign: Foreign::default() });
        self
    }

    pub(crate) fn without(mut self, ids: &[TokenId]) -> Self {
        let gone: std::collections::HashSet<&TokenId> = ids.iter().collect();
        self.entries.retain(|entry| !gone.contains(&entry.record.id));
        self
    }
}
