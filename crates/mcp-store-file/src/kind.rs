//! What sets one kind of credential file apart from another.

use std::fmt;
use std::hash::Hash;
use std::time::SystemTime;

use serde::de::MapAccess;

use crate::document::Layout;
use crate::yaml::Context;

/// A kind of credential file: what its entries say, and in which words it is spoken of.
pub(crate) trait Kind: Sized + Send + Sync + 'static {
    /// One entry, but for the operator's own keys.
    type Record: Clone + fmt::Debug + PartialEq + Send + Sync;
    /// What an entry stands under, unique in its file.
    type Id: Clone + fmt::Display + Eq + Hash + Send + Sync;
    /// What an entry is looked for by.
    type Key: Eq + Hash + Send + Sync;
    /// What may stand in a file once only, as far as it was read.
    type Seen: Default;
    /// What an entry said so far.
    type Fields: Default;

    const WORDS: Words;
    /// The layout of a new file.
    const LAYOUT: Layout;

    fn id(record: &Self::Record) -> &Self::Id;
    fn key(record: &Self::Record) -> Self::Key;

    /// The beginning of an entry that stands under `name`: the map layout.
    fn named(context: &Context<Self::Seen>, name: &str) -> Result<Self::Fields, String>;

    /// Reads the value of a key of ours. `false`: it is none.
    fn take<'de, A: MapAccess<'de>>(
        fields: &mut Self::Fields,
        context: &Context<Self::Seen>,
        key: &str,
        map: &mut A,
    ) -> Result<bool, A::Error>;

    /// The whole entry, or the key that it lacks.
    fn finish(fields: Self::Fields) -> Result<Self::Record, &'static str>;

    /// What an entry of `layout` says, in the order in which a new one is written.
    fn said(record: &Self::Record, layout: Layout) -> Vec<(&'static str, Option<Said>)>;
}

/// The value of a key as we write it; a key without one is left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Text(String),
    Names(Vec<String>),
    Time(SystemTime),
    Truth(bool),
    Nothing,
}

impl Said {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn names<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self::Names(names.map(str::to_owned).collect())
    }
}

/// What is said of a kind of file.
pub(crate) struct Words {
    /// The key that everything stands under.
    pub(crate) root: &'static str,
    /// What a file is, for the log.
    pub(crate) file: &'static str,
    /// A file that says that there is nothing.
    pub(crate) nothing: &'static str,
    /// What was expected under the root.
    pub(crate) entries: &'static str,
    /// What was expected as an entry.
    pub(crate) entry: &'static str,
    /// The hint for a file that says nothing at all.
    pub(crate) empty: &'static str,
    /// The hint for an entry that lacks something.
    pub(crate) shape: &'static str,
    /// The hint for a file that is not there.
    pub(crate) missing: &'static str,
    /// The hint for a file that cannot be edited.
    pub(crate) unable: &'static str,
    /// The hint for a file over the limit.
    pub(crate) too_large: &'static str,
    /// Why nobody else may own it.
    pub(crate) ownership: &'static str,
}
