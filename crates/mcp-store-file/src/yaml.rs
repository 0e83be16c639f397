//! YAML into a [`TokenDocument`]. The one module that names `serde_yaml`.
//!
//! Every value goes through a visitor of our own, for three reasons: a fault is reported with
//! its line, a duplicate is seen where it stands, and no message repeats a value. Scalars are
//! taken as text, so that a hash or a note of digits stays what it is.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr as _;
use std::time::SystemTime;

use jiff::Timestamp;
use mcp_identity::{DatabaseName, DbRole, RoleName, TokenHash, TokenId, ToolName};
use mcp_store::{StoreError, TokenRecord};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Value;
use yaml_edit::SyntaxKind;

use crate::document::{Entry, Layout, TokenDocument};
use crate::fault::{WithHint as _, quoted, refused, shown, visible};
use crate::scalar::{Many, Nullable, Scalar, database, db_role, role, text, tool, truth};

/// Keys that are none of ours, with their values: kept, compared, never interpreted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Foreign(BTreeMap<String, Value>);

impl Foreign {
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Reads the text of a token file; `path` is for messages.
pub(crate) fn parse(text: &str, path: &Path) -> Result<TokenDocument, StoreError> {
    refuse_references(text, path)?;
    let context = Context::default();
    let parsed = Root(&context).deserialize(serde_yaml::Deserializer::from_str(text));
    parsed.map_err(|error| explain(&error, &context, path))
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
struct Context {
    ids: RefCell<HashSet<TokenId>>,
    hashes: RefCell<HashSet<TokenHash>>,
    /// The way out of the fault that was raised last.
    hint: Cell<Option<&'static str>>,
}

impl Context {
    fn fail<E: serde::de::Error>(&self, fault: impl fmt::Display, hint: &'static str) -> E {
        self.hint.set(Some(hint));
        E::custom(fault)
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
struct Keys<'c> {
    context: &'c Context,
    met: HashSet<String>,
}

impl<'c> Keys<'c> {
    fn new(context: &'c Context) -> Self {
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
            self.context.hint.set(Some(WRITE_OUT));
            return Err(MERGE.to_owned());
        }
        if self.met.insert(key.to_owned()) {
            return Ok(key.to_owned());
        }
        self.context.hint.set(Some("remove one of the two"));
        Err(format!("{} appears twice", quoted(key)))
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
fn explain(error: &serde_yaml::Error, context: &Context, path: &Path) -> StoreError {
    const LONGEST: usize = 200;
    let mut place = shown(path);
    let mut said = error.to_string();
    if let Some(at) = error.location() {
        place = format!("{place}:{}", at.line());
        let suffix = format!(" at line {} column {}", at.line(), at.column());
        said = said.strip_suffix(&suffix).map_or(said.clone(), str::to_owned);
    }
    if said == "EOF while parsing a value" {
        return refused(place, "it is empty").hint(EMPTY);
    }
    // serde quotes what it found: `tokens[0].hash: invalid type: string "…", expected …`.
    if let (Some(found), Some(expected)) = (said.find("invalid "), said.rfind("expected ")) {
        said.replace_range(found..expected.max(found), "");
    }
    // A key of the file is part of the message.
    let said: String = said.chars().take(LONGEST).flat_map(visible).collect();
    let hint = context.hint.get().unwrap_or("check the indentation and the quotes near that line");
    refused(place, said).hint(hint)
}

const MERGE: &str = "a merge key is not accepted";
const WRITE_OUT: &str = "write the values out";
const EMPTY: &str = "a file without tokens says so: `tokens: []`";
const SHAPE: &str =
    "see the layout of the token file: every entry has an id, a hash and created_at";

/// The document.
struct Root<'c>(&'c Context);

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = TokenDocument;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = TokenDocument;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the key `tokens`")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Err(self.0.fail("it is empty", EMPTY))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        self.visit_none()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut tokens, mut foreign) = (None, Foreign::default());
        let mut keys = Keys::new(self.0);
        while let Some(key) = keys.next(&mut map)? {
            if key == "tokens" {
                tokens = Some(map.next_value_seed(Tokens(self.0))?);
            } else {
                self.0.keep(&mut foreign, key, &mut map)?;
            }
        }
        let (layout, entries) = match tokens {
            Some(tokens) => tokens,
            // `{}` says in so many words that there is nothing.
            None if foreign == Foreign::default() => (Layout::List, Vec::new()),
            None => return Err(self.0.fail("the key `tokens` is missing", EMPTY)),
        };
        Ok(TokenDocument { layout, entries, foreign })
    }
}

/// The value of `tokens`, in either layout.
struct Tokens<'c>(&'c Context);

