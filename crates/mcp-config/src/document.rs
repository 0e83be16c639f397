//! The configuration file as a tree in which every key knows its line.
//!
//! Neither parser reports lines for what it accepts, so the tree is built by a visitor of its own.
//! YAML: the visitor of each key fails on purpose, `serde_yaml` puts the position into that error,
//! and the parse goes on behind the key. JSON: a key without escapes is a slice of the input, and
//! its offset tells the line. A line that neither way yields is left out.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::syntax;

/// A value of the file.
#[derive(Debug)]
pub(crate) enum Node {
    /// Nothing, or `null`: as if the key were not there.
    Empty,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar; numbers keep their text.
#[derive(Debug)]
pub(crate) enum Scalar {
    Bool(bool),
    Number(String),
    Text(String),
}

/// One key of a mapping, in file order.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Counted from 1.
    pub(crate) line: Option<usize>,
    pub(crate) node: Node,
}

/// Why a text is no document.
#[derive(Debug)]
pub(crate) struct DocumentFault {
    pub(crate) line: Option<usize>,
    /// The key at fault, where it is one.
    pub(crate) key: Option<String>,
    pub(crate) kind: DocumentFaultKind,
}

#[derive(Debug)]
pub(crate) enum DocumentFaultKind {
    Duplicate,
    Refused(&'static str),
    Syntax(String),
}

impl Node {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Scalar(Scalar::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Reads one YAML document. Anchors, aliases, tags, directives and merge keys are refused.
pub(crate) fn read_yaml(text: &str) -> Result<Node, DocumentFault> {
    if let Some((line, what)) = syntax::find_refused(text) {
        let kind = DocumentFaultKind::Refused(what);
        return Err(DocumentFault { line: Some(line), key: None, kind });
    }
    let reading = Reading::of(text);
    let parsed = Grow(&reading).deserialize(serde_yaml::Deserializer::from_str(text));
    parsed.map_err(|error| {
        let line = error.location().map(|place| place.line());
        reading.fault(line, &error.to_string())
    })
}

/// Reads one JSON document.
pub(crate) fn read_json(text: &str) -> Result<Node, DocumentFault> {
    let reading = Reading::of(text);
    let mut parser = serde_json::Deserializer::from_str(text);
    let parsed = Grow(&reading).deserialize(&mut parser);
    parsed
        .and_then(|node| parser.end().map(|()| node))
        .map_err(|error| reading.fault(Some(error.line()), &error.to_string()))
}

/// What the visitors of one document share.
struct Reading<'t> {
    text: &'t str,
    /// The offset of each newline.
    newlines: Vec<usize>,
    /// A fault that a visitor found itself; the parser's own error is then only the way out.
    found: Cell<Option<DocumentFault>>,
}

impl<'t> Reading<'t> {
    fn of(text: &'t str) -> Self {
        let newlines = text.match_indices('\n').map(|(offset, _)| offset).collect();
        Self { text, newlines, found: Cell::new(None) }
    }

    /// The line of a slice of the document. `None`: it is no slice of it.
    fn line_of(&self, slice: &str) -> Option<usize> {
        let offset = slice.as_ptr().addr().checked_sub(self.text.as_ptr().addr())?;
        let inside = offset < self.text.len();
        inside.then(|| self.newlines.partition_point(|newline| *newline < offset) + 1)
    }

    fn fault(&self, line: Option<usize>, message: &str) -> DocumentFault {
        self.found.take().unwrap_or_else(|| {
            let message = message.split(" at line ").next().unwrap_or(message);
            let kind = DocumentFaultKind::Syntax(message.to_owned());
            DocumentFault { line: line.filter(|line| *line > 0), key: None, kind }
        })
    }
}

/// Grows a node, and its children with it.
struct Grow<'r, 't>(&'r Reading<'t>);

impl<'de> DeserializeSeed<'de> for Grow<'_, '_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Grow<'_, '_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without tags")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    /// An empty YAML document.
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Empty)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Bool(value)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Number(number.to_string())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Number(number.to_string())))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Number(number.to_string())))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Number(number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Number(number.to_string())))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Scalar::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element_seed(Grow(self.0))? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key_seed(ReadKey(self.0))? {
            if let Err(fault) = key.check(&seen) {
                self.0.found.set(Some(fault));
                return Err(de::Error::custom("refused"));
            }
            seen.insert(key.text.clone());
            let node = map.next_value_seed(Grow(self.0))?;
            entries.push(Entry { key: key.text, line: key.line, node });
        }
        Ok(Node::Map(entries))
    }
}

