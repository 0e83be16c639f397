//! A change to the text of a credential file that leaves alone what it does not mean: comments,
//! order, indentation, the operator's own keys. What comes out is read back and compared before
//! anybody writes it.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr as _;
use std::time::SystemTime;

use jiff::Timestamp;
use mcp_store::StoreError;
use yaml_edit::{
    Mapping, MappingBuilder, ScalarValue, Sequence, SequenceBuilder, TextPosition, YamlFile,
};

use crate::document::{Document, Layout};
use crate::fault::{WithHint as _, is_escaped, refused, shown};
use crate::kind::{Kind, Said};
use crate::yaml;

/// One change.
pub(crate) enum Edit<K: Kind> {
    /// Behind all others, in this order.
    Insert(Vec<K::Record>),
    /// The record of the same name becomes this one.
    Replace(K::Record),
    Remove(Vec<K::Id>),
}

/// The text after all of these changes. `document` is what `text` was read as.
pub(crate) fn apply<K: Kind>(
    text: String,
    document: Document<K>,
    edits: Vec<Edit<K>>,
    path: &Path,
) -> Result<String, StoreError> {
    let before = (text, document);
    let after = edits
        .into_iter()
        .try_fold(before, |(text, document), edit| one_more(&text, document, edit, path))?;
    Ok(after.0)
}

/// The text after one change, and what it reads as.
fn one_more<K: Kind>(
    text: &str,
    document: Document<K>,
    edit: Edit<K>,
    path: &Path,
) -> Result<(String, Document<K>), StoreError> {
    let unable = || {
        refused(shown(path), "cannot be changed without touching other entries")
            .hint(K::WORDS.unable)
    };
    let (after, kept) = edited(text, &document, &edit).ok_or_else(unable)?;
    let kept = kept.holds(text, &after);
    let intended = match edit {
        Edit::Insert(records) => document.with(records),
        Edit::Replace(record) => document.replacing(record),
        Edit::Remove(ids) => document.without(&ids),
    };
    match yaml::parse(&after, path) {
        Ok(read_back) if kept && read_back == intended => Ok((after, read_back)),
        _ => Err(unable()),
    }
}

/// What must be as it was.
enum Kept {
    /// Every line, in the same order: nothing was changed but entries that came or went.
    Lines,
    /// Every byte outside of this part of the text, and in it all lines but so many.
    AllBut(Range<usize>, usize),
}

impl Kept {
    fn holds(&self, before: &str, after: &str) -> bool {
        match self {
            // One line may differ: the last entry that goes turns `tokens:` into `tokens: []`,
            // and a list on one line is one line.
            Self::Lines if after.len() > before.len() => lines_survive(before, after, 1),
            Self::Lines => lines_survive(after, before, 1),
            Self::AllBut(part, lost) => {
                let (head, tail) = (&before[..part.start], &before[part.end..]);
                let inner = after.strip_prefix(head).map(str::trim_end);
                // A file that did not end its last line does so now.
                let inner = inner.and_then(|rest| rest.strip_suffix(tail.trim_end()));
                inner.is_some_and(|inner| lines_survive(&before[part.clone()], inner, *lost))
            }
        }
    }
}

/// Does every line of `fewer` stand in `more`, in the same order, but for so many?
fn lines_survive(fewer: &str, more: &str, but_for: usize) -> bool {
    let mut rest = more.lines();
    let mut lost = 0;
    for line in fewer.lines() {
        let mut ahead = rest.clone();
        if ahead.any(|candidate| candidate == line) {
            rest = ahead;
        } else {
            lost += 1;
            if lost > but_for {
                return false;
            }
        }
    }
    true
}

fn edited<K: Kind>(text: &str, before: &Document<K>, edit: &Edit<K>) -> Option<(String, Kept)> {
    let file = YamlFile::from_str(text).ok()?;
    let document = file.document()?;
    let kept = match edit {
        Edit::Insert(records) => {
            insert(&document, before, records.first()?).map(|()| Kept::Lines)?
        }
        Edit::Replace(record) => change(&document, text, before, record)?,
        Edit::Remove(ids) => remove(&document, before, ids).map(|()| Kept::Lines)?,
    };
    let mut text = file.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if let Edit::Insert(records) = edit {
        text = append::<K>(text, before.layout, records.get(1..)?)?;
    }
    Some((text, kept))
}

