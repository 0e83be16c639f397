//! The configuration file as a layer.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::document::{self, DocumentFault, DocumentFaultKind, Entry, Node, Scalar};
use crate::error::{ConfigError, Fault, quoted};
use crate::layer::{self, Settings};
use crate::origin::{Layer, Origin, Setting};
use crate::table::{self, Found, Key, MOST_DATABASES};
use crate::value::{Kind, Value};

/// The largest configuration file, in bytes.
pub(crate) const LARGEST_FILE: u64 = 1 << 20;

/// What a configuration file says.
#[derive(Default)]
pub(crate) struct FileLayer {
    pub(crate) settings: Settings,
    /// How many databases it lists.
    pub(crate) databases: usize,
}

/// Reads a configuration file: JSON where its name ends in `.json`, else YAML.
pub(crate) fn read(path: &Path) -> Result<FileLayer, ConfigError> {
    let origin = |line| Origin::File { path: path.to_owned(), line };
    let text = layer::read_bounded(path, LARGEST_FILE).map_err(|fault| {
        let error = ConfigError::new(origin(None), None, fault);
        match error.fault() {
            Fault::NotFound => error.with_hint("name an existing file with --config"),
            _ => error,
        }
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let root = if path.extension() == Some(OsStr::new("json")) {
        document::read_json(text)
    } else {
        document::read_yaml(text)
    }
    .map_err(|fault| document_error(fault, &origin))?;
    let mut walk = Walk { path, layer: FileLayer::default() };
    match root {
        Node::Empty => {}
        Node::Map(entries) => walk.entries("", &entries)?,
        Node::Scalar(_) | Node::List(_) => {
            let fault = Fault::Syntax("expected keys, such as `http:`".into());
            return Err(ConfigError::new(origin(None), None, fault));
        }
    }
    Ok(walk.layer)
}

fn document_error(fault: DocumentFault, origin: &dyn Fn(Option<usize>) -> Origin) -> ConfigError {
    let (kind, hint) = match fault.kind {
        DocumentFaultKind::Duplicate => (Fault::DuplicateKey, Some("keep one of the two")),
        DocumentFaultKind::Refused(what) => (
            Fault::Refused(what),
            Some("write the value out; text that starts with such a character goes in quotes"),
        ),
        DocumentFaultKind::Syntax(message) => (Fault::Syntax(message), None),
    };
    let error = ConfigError::new(origin(fault.line), fault.key.map(|key| shown(&key)), kind);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// A walk through the tree, in file order.
struct Walk<'p> {
    path: &'p Path,
    layer: FileLayer,
}

impl Walk<'_> {
    fn entries(&mut self, above: &str, entries: &[Entry]) -> Result<(), ConfigError> {
        entries.iter().try_for_each(|entry| self.entry(above, entry))
    }

    fn entry(&mut self, above: &str, entry: &Entry) -> Result<(), ConfigError> {
        let path = match above {
            "" => entry.key.clone(),
            above => format!("{above}.{}", entry.key),
        };
        if entry.key.contains(['.', '[', ']']) {
            let error = self.error(entry, &path, Fault::UnknownKey);
            return Err(error.with_hint("write each part of a key below the one before it"));
        }
        if let Some(found) = table::find(&path) {
            return self.value(found, &path, entry);
        }
        if table::is_section(&format!("{path}[]")) {
            return self.list(&path, entry);
        }
        if !table::is_section(&path) {
            let error = self.error(entry, &path, Fault::UnknownKey);
            return Err(match table::nearest(&path) {
                Some(near) => error.with_hint(format!("did you mean {near}?")),
                None => error,
            });
        }
        match &entry.node {
            Node::Empty => Ok(()),
            Node::Map(entries) => self.entries(&path, entries),
            other => Err(self.wrong(entry, &path, "keys below it", describe(other))),
        }
    }

    fn list(&mut self, path: &str, entry: &Entry) -> Result<(), ConfigError> {
        let items = match &entry.node {
            Node::Empty => return Ok(()),
            Node::List(items) => items,
            other => {
                return Err(self.wrong(
                    entry,
                    path,
                    "a list, each item after `- `",
                    describe(other),
                ));
            }
        };
        if items.len() > MOST_DATABASES {
            let accepted = format!("at most {MOST_DATABASES} items");
            return Err(self.wrong(entry, path, &accepted, items.len().to_string()));
        }
        self.layer.databases = items.len();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            match item {
                Node::Map(entries) => self.entries(&path, entries)?,
                other => return Err(self.wrong(entry, &path, "keys below it", describe(other))),
            }
        }
        Ok(())
    }

    fn value(&mut self, found: Found, path: &str, entry: &Entry) -> Result<(), ConfigError> {
        if matches!(entry.node, Node::Empty) {
            return Ok(());
        }
        let key = found.place.key();
        let value = if found.is_file {
            let file = entry.node.as_text().map(|text| self.beside(text));
            let fault = Fault::BadValue {
                accepted: Kind::Path.to_string(),
                found: Some(describe(&entry.node)),
            };
            file.ok_or(fault).and_then(|file| layer::secret_in(key, &file))
        } else {
            let read = key.kind.read(&entry.node);
            read.ok_or_else(|| layer::bad_value(key, Some(describe_for(key, &entry.node))))
        };
        let value = value.and_then(|value| self.settled(key, value));
        let value = value.map_err(|fault| self.error(entry, path, fault))?;
        let setting = Setting { value, origin: self.origin(entry), layer: Layer::File };
        layer::put(&mut self.layer.settings, found.place, setting)
    }

    /// The same value with its path, if it has one, no longer relative.
    fn settled(&self, key: &Key, value: Value) -> Result<Value, Fault> {
        let absolute = |text: &str| {
            self.beside(text).into_os_string().into_string().map_err(|_| Fault::PathNotUtf8)
        };
        match (value, key.kind) {
            (Value::Path(text), _) => absolute(&text).map(Value::Path),
            (Value::Text(text), Kind::WordOrPath { prefix, .. }) => {
                Ok(Value::Text(match text.strip_prefix(prefix) {
                    Some(path) => format!("{prefix}{}", absolute(path)?),
                    None => text,
                }))
            }
            (other, _) => Ok(other),
        }
    }

    /// A path of the file, relative to the file.
    fn beside(&self, text: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        // Through its components, which drop the `.` of "./tokens.yaml".
        folder.join(text).components().collect()
    }

    fn origin(&self, entry: &Entry) -> Origin {
        Origin::File { path: self.path.to_owned(), line: entry.line }
    }

    fn error(&self, entry: &Entry, path: &str, fault: Fault) -> ConfigError {
        ConfigError::new(self.origin(entry), Some(shown(path)), fault)
    }

    fn wrong(&self, entry: &Entry, path: &str, accepted: &str, found: String) -> ConfigError {
        self.error(entry, path, Fault::BadValue { accepted: accepted.into(), found: Some(found) })
    }
}

/// What stands there, for an error message.
fn describe(node: &Node) -> String {
    match node {
        Node::Empty => "nothing".into(),
        Node::Scalar(Scalar::Bool(value)) => value.to_string(),
        Node::Scalar(Scalar::Number(text)) => text.clone(),
        Node::Scalar(Scalar::Text(text)) => quoted(text),
        Node::List(_) => "a list".into(),
        Node::Map(_) => "a mapping".into(),
    }
}

/// The same, but of a list the item that is at fault.
fn describe_for(key: &Key, node: &Node) -> String {
    let Node::List(items) = node else { return describe(node) };
    let at_fault = |item: &&Node| item.as_text().is_none_or(|text| key.kind.parse(text).is_none());
    match (key.kind, items.iter().find(at_fault)) {
        (Kind::List { .. }, Some(item)) => describe(item),
        _ => describe(node),
    }
}

/// A key as an error may show it: on one line, and cut.
fn shown(key: &str) -> String {
    key.chars().take(120).flat_map(char::escape_debug).collect()
}
