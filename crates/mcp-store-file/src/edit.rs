//! A change to the text of a token file that leaves alone what it does not mean: comments,
//! order, indentation, the operator's own keys. What comes out is read back and compared before
//! anybody writes it.

use std::path::Path;
use std::str::FromStr as _;
use std::time::SystemTime;

use jiff::Timestamp;
use mcp_identity::{RoleName, TokenId, ToolName};
use mcp_store::{StoreError, TokenRecord};
use yaml_edit::{
    Document, Mapping, MappingBuilder, ScalarValue, Sequence, SequenceBuilder, YamlFile,
};

use crate::document::{Layout, TokenDocument};
use crate::fault::{WithHint as _, is_escaped, refused, shown};
use crate::yaml;

/// What a file says that is about to get its first token.
pub(crate) const NO_TOKENS: &str = "tokens: []\n";

/// One change.
pub(crate) enum Edit {
    Insert(TokenRecord),
    Remove(Vec<TokenId>),
}

/// The text after the change. `document` is what `text` was read as.
pub(crate) fn apply(
    text: &str,
    document: TokenDocument,
    edit: Edit,
    path: &Path,
) -> Result<String, StoreError> {
    let after = edited(text, &document, &edit).ok_or_else(|| unable(path))?;
    let intended = match edit {
        Edit::Insert(record) => document.with(record),
        Edit::Remove(ids) => document.without(&ids),
    };
    let kept = if after.len() > text.len() {
        lines_survive(text, &after)
    } else {
        lines_survive(&after, text)
    };
    match yaml::parse(&after, path) {
        Ok(read_back) if kept && read_back == intended => Ok(after),
        _ => Err(unable(path)),
    }
}

fn unable(path: &Path) -> StoreError {
    refused(shown(path), "cannot be changed without touching other entries")
        .hint("write one key a line under `tokens:`, as `mcp-admin tokens add` does in a new file")
}

/// Does every line of `fewer` stand in `more`, in the same order? One line may differ: the last
/// entry that goes turns `tokens:` into `tokens: []`, and a list on one line is one line.
fn lines_survive(fewer: &str, more: &str) -> bool {
    let mut rest = more.lines();
    let mut lost = 0;
    for line in fewer.lines() {
        let mut ahead = rest.clone();
        if ahead.any(|candidate| candidate == line) {
            rest = ahead;
        } else {
            lost += 1;
            if lost > 1 {
                return false;
            }
        }
    }
    true
}

fn edited(text: &str, before: &TokenDocument, edit: &Edit) -> Option<String> {
    let file = YamlFile::from_str(text).ok()?;
    let document = file.document()?;
    match edit {
        Edit::Insert(record) => insert(&document, before, record)?,
        Edit::Remove(ids) => remove(&document, before, ids)?,
    }
    let mut text = file.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}

fn insert(document: &Document, before: &TokenDocument, record: &TokenRecord) -> Option<()> {
    let entry = entry(before.layout, record)?;
    let id = record.id.as_str();
    match (before.layout, before.entries.is_empty()) {
        (Layout::List, false) => document.get_sequence("tokens")?.push(entry),
        (Layout::Map, false) => document.get_mapping("tokens")?.set(id, entry),
        // An empty `[]` would grow on its one line: a block takes its place.
        (Layout::List, true) => {
            let list = SequenceBuilder::new().item(entry).build_document().as_sequence()?;
            document.set("tokens", list).then_some(())?;
        }
        (Layout::Map, true) => {
            let map = MappingBuilder::new().pair(id, entry).build_document().as_mapping()?;
            document.set("tokens", map).then_some(())?;
        }
    }
    Some(())
}

fn remove(document: &Document, before: &TokenDocument, ids: &[TokenId]) -> Option<()> {
    let gone: std::collections::HashSet<&TokenId> = ids.iter().collect();
    let places = before.entries.iter().enumerate();
    let places =
        places.filter(|(_, entry)| gone.contains(&entry.record.id)).map(|(place, _)| place);
    match before.layout {
        Layout::List => {
            let list = document.get_sequence("tokens")?;
            if gone.len() == before.entries.len() {
                return document.set("tokens", Sequence::new_flow()).then_some(());
            }
            // From the end: a removal moves what comes after it.
            for place in places.rev() {
                list.remove(place)?;
            }
        }
        Layout::Map => {
            let map = document.get_mapping("tokens")?;
            if gone.len() == before.entries.len() {
                return document.set("tokens", Mapping::new_flow()).then_some(());
            }
            let keys: Vec<_> = map.keys().collect();
            for place in places.rev() {
                map.remove(keys.get(place)?)?;
            }
        }
    }
    Some(())
}

/// An entry as `layout` writes it. `None`: a time is out of the range of dates.
fn entry(layout: Layout, record: &TokenRecord) -> Option<Mapping> {
    let (note_key, entry) = match layout {
        Layout::List => ("note", MappingBuilder::new().pair("id", record.id.as_str())),
        Layout::Map => ("annotation", MappingBuilder::new()),
    };
    let expires_at = match record.expires_at {
        Some(end) => stamp(end)?,
        None => ScalarValue::null(),
    };
    let mut entry =
        entry.pair("hash", record.hash.to_hex()).pair(note_key, plain_or_quoted(&record.note));
    if let Some(database) = &record.database {
        entry = entry.pair("database", database.as_str());
    }
    entry = entry.pair("created_at", stamp(record.created_at)?).pair("expires_at", expires_at);
    if !record.roles.is_empty() {
        entry = entry.pair("roles", list(record.roles.iter().map(RoleName::as_str))?);
    }
    if let Some(role) = &record.db_role {
        entry = entry.pair("db_role", role.as_str());
    }
    if let Some(tools) = &record.tools {
        entry = entry.pair("tools", list(tools.iter().map(ToolName::as_str))?);
    }
    if record.read_only {
        entry = entry.pair("read_only", true);
    }
    entry.build_document().as_mapping()
}

/// Quoted, as the documented layout has it: some readers take a bare one for a date of their own.
fn stamp(time: SystemTime) -> Option<ScalarValue> {
    Timestamp::try_from(time).ok().map(|time| ScalarValue::double_quoted(time.to_string()))
}

/// Text with characters that act goes into double quotes, where each has an escape.
fn plain_or_quoted(text: &str) -> ScalarValue {
    if text.chars().any(is_escaped) {
        ScalarValue::double_quoted(text)
    } else {
        ScalarValue::string(text)
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<Sequence> {
    let list = names.fold(SequenceBuilder::new(), SequenceBuilder::item);
    list.build_document().as_sequence()
}