fn insert<K: Kind>(
    document: &yaml_edit::Document,
    before: &Document<K>,
    record: &K::Record,
) -> Option<()> {
    let (root, entry) = (K::WORDS.root, entry::<K>(before.layout, record)?);
    let id = K::id(record).to_string();
    match (before.layout, before.entries.is_empty()) {
        (Layout::List, false) => document.get_sequence(root)?.push(entry),
        (Layout::Map, false) => document.get_mapping(root)?.set(id, entry),
        // An empty `[]` would grow on its one line: a block takes its place.
        (Layout::List, true) => {
            let list = SequenceBuilder::new().item(entry).build_document().as_sequence()?;
            document.set(root, list).then_some(())?;
        }
        (Layout::Map, true) => {
            let map = MappingBuilder::new().pair(id, entry).build_document().as_mapping()?;
            document.set(root, map).then_some(())?;
        }
    }
    Some(())
}

/// Writes more entries behind the last one, as it stands. One by one, a thousand would take
/// minutes: each would walk through all that are there.
fn append<K: Kind>(mut text: String, layout: Layout, records: &[K::Record]) -> Option<String> {
    if records.is_empty() {
        return Some(text);
    }
    let last = last_entry::<K>(&text, layout)?;
    let line = text[..last.start].rfind('\n').map_or(0, |end| end + 1);
    let rest = &text[line..];
    let dent = rest[..rest.len() - rest.trim_start_matches(' ').len()].to_owned();
    let end = last.start + text[last.clone()].trim_end().len();
    let place = text[end..].find('\n').map(|more| end + more + 1)?;
    let mut more = String::new();
    for record in records {
        for line in alone::<K>(layout, record)?.lines() {
            more.extend([&dent, line, "\n"]);
        }
    }
    text.insert_str(place, &more);
    Some(text)
}

/// Where the last entry stands.
fn last_entry<K: Kind>(text: &str, layout: Layout) -> Option<Range<usize>> {
    let document = YamlFile::from_str(text).ok()?.document()?;
    let position = match layout {
        Layout::List => {
            let list = document.get_sequence(K::WORDS.root)?;
            list.get(list.len().checked_sub(1)?)?.byte_range()
        }
        Layout::Map => document.get_mapping(K::WORDS.root)?.entries().last()?.byte_range(),
    };
    Some(range(position))
}

/// An entry as it stands in a file without others.
fn alone<K: Kind>(layout: Layout, record: &K::Record) -> Option<String> {
    let entry = entry::<K>(layout, record)?;
    let document = match layout {
        Layout::List => SequenceBuilder::new().item(entry).build_document(),
        Layout::Map => {
            MappingBuilder::new().pair(K::id(record).to_string(), entry).build_document()
        }
    };
    Some(document.to_string())
}

fn remove<K: Kind>(
    document: &yaml_edit::Document,
    before: &Document<K>,
    ids: &[K::Id],
) -> Option<()> {
    let root = K::WORDS.root;
    let gone: HashSet<&K::Id> = ids.iter().collect();
    let places = before.records().enumerate();
    let places: Vec<_> =
        places.filter(|(_, record)| gone.contains(K::id(record))).map(|(place, _)| place).collect();
    match before.layout {
        Layout::List => {
            let list = document.get_sequence(root)?;
            if gone.len() == before.entries.len() {
                return document.set(root, Sequence::new_flow()).then_some(());
            }
            // From the end: a removal moves what comes after it.
            for place in places.into_iter().rev() {
                list.remove(place)?;
            }
        }
        Layout::Map => {
            let map = document.get_mapping(root)?;
            if gone.len() == before.entries.len() {
                return document.set(root, Mapping::new_flow()).then_some(());
            }
            let keys: Vec<_> = map.keys().collect();
            for place in places.into_iter().rev() {
                map.remove(keys.get(place)?)?;
            }
        }
    }
    Some(())
}

