//! YAML into a [`Document`]. The one module that names `serde_yaml`.
//!
//! Every value goes through a visitor of our own, for three reasons: a fault is reported with
//! its line, a duplicate is seen where it stands, and no message repeats a value. Scalars are
//! taken as text, so that a hash or a note of digits stays what it is.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::str::FromStr as _;
use std::time::SystemTime;

use jiff::Timestamp;
use mcp_store::StoreError;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Value;
use yaml_edit::SyntaxKind;

use crate::document::{Document, Entry, Layout};
use crate::fault::{WithHint as _, quoted, refused, shown, visible};
use crate::kind::{Kind, Words};
use crate::scalar::Scalar;

/// Keys that are none of ours, with their values: kept, compared, never interpreted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Foreign(BTreeMap<String, Value>);

impl Foreign {
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Reads the text of a credential file; `path` is for messages.
pub(crate) fn parse<K: Kind>(text: &str, path: &Path) -> Result<Document<K>, StoreError> {
    refuse_references(text, path)?;
    let context = Context::default();
    let root = Root::<K>(&context);
    let parsed = root.deserialize(serde_yaml::Deserializer::from_str(text));
    parsed.map_err(|error| explain(&error, context.hint.get(), &K::WORDS, path))
}

/// Anchors, aliases and tags make an entry mean what does not stand there.
fn refuse_references(text: &str, path: &Path) -> Result<(), StoreError> {
    // Few files hold one of these characters at all: most need no second reading.
    if !text.bytes().any(|byte| matches!(byte, b'&' | b'*' | b'!')) {
        return Ok(());
    }
    let mut line = 1;
    for (kind, token) in yaml_edit::lex(text) {
        let what = match kind {
            SyntaxKind::ANCHOR => Some("an anchor"),
            SyntaxKind::REFERENCE => Some("an alias"),
            SyntaxKind::TAG => Some("a tag"),
            _ => None,
        };
        if let Some(what) = what {
            return Err(refused(
                format!("{}:{line}", shown(path)),
                format!("{what} is not accepted"),
            )
            .hint("write the value out, or quote it if it is text"));
        }
        line += token.bytes().filter(|byte| *byte == b'\n').count();
    }
    Ok(())
}

/// What the visitors of one document share.
#[derive(Default)]
pub(crate) struct Context<S> {
    seen: RefCell<S>,
    /// The way out of the fault that was raised last.
    hint: Cell<Option<&'static str>>,
}

impl<S> Context<S> {
    /// What may stand there once only.
    pub(crate) fn seen(&self) -> RefMut<'_, S> {
        self.seen.borrow_mut()
    }

    /// A fault of a scalar, with the way out of it.
    pub(crate) fn fault(&self, fault: impl fmt::Display, hint: &'static str) -> String {
        self.hint.set(Some(hint));
        fault.to_string()
    }

    /// What was taken a second time.
    pub(crate) fn twice(&self, what: impl fmt::Display) -> String {
        self.fault(format_args!("{what} appears twice"), "remove one of the two")
    }

    /// A time as files have it.
    pub(crate) fn time(&self, text: &str) -> Result<SystemTime, String> {
        let parsed = Timestamp::from_str(text).map(SystemTime::from);
        parsed.map_err(|_| {
            self.fault("expected a time of RFC 3339", "write it as \"2025-10-30T10:15:30Z\"")
        })
    }

    pub(crate) fn fail<E: serde::de::Error>(
        &self,
        fault: impl fmt::Display,
        hint: &'static str,
    ) -> E {
        E::custom(self.fault(fault, hint))
    }

    /// Keeps the value of a key that is none of ours.
    fn keep<'de, A: MapAccess<'de>>(
        &self,
        foreign: &mut Foreign,
        key: String,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let value: Value = map.next_value()?;
        if merges(&value) {
            return Err(self.fail(MERGE, WRITE_OUT));
        }
        foreign.0.insert(key, value);
        Ok(())
    }
}

/// The keys of one map, as they come.
struct Keys<'c, S> {
    context: &'c Context<S>,
    met: HashSet<String>,
}

impl<'c, S> Keys<'c, S> {
    fn new(context: &'c Context<S>) -> Self {
        Self { context, met: HashSet::new() }
    }

    fn next<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<String>, A::Error> {
        // Checked while the reader still stands on the key: the error gets the key's line.
        map.next_key_seed(Scalar(|key: &str| self.meet(key)))
    }

    fn meet(&mut self, key: &str) -> Result<String, String> {
        // Two names of one thing, by layout; either is read in both.
        let key = if key == "annotation" { "note" } else { key };
        if key == "<<" {
            return Err(self.context.fault(MERGE, WRITE_OUT));
        }
        if self.met.insert(key.to_owned()) {
            return Ok(key.to_owned());
        }
        Err(self.context.twice(quoted(key)))
    }
}