impl<'de> DeserializeSeed<'de> for Tokens<'_> {
    type Value = (Layout, Vec<Entry>);

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tokens<'_> {
    type Value = (Layout, Vec<Entry>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tokens, or a map from id to token")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Err(self.0.fail("`tokens` has no value", EMPTY))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element_seed(EntryOf { context: self.0, id: None })? {
            entries.push(entry);
        }
        Ok((Layout::List, entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(id) = map.next_key_seed(Scalar(|text: &str| new_id(self.0, text)))? {
            entries.push(map.next_value_seed(EntryOf { context: self.0, id: Some(id) })?);
        }
        Ok((Layout::Map, entries))
    }
}

fn new_id(context: &Context, text: &str) -> Result<TokenId, String> {
    let id = TokenId::parse(text).map_err(|fault| {
        context.hint.set(Some("an id is plain ASCII without spaces, as in token-1730283330"));
        fault.to_string()
    })?;
    if context.ids.borrow_mut().insert(id.clone()) {
        return Ok(id);
    }
    context.hint.set(Some("remove one of the two"));
    Err(format!("the id {} appears twice", quoted(text)))
}

fn new_hash(context: &Context, text: &str) -> Result<TokenHash, String> {
    let hash = TokenHash::parse_hex(text).map_err(|fault| {
        context
            .hint
            .set(Some("the file holds hashes only; make a new token: mcp-admin tokens add"));
        fault.to_string()
    })?;
    if context.hashes.borrow_mut().insert(hash) {
        return Ok(hash);
    }
    context.hint.set(Some("remove one of the two"));
    Err("this hash appears twice".to_owned())
}

fn time(context: &Context, text: &str) -> Result<SystemTime, String> {
    let parsed = Timestamp::from_str(text).map(SystemTime::from);
    parsed.map_err(|_| {
        context.hint.set(Some("write it as \"2025-10-30T10:15:30Z\""));
        "expected a time of RFC 3339".to_owned()
    })
}

/// One entry. The id stands in front of it in the map layout, and in it otherwise.
struct EntryOf<'c> {
    context: &'c Context,
    id: Option<TokenId>,
}

impl<'de> DeserializeSeed<'de> for EntryOf<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EntryOf<'_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token: a map with `hash` and more")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let context = self.context;
        let mut keys = Keys::new(context);
        // In the map layout the id stands in front; another one inside would contradict it.
        keys.met.extend(self.id.iter().map(|_| "id".to_owned()));
        let mut fields = Fields { id: self.id, ..Fields::default() };
        let mut foreign = Foreign::default();
        while let Some(key) = keys.next(&mut map)? {
            let known = fields.take(context, &key, &mut map)?;
            if !known {
                context.keep(&mut foreign, key, &mut map)?;
            }
        }
        let missing = |key| context.fail(format_args!("`{key}` is missing"), SHAPE);
        let record = TokenRecord {
            note: fields.note.unwrap_or_default(),
            database: fields.database,
            expires_at: fields.expires_at,
            roles: fields.roles.unwrap_or_default(),
            db_role: fields.db_role,
            tools: fields.tools,
            read_only: fields.read_only.unwrap_or(false),
            ..TokenRecord::new(
                fields.id.ok_or_else(|| missing("id"))?,
                fields.hash.ok_or_else(|| missing("hash"))?,
                fields.created_at.ok_or_else(|| missing("created_at"))?,
            )
        };
        Ok(Entry { record, foreign })
    }
}

/// What an entry said so far.
#[derive(Default)]
struct Fields {
    id: Option<TokenId>,
    hash: Option<TokenHash>,
    created_at: Option<SystemTime>,
    note: Option<String>,
    database: Option<DatabaseName>,
    expires_at: Option<SystemTime>,
    roles: Option<BTreeSet<RoleName>>,
    db_role: Option<DbRole>,
    tools: Option<BTreeSet<ToolName>>,
    read_only: Option<bool>,
}

impl Fields {
    /// Reads the value of a key of ours. `false`: it is none.
    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        context: &Context,
        key: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        let time = |text: &str| time(context, text);
        match key {
            "id" => self.id = Some(map.next_value_seed(Scalar(|id: &str| new_id(context, id)))?),
            "hash" => {
                self.hash =
                    Some(map.next_value_seed(Scalar(|hash: &str| new_hash(context, hash)))?);
            }
            "created_at" => self.created_at = Some(map.next_value_seed(Scalar(time))?),
            "expires_at" => self.expires_at = map.next_value_seed(Nullable(time))?,
            "note" => self.note = map.next_value_seed(Nullable(text))?,
            "database" => self.database = map.next_value_seed(Nullable(database))?,
            "roles" => self.roles = map.next_value_seed(Many(role))?,
            "db_role" => self.db_role = map.next_value_seed(Nullable(db_role))?,
            "tools" => self.tools = map.next_value_seed(Many(tool))?,
            "read_only" => self.read_only = map.next_value_seed(Nullable(truth))?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