struct Key {
    text: String,
    line: Option<usize>,
}

impl Key {
    fn check(&self, seen: &HashSet<String>) -> Result<(), DocumentFault> {
        let kind = if self.text == "<<" {
            DocumentFaultKind::Refused("a merge key (<<)")
        } else if seen.contains(&self.text) {
            DocumentFaultKind::Duplicate
        } else {
            return Ok(());
        };
        Err(DocumentFault { line: self.line, key: Some(self.text.clone()), kind })
    }
}

/// Reads a key and the line on which it stands.
struct ReadKey<'r, 't>(&'r Reading<'t>);

impl<'de> DeserializeSeed<'de> for ReadKey<'_, '_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Key, D::Error> {
        let mut key = None;
        let outcome = from.deserialize_str(TakeKey { reading: self.0, key: &mut key });
        // Only `TakeKey` fills the slot, and it always fails afterwards: see the top of the file.
        match (key, outcome) {
            (Some(key), Err(positioned)) => {
                let line = line_in(&positioned.to_string()).or(key.line);
                Ok(Key { text: key.text, line })
            }
            (_, Err(error)) => Err(error),
            (_, Ok(never)) => match never {},
        }
    }
}

/// Takes the text of a key, then fails in order to learn its position.
struct TakeKey<'r, 't, 'k> {
    reading: &'r Reading<'t>,
    key: &'k mut Option<Key>,
}

/// Has no value: [`TakeKey`] never succeeds.
enum Never {}

impl<'de> Visitor<'de> for TakeKey<'_, '_, '_> {
    type Value = Never;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain key")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Never, E> {
        *self.key = Some(Key { text: text.to_owned(), line: None });
        Err(E::custom("key"))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Never, E> {
        let line = self.reading.line_of(text);
        *self.key = Some(Key { text: text.to_owned(), line });
        Err(E::custom("key"))
    }
}

/// The line in the words with which both parsers end a positioned error.
fn line_in(message: &str) -> Option<usize> {
    let (_, place) = message.rsplit_once(" at line ")?;
    place.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(node: &Node) -> Vec<(String, Option<usize>)> {
        match node {
            Node::Map(entries) => entries
                .iter()
                .flat_map(|entry| {
                    let own = (entry.key.clone(), entry.line);
                    std::iter::once(own).chain(lines(&entry.node))
                })
                .collect(),
            Node::List(items) => items.iter().flat_map(lines).collect(),
            Node::Empty | Node::Scalar(_) => Vec::new(),
        }
    }

    fn expected(keys: &[(&str, usize)]) -> Vec<(String, Option<usize>)> {
        keys.iter().map(|(key, line)| ((*key).to_owned(), Some(*line))).collect()
    }

    #[test]
    fn every_key_of_a_yaml_file_knows_its_line() {
        let text = "a: 1\n# später\nb:\n  - c: x\n    d: |\n      e: 1\n      f\n  - {g: 1,\n     \"h\": [1,\n 2]}\n\ni: 'x\n  y'\nj:\n";
        let keys =
            [("a", 1), ("b", 3), ("c", 4), ("d", 5), ("g", 8), ("h", 9), ("i", 12), ("j", 14)];
        assert_eq!(lines(&read_yaml(text).unwrap()), expected(&keys));
    }

    #[test]
    fn every_key_of_a_json_file_knows_its_line() {
        let text = "{\n\t\"a\": 1,\n\t\"ü\": [\n\t\t{\"c\": \"x\\n\"}],\n\n\t\"d\": null}";
        let keys = [("a", 2), ("ü", 3), ("c", 4), ("d", 6)];
        assert_eq!(lines(&read_json(text).unwrap()), expected(&keys));
    }

    #[test]
    fn a_line_that_is_not_known_is_left_out() {
        let node = read_json("{\"\\u0061\": 1}").unwrap();
        assert_eq!(lines(&node), [("a".to_owned(), None)]);
    }

    #[test]
    fn a_broken_document_names_the_line() {
        let fault = read_yaml("a: 1\nb: [1, 2\nc: }\n").unwrap_err();
        assert!(fault.line.is_some_and(|line| line >= 2), "{fault:?}");
        let fault = read_json("{\n\"a\": 1,\n}").unwrap_err();
        assert_eq!(fault.line, Some(3));
    }
}