fn merges(value: &Value) -> bool {
    match value {
        Value::Mapping(map) => map
            .iter()
            .any(|(key, value)| key.as_str() == Some("<<") || merges(key) || merges(value)),
        Value::Sequence(items) => items.iter().any(merges),
        _ => false,
    }
}

/// Turns an error into one that names file and line, and repeats no value.
fn explain(
    error: &serde_yaml::Error,
    hint: Option<&'static str>,
    words: &Words,
    path: &Path,
) -> StoreError {
    const LONGEST: usize = 200;
    let mut place = shown(path);
    let mut said = error.to_string();
    if let Some(at) = error.location() {
        place = format!("{place}:{}", at.line());
        let suffix = format!(" at line {} column {}", at.line(), at.column());
        said = said.strip_suffix(&suffix).map_or(said.clone(), str::to_owned);
    }
    if said == "EOF while parsing a value" {
        return refused(place, "it is empty").hint(words.empty);
    }
    // serde quotes what it found: `tokens[0].hash: invalid type: string "…", expected …`.
    if let (Some(found), Some(expected)) = (said.find("invalid "), said.rfind("expected ")) {
        said.replace_range(found..expected.max(found), "");
    }
    // A key of the file is part of the message.
    let said: String = said.chars().take(LONGEST).flat_map(visible).collect();
    let hint = hint.unwrap_or("check the indentation and the quotes near that line");
    refused(place, said).hint(hint)
}

const MERGE: &str = "a merge key is not accepted";
const WRITE_OUT: &str = "write the values out";

/// The document.
struct Root<'c, K: Kind>(&'c Context<K::Seen>);

impl<'de, K: Kind> DeserializeSeed<'de> for Root<'_, K> {
    type Value = Document<K>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for Root<'_, K> {
    type Value = Document<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with the key `{}`", K::WORDS.root)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Err(self.0.fail("it is empty", K::WORDS.empty))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.visit_none()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Words { root, empty, .. } = K::WORDS;
        let (mut entries, mut foreign) = (None, Foreign::default());
        let mut keys = Keys::new(self.0);
        while let Some(key) = keys.next(&mut map)? {
            if key == root {
                entries = Some(map.next_value_seed(Entries::<K>(self.0))?);
            } else {
                self.0.keep(&mut foreign, key, &mut map)?;
            }
        }
        let (layout, entries) = match entries {
            Some(entries) => entries,
            // `{}` says in so many words that there is nothing.
            None if foreign == Foreign::default() => (K::LAYOUT, Vec::new()),
            None => return Err(self.0.fail(format_args!("the key `{root}` is missing"), empty)),
        };
        Ok(Document { layout, entries, foreign })
    }
}

/// The value of the root's key, in either layout.
struct Entries<'c, K: Kind>(&'c Context<K::Seen>);

impl<'de, K: Kind> DeserializeSeed<'de> for Entries<'_, K> {
    type Value = (Layout, Vec<Entry<K::Record>>);

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for Entries<'_, K> {
    type Value = (Layout, Vec<Entry<K::Record>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::WORDS.entries)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        let Words { root, empty, .. } = K::WORDS;
        Err(self.0.fail(format_args!("`{root}` has no value"), empty))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element_seed(EntryOf::<K>::new(self.0, None))? {
            entries.push(entry);
        }
        Ok((Layout::List, entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        let named = |name: &str| match name {
            "<<" => Err(self.0.fault(MERGE, WRITE_OUT)),
            name => K::named(self.0, name),
        };
        while let Some(fields) = map.next_key_seed(Scalar(named))? {
            entries.push(map.next_value_seed(EntryOf::<K>::new(self.0, Some(fields)))?);
        }
        Ok((Layout::Map, entries))
    }
}

/// One entry. Its name stands in front of it in the map layout, and in it otherwise.
struct EntryOf<'c, K: Kind> {
    context: &'c Context<K::Seen>,
    fields: K::Fields,
    kind: PhantomData<K>,
}

impl<'c, K: Kind> EntryOf<'c, K> {
    fn new(context: &'c Context<K::Seen>, fields: Option<K::Fields>) -> Self {
        Self { context, fields: fields.unwrap_or_default(), kind: PhantomData }
    }
}

impl<'de, K: Kind> DeserializeSeed<'de> for EntryOf<'_, K> {
    type Value = Entry<K::Record>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for EntryOf<'_, K> {
    type Value = Entry<K::Record>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::WORDS.entry)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { context, mut fields, .. } = self;
        let mut keys = Keys::new(context);
        let mut foreign = Foreign::default();
        while let Some(key) = keys.next(&mut map)? {
            if !K::take(&mut fields, context, &key, &mut map)? {
                context.keep(&mut foreign, key, &mut map)?;
            }
        }
        let record = K::finish(fields).map_err(|key| {
            context.fail::<A::Error>(format_args!("`{key}` is missing"), K::WORDS.shape)
        })?;
        Ok(Entry { record, foreign })
    }
}
