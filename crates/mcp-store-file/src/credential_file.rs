//! A credential file of either kind: read as it is, changed as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mcp_store::{Change, ChangeSender, StoreError, StoreErrorKind};

use crate::access::{self, Managed, Owner, may_write, resolve};
use crate::document::Document;
use crate::edit::{self, Edit};
use crate::fault::{WithHint as _, quoted, shown, system};
use crate::kind::Kind;
use crate::latest::Latest;
use crate::lock::WriteLock;
use crate::replace::{folder_of, replace};
use crate::yaml;

/// Every call reads the file, and every change reads it again under the write lock; but while a
/// watch lives, what the watch read last is what is there. Clones are one file.
pub(crate) struct CredentialFile<K: Kind> {
    path: Arc<Path>,
    managed: Managed,
    changes: ChangeSender,
    /// The operator's own keys that were told of last.
    warned: Arc<Mutex<Vec<String>>>,
    latest: Latest<K>,
}

/// What a change comes to, and the answer.
pub(crate) type Decision<K, T> = (Work<K>, T);

/// Edits that are made together, and the word of each. Where there are none, nothing is written.
pub(crate) struct Work<K: Kind>(Vec<(Edit<K>, Change)>);

impl<K: Kind> Work<K> {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn one(edit: Edit<K>, change: Change) -> Self {
        Self::none().and(edit, change)
    }

    pub(crate) fn and(mut self, edit: Edit<K>, change: Change) -> Self {
        self.0.push((edit, change));
        self
    }
}

impl<K: Kind> CredentialFile<K> {
    pub(crate) fn open(path: &Path) -> Self {
        Self {
            path: path.into(),
            managed: Managed::ForUs,
            changes: ChangeSender::new(),
            warned: Arc::default(),
            latest: Latest::default(),
        }
    }

    pub(crate) fn for_its_owner(self) -> Self {
        Self { managed: Managed::ForItsOwner, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn managed(&self) -> Managed {
        self.managed
    }

    pub(crate) fn changes(&self) -> &ChangeSender {
        &self.changes
    }

    pub(crate) fn latest(&self) -> &Latest<K> {
        &self.latest
    }

    /// Reads the file itself, whatever a watch has read.
    pub(crate) fn read(&self) -> Result<Vec<K::Record>, StoreError> {
        self.document().map(Document::into_records)
    }

    /// Every record.
    pub(crate) fn all(&self) -> Result<Vec<K::Record>, StoreError> {
        match self.latest.snapshot() {
            Some(snapshot) => Ok(snapshot.records()),
            None => self.read(),
        }
    }

    /// The record of that key.
    pub(crate) fn find(&self, key: &K::Key) -> Result<Option<K::Record>, StoreError> {
        match self.latest.snapshot() {
            Some(snapshot) => Ok(snapshot.find(key)),
            None => Ok(self.read()?.into_iter().find(|record| K::key(record) == *key)),
        }
    }

    fn document(&self) -> Result<Document<K>, StoreError> {
        let path = resolve(&self.path)?;
        let read = access::read(&path, self.managed, &K::WORDS);
        let (text, _) = read.map_err(|error| self.missing(error))?;
        self.parse(&text)
    }

    /// What a text says, were it the file's.
    pub(crate) fn parse(&self, text: &str) -> Result<Document<K>, StoreError> {
        let document = yaml::parse(text, &self.path)?;
        self.warn_of_foreign_keys(&document);
        Ok(document)
    }

    fn missing(&self, error: StoreError) -> StoreError {
        if error.kind != StoreErrorKind::Missing {
            return error;
        }
        StoreError { place: shown(&self.path), fault: "there is no such file".into(), ..error }
            .hint(K::WORDS.missing)
    }

    /// Once, until there are others: who reads the file again and again need not say so again.
    fn warn_of_foreign_keys(&self, document: &Document<K>) {
        const SHOWN: usize = 8;
        let of_entries = document.entries.iter().flat_map(|entry| entry.foreign.keys());
        let keys: BTreeSet<_> = document.foreign.keys().chain(of_entries).collect();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.iter().eq(warned.iter()) {
            return;
        }
        *warned = keys.iter().map(|key| (*key).to_owned()).collect();
        if keys.is_empty() {
            return;
        }
        let names: Vec<_> = keys.into_iter().take(SHOWN).map(quoted).collect();
        let (file, keys) = (shown(&self.path), names.join(", "));
        tracing::warn!(file = %file, keys = %keys, "Unknown keys in the {} mean nothing", K::WORDS.file);
    }

    /// Under the write lock: reads the file anew, lets `decide` choose the change, makes it and
    /// tells of it.
    pub(crate) fn rewrite<T, E: From<StoreError>>(
        &self,
        decide: impl FnOnce(&Document<K>) -> Result<Decision<K, T>, E>,
    ) -> Result<T, E> {
        let path = resolve(&self.path)?;
        let owner = owner_of(&path)?;
        may_write(&path, owner.user)?;
        let _lock = WriteLock::acquire(&path, owner)?;
        let (text, owner) = match access::read(&path, self.managed, &K::WORDS) {
            Ok((text, metadata)) => (text, Owner::of(&metadata)),
            Err(error) if error.kind == StoreErrorKind::Missing => {
                (K::WORDS.nothing.to_owned(), owner)
            }
            Err(error) => return Err(error.into()),
        };
        let document = yaml::parse(&text, &self.path)?;
        let (Work(work), answer) = decide(&document)?;
        if work.is_empty() {
            return Ok(answer);
        }
        let (edits, changes): (Vec<_>, Vec<_>) = work.into_iter().unzip();
        let after = edit::apply(text, document, edits, &self.path)?;
        let replaced = replace(&path, &after, owner);
        // What is in the file is in force, whether or not it would survive a power cut.
        if replaced.as_ref().err().is_none_or(|error| error.kind == StoreErrorKind::NotDurable) {
            self.latest.outdate();
            for change in changes {
                self.changes.tell(change);
            }
        }
        replaced?;
        Ok(answer)
    }

    /// A removal from a file that is not there is the caller's mistake about the path.
    pub(crate) fn must_exist(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(self.missing(system(&self.path, "look at it", &error)))
            }
            _ => Ok(()),
        }
    }
}

impl<K: Kind> Clone for CredentialFile<K> {
    fn clone(&self) -> Self {
        Self {
            path: Arc::clone(&self.path),
            managed: self.managed,
            changes: self.changes.clone(),
            warned: Arc::clone(&self.warned),
            latest: self.latest.clone(),
        }
    }
}

/// To whom the file belongs, or will: a new one goes to the owner of its folder.
fn owner_of(path: &Path) -> Result<Owner, StoreError> {
    let of_file = fs::symlink_metadata(path);
    let found = match of_file {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = folder_of(path);
            let of_folder = fs::metadata(&folder);
            let found = of_folder.map_err(|error| system(&folder, "look at it", &error))?;
            // Not the owner of /tmp, say: who is not root makes a file of his own.
            let us = access::effective_user();
            return Ok(match us {
                0 => Owner::of(&found),
                user => Owner { user, group: Owner::of(&found).group },
            });
        }
        found => found.map_err(|error| access::denied(path, "look at it", &error))?,
    };
    Ok(Owner::of(&found))
}
