//! API tokens in a YAML file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use mcp_identity::TokenHash;
use mcp_store::{
    BoxFuture, Change, ChangeSender, Changes, InsertRejection, RemoveRejection, StoreError,
    StoreErrorKind, TokenRecord, TokenSelector, TokenStore,
};

use crate::access::{self, Managed, Owner, may_write, resolve};
use crate::document::TokenDocument;
use crate::edit::{self, Edit, NO_TOKENS};
use crate::fault::{WithHint as _, quoted, shown, system};
use crate::lock::WriteLock;
use crate::replace::{folder_of, replace};
use crate::yaml;

/// From so many entries on, expired ones stay in the file: rewriting it at every start would
/// cost more than they do. Nobody is let in by one.
const TOO_MANY_TO_SWEEP: usize = 20_000;

/// The API tokens of one server, in a file. Holds nothing of it in memory: every call reads the
/// file, and every change reads it again under the write lock.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    managed: Managed,
    changes: ChangeSender,
    warned: AtomicBool,
}

impl TokenFile {
    /// The token file at `path`, which need not exist yet. Reads nothing.
    #[must_use]
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            managed: Managed::ForUs,
            changes: ChangeSender::new(),
            warned: AtomicBool::new(false),
        }
    }

    /// For the operator's tool: run as root, it may manage a file that the service's user owns,
    /// and leaves it to that user. A server must not trust such a file.
    #[must_use]
    pub fn for_its_owner(self) -> Self {
        Self { managed: Managed::ForItsOwner, ..self }
    }

    /// The path as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every token, in the order of the file.
    ///
    /// # Errors
    /// [`StoreErrorKind::Missing`] if there is no file; [`StoreErrorKind::Refused`] for one that
    /// others could have written or that does not say what a token file says, with the line.
    pub fn read(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let document = self.document()?;
        Ok(document.entries.into_iter().map(|entry| entry.record).collect())
    }

    pub(crate) fn tell(&self, change: Change) {
        self.changes.tell(change);
    }

    pub(crate) fn managed(&self) -> Managed {
        self.managed
    }

    fn document(&self) -> Result<TokenDocument, StoreError> {
        let path = resolve(&self.path)?;
        let (text, _) = access::read(&path, self.managed).map_err(|error| self.missing(error))?;
        let document = yaml::parse(&text, &self.path)?;
        self.warn_of_foreign_keys(&document);
        Ok(document)
    }

    fn missing(&self, error: StoreError) -> StoreError {
        if error.kind != StoreErrorKind::Missing {
            return error;
        }
        StoreError { place: shown(&self.path), fault: "there is no such file".into(), ..error }
            .hint("create it with the first token: mcp-admin tokens add")
    }

    /// Once for each value: who reads the file again and again need not say so again.
    fn warn_of_foreign_keys(&self, document: &TokenDocument) {
        const SHOWN: usize = 8;
        let of_entries = document.entries.iter().flat_map(|entry| entry.foreign.keys());
        let mut keys: Vec<_> = document.foreign.keys().chain(of_entries).collect();
        if keys.is_empty() || self.warned.swap(true, Ordering::Relaxed) {
            return;
        }
        keys.sort_unstable();
        keys.dedup();
        let names: Vec<_> = keys.into_iter().take(SHOWN).map(quoted).collect();
        let (file, keys) = (shown(&self.path), names.join(", "));
        tracing::warn!(file = %file, keys = %keys, "Unknown keys in the token file mean nothing");
    }

    /// Under the write lock: reads the file anew, lets `decide` choose the change, makes it and
    /// tells of it.
    fn rewrite<T, E: From<StoreError>>(
        &self,
        decide: impl FnOnce(&TokenDocument) -> Result<(Edit, Change, T), E>,
    ) -> Result<T, E> {
        let path = resolve(&self.path)?;
        let owner = owner_of(&path)?;
        may_write(&path, owner.user)?;
        let _lock = WriteLock::acquire(&path, owner)?;
        let (text, owner) = match access::read(&path, self.managed) {
            Ok((text, metadata)) => (text, Owner::of(&metadata)),
            Err(error) if error.kind == StoreErrorKind::Missing => (NO_TOKENS.to_owned(), owner),
            Err(error) => return Err(error.into()),
        };
        let document = yaml::parse(&text, &self.path)?;
        let (edit, change, answer) = decide(&document)?;
        let after = edit::apply(&text, document, edit, &self.path)?;
        let replaced = replace(&path, &after, owner);
        // What is in the file is in force, whether or not it would survive a power cut.
        if replaced.as_ref().err().is_none_or(|error| error.kind == StoreErrorKind::NotDurable) {
            self.changes.tell(change);
        }
        replaced?;
        Ok(answer)
    }

    /// A removal from a file that is not there is the caller's mistake about the path.
    fn must_exist(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(self.missing(system(&self.path, "look at it", &error)))
            }
            _ => Ok(()),
        }
    }

    fn insert_now(&self, record: TokenRecord) -> Result<(), InsertRejection> {
        self.rewrite(|document| {
            let records = || document.entries.iter().map(|entry| &entry.record);
            if records().any(|kept| kept.id == record.id) {
                return Err(InsertRejection::IdTaken);
            }
            if records().any(|kept| kept.hash == record.hash) {
                return Err(InsertRejection::HashTaken);
            }
            let change = Change::Token(record.id.clone());
            Ok((Edit::Insert(record), change, ()))
        })
    }

    fn remove_now(&self, selector: &TokenSelector) -> Result<TokenRecord, RemoveRejection> {
        self.must_exist()?;
        self.rewrite(|document| {
            let records = document.entries.iter().map(|entry| &entry.record);
            let mut named = records.filter(|record| selector.names(record));
            let record = match (named.next(), named.count()) {
                (None, _) => return Err(RemoveRejection::NotFound),
                (Some(record), 0) => record.clone(),
                (Some(_), others) => return Err(RemoveRejection::Ambiguous(others + 1)),
            };
            let edit = Edit::Remove(vec![record.id.clone()]);
            Ok((edit, Change::Token(record.id.clone()), record))
        })
    }

    fn remove_expired_now(&self, now: SystemTime) -> Result<usize, StoreError> {
        // Looked at without the lock first: mostly there is nothing to do, and a file that we
        // may only read is then no fault.
        let kept = self.read()?;
        if kept.len() >= TOO_MANY_TO_SWEEP || !kept.iter().any(|record| record.is_expired(now)) {
            return Ok(0);
        }
        self.rewrite(|document| {
            let records = document.entries.iter().map(|entry| &entry.record);
            let expired = records.filter(|record| record.is_expired(now));
            let ids: Vec<_> = expired.map(|record| record.id.clone()).collect();
            let removed = ids.len();
            Ok((Edit::Remove(ids), Change::Everything, removed))
        })
    }
}

impl TokenStore for TokenFile {
    fn all(&self) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(async { self.read() })
    }

    fn find(&self, hash: TokenHash) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(async move { Ok(self.read()?.into_iter().find(|record| record.hash == hash)) })
    }

    fn insert(&self, record: TokenRecord) -> BoxFuture<'_, Result<(), InsertRejection>> {
        Box::pin(async move { self.insert_now(record) })
    }

    fn remove(
        &self,
        selector: TokenSelector,
    ) -> BoxFuture<'_, Result<TokenRecord, RemoveRejection>> {
        Box::pin(async move { self.remove_now(&selector) })
    }

    fn remove_expired(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move { self.remove_expired_now(now) })
    }

    fn changes(&self) -> Changes {
        self.changes.listen()
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