/// Changes the keys of one entry that say something else in `record`.
fn change<K: Kind>(
    document: &yaml_edit::Document,
    text: &str,
    before: &Document<K>,
    record: &K::Record,
) -> Option<Kept> {
    let (root, place) = (K::WORDS.root, before.place(K::id(record))?);
    let (entry, part) = match before.layout {
        Layout::List => {
            let entry = document.get_sequence(root)?.get(place)?;
            (entry.as_mapping()?.clone(), entry.byte_range())
        }
        Layout::Map => {
            let entry = document.get_mapping(root)?.entries().nth(place)?;
            (entry.value_node()?.as_mapping()?.clone(), entry.byte_range())
        }
    };
    let part = range(part);
    // On one line, everything is on the line that changes.
    let mut lost = if entry.is_flow_style() { text.get(part.clone())?.lines().count() } else { 0 };
    let old = K::said(&before.entries.get(place)?.record, before.layout);
    for ((key, old), (_, new)) in old.into_iter().zip(K::said(record, before.layout)) {
        if old != new {
            let key = standing(&entry, key);
            // Before anything of this entry moves: changed from its end, its beginnings stay.
            lost += lines_of(&entry, key);
            put(&entry, key, new)?;
        }
    }
    Some(Kept::AllBut(part, lost))
}

/// The key as it stands in `entry`: a note has two.
fn standing<'k>(entry: &Mapping, key: &'k str) -> &'k str {
    let other = match key {
        "annotation" => "note",
        "note" => "annotation",
        key => return key,
    };
    if entry.contains_key(other) { other } else { key }
}

fn lines_of(entry: &Mapping, key: &str) -> usize {
    entry.find_entry_by_key(key).map_or(0, |pair| pair.to_string().lines().count())
}

fn put(entry: &Mapping, key: &str, value: Option<Said>) -> Option<()> {
    match value {
        Some(Said::Names(names)) => entry.set(key, list(&names)?),
        Some(said) => entry.set(key, scalar(said)?),
        None => {
            entry.remove(key)?;
        }
    }
    Some(())
}

/// An entry as `layout` writes it. `None`: a time is out of the range of dates.
fn entry<K: Kind>(layout: Layout, record: &K::Record) -> Option<Mapping> {
    let mut entry = MappingBuilder::new();
    for (key, said) in K::said(record, layout) {
        entry = match said {
            Some(Said::Names(names)) => entry.pair(key, list(&names)?),
            Some(said) => entry.pair(key, scalar(said)?),
            None => entry,
        };
    }
    entry.build_document().as_mapping()
}

fn scalar(said: Said) -> Option<ScalarValue> {
    Some(match said {
        Said::Text(text) => plain_or_quoted(&text),
        Said::Time(time) => stamp(time)?,
        Said::Truth(truth) => ScalarValue::from(truth),
        Said::Nothing => ScalarValue::null(),
        Said::Names(_) => return None,
    })
}

/// Quoted, as the documented layout has it: some readers take a bare one for a date of their own.
fn stamp(time: SystemTime) -> Option<ScalarValue> {
    Timestamp::try_from(time).ok().map(|time| ScalarValue::double_quoted(time.to_string()))
}

/// Text with characters that act goes into double quotes, where each has an escape; so does what
/// would end early in an entry on one line (`{note: A:?}`).
fn plain_or_quoted(text: &str) -> ScalarValue {
    let ends_early =
        text.split(':').skip(1).any(|rest| rest.starts_with([',', '?', '[', ']', '{', '}']));
    if ends_early || text.chars().any(is_escaped) {
        ScalarValue::double_quoted(text)
    } else {
        ScalarValue::string(text)
    }
}

fn list(names: &[String]) -> Option<Sequence> {
    if names.is_empty() {
        return Some(Sequence::new_flow());
    }
    let list = names.iter().fold(SequenceBuilder::new(), |list, name| list.item(name.as_str()));
    list.build_document().as_sequence()
}

fn range(position: TextPosition) -> Range<usize> {
    position.start as usize..position.end as usize
}
