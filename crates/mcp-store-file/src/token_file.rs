//! API tokens in a YAML file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mcp_identity::TokenHash;
use mcp_store::{
    BoxFuture, Change, Changes, InsertRejection, RemoveRejection, RotateRejection, Rotated,
    Rotation, StoreError, StoreErrorKind, TokenRecord, TokenSelector, TokenStore,
};

use crate::credential_file::{CredentialFile, Work};
use crate::document::Document;
use crate::edit::Edit;
use crate::tokens::Tokens;
use crate::watch::{Presence, TokenFileWatch, Watch};

/// From so many entries on, expired ones stay in the file: rewriting it at every start would
/// cost more than they do. Nobody is let in by one.
const TOO_MANY_TO_SWEEP: usize = 20_000;

/// The API tokens of one server, in a file. Every call reads the file, and every change reads it
/// again under the write lock; but while its watch lives, what the watch read last is what is
/// there.
pub struct TokenFile {
    file: CredentialFile<Tokens>,
    may_be_missing: bool,
}

impl TokenFile {
    /// The token file at `path`, which need not exist yet. Reads nothing.
    #[must_use]
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self { file: CredentialFile::open(&path.into()), may_be_missing: false }
    }

    /// For the operator's tool: run as root, it may manage a file that the service's user owns,
    /// and leaves it to that user. A server must not trust such a file.
    #[must_use]
    pub fn for_its_owner(self) -> Self {
        Self { file: self.file.for_its_owner(), ..self }
    }

    /// A file that is not there (yet) holds no tokens, and is none the worse for it.
    #[must_use]
    pub fn may_be_missing(self) -> Self {
        Self { may_be_missing: true, ..self }
    }

    /// The path as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Every token, in the order of the file. Reads the file itself, watched or not.
    ///
    /// # Errors
    /// [`StoreErrorKind::Missing`] if there is no file; [`StoreErrorKind::Refused`] for one that
    /// others could have written or that does not say what a token file says, with the line.
    ///
    /// [`StoreErrorKind::Missing`]: mcp_store::StoreErrorKind::Missing
    /// [`StoreErrorKind::Refused`]: mcp_store::StoreErrorKind::Refused
    pub fn read(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.file.read()
    }

    /// Prepares to watch the file, which need not be there yet. Blocks while it reads.
    ///
    /// # Errors
    /// When it cannot be watched at all.
    pub fn watch(&self) -> Result<TokenFileWatch, StoreError> {
        let presence = if self.may_be_missing { Presence::Optional } else { Presence::Expected };
        Watch::of(&self.file, presence).map(TokenFileWatch)
    }

    /// What is not there, if it need not be.
    fn or_nothing<T: Default>(&self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        match read {
            Err(error) if error.kind == StoreErrorKind::Missing && self.may_be_missing => {
                Ok(T::default())
            }
            read => read,
        }
    }

    fn insert_now(&self, record: TokenRecord) -> Result<(), InsertRejection> {
        self.file.rewrite(|document| {
            if document.place(&record.id).is_some() {
                return Err(InsertRejection::IdTaken);
            }
            if document.records().any(|kept| kept.hash == record.hash) {
                return Err(InsertRejection::HashTaken);
            }
            let change = Change::Token(record.id.clone());
            Ok((Work::one(Edit::Insert(vec![record]), change), ()))
        })
    }

    fn rotate_now(
        &self,
        selector: &TokenSelector,
        rotation: &Rotation,
    ) -> Result<Rotated, RotateRejection> {
        self.file.must_exist()?;
        self.file.rewrite(|document| {
            let rotated = rotation.apply(named(document, selector)?)?;
            if document.place(&rotation.id).is_some() {
                return Err(RotateRejection::IdTaken);
            }
            if document.records().any(|kept| kept.hash == rotation.hash) {
                return Err(RotateRejection::HashTaken);
            }
            let Rotated { old, new } = rotated.clone();
            let (ends, begins) = (Change::Token(old.id.clone()), Change::Token(new.id.clone()));
            let work = Work::one(Edit::Replace(old), ends).and(Edit::Insert(vec![new]), begins);
            Ok((work, rotated))
        })
    }

    fn remove_now(&self, selector: &TokenSelector) -> Result<TokenRecord, RemoveRejection> {
        self.file.must_exist()?;
        self.file.rewrite(|document| {
            let record = named(document, selector)?.clone();
            let edit = Edit::Remove(vec![record.id.clone()]);
            Ok((Work::one(edit, Change::Token(record.id.clone())), record))
        })
    }

    fn remove_expired_now(&self, now: SystemTime) -> Result<usize, StoreError> {
        // Looked at without the lock first: mostly there is nothing to do, and a file that we
        // may only read is then no fault.
        let kept = self.or_nothing(self.read())?;
        if kept.len() >= TOO_MANY_TO_SWEEP || !kept.iter().any(|record| record.is_expired(now)) {
            return Ok(0);
        }
        self.file.rewrite(|document| {
            let expired = document.records().filter(|record| record.is_expired(now));
            let ids: Vec<_> = expired.map(|record| record.id.clone()).collect();
            let removed = ids.len();
            // Another process may have been faster.
            let work = match removed {
                0 => Work::none(),
                _ => Work::one(Edit::Remove(ids), Change::Everything),
            };
            Ok((work, removed))
        })
    }
}

/// The one record that is meant.
fn named<'d>(
    document: &'d Document<Tokens>,
    selector: &TokenSelector,
) -> Result<&'d TokenRecord, RemoveRejection> {
    let mut named = document.records().filter(|record| selector.names(record));
    match (named.next(), named.count()) {
        (None, _) => Err(RemoveRejection::NotFound),
        (Some(record), 0) => Ok(record),
        (Some(_), others) => Err(RemoveRejection::Ambiguous(others + 1)),
    }
}

impl TokenStore for TokenFile {
    fn all(&self) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(async { self.or_nothing(self.file.all()) })
    }

    fn find(&self, hash: TokenHash) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(async move { self.or_nothing(self.file.find(&hash)) })
    }

    fn insert(&self, record: TokenRecord) -> BoxFuture<'_, Result<(), InsertRejection>> {
        Box::pin(async move { self.insert_now(record) })
    }

    fn rotate(
        &self,
        selector: TokenSelector,
        rotation: Rotation,
    ) -> BoxFuture<'_, Result<Rotated, RotateRejection>> {
        Box::pin(async move { self.rotate_now(&selector, &rotation) })
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
        self.file.changes().listen()
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path()).finish_non_exhaustive()
    }
}
