//! Where API tokens are kept.

use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use mcp_identity::{TokenHash, TokenId};

use crate::change::Changes;
use crate::record::TokenRecord;
use crate::rotation::{RotateRejection, Rotated, Rotation};

/// What the methods of a store return: stores are used as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place that keeps API tokens. Each method happens as a whole or not at all, and is durable
/// when it says so.
pub trait TokenStore: Send + Sync {
    /// Every record, in the order of the store.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read as a whole; never a part of it.
    fn all(&self) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>>;

    /// The record of that digest.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read. Not found is `Ok(None)`.
    fn find(&self, hash: TokenHash) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>>;

    /// Keeps a new record.
    ///
    /// # Errors
    /// [`InsertRejection::IdTaken`] and [`InsertRejection::HashTaken`] change nothing.
    fn insert(&self, record: TokenRecord) -> BoxFuture<'_, Result<(), InsertRejection>>;

    /// Gives the one token that `selector` means a successor: in one step, the new record of
    /// [`Rotation::apply`] is kept behind all others, and the old one ends as it says.
    ///
    /// # Errors
    /// [`RotateRejection`]; nothing is changed then.
    fn rotate(
        &self,
        selector: TokenSelector,
        rotation: Rotation,
    ) -> BoxFuture<'_, Result<Rotated, RotateRejection>>;

    /// Removes the one record that `selector` means, and returns it.
    ///
    /// # Errors
    /// [`RemoveRejection`] when it means none or several; nothing is removed then.
    fn remove(
        &self,
        selector: TokenSelector,
    ) -> BoxFuture<'_, Result<TokenRecord, RemoveRejection>>;

    /// Removes every record whose time is over at `now`, and says how many there were.
    ///
    /// # Errors
    /// [`StoreError`]; the records stay then.
    fn remove_expired(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Word of changes from now on, made here or elsewhere.
    fn changes(&self) -> Changes;
}

/// How an operator names a token: its whole id, or the beginning of its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSelector {
    /// The whole id.
    Id(TokenId),
    /// The first 8 to 64 hex digits of the hash, in lower case.
    HashPrefix(String),
}

impl TokenSelector {
    /// The fewest hex digits that name a token.
    pub const MIN_PREFIX: usize = 8;

    /// Does this name that record?
    #[must_use]
    pub fn names(&self, record: &TokenRecord) -> bool {
        match self {
            Self::Id(id) => record.id == *id,
            Self::HashPrefix(prefix) => {
                prefix.len() >= Self::MIN_PREFIX && record.hash.to_hex().starts_with(prefix)
            }
        }
    }
}

/// The store could not do its work. A part that is down, never a denial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct StoreError {
    /// Which store or file; with line or key where one is known. Never a secret.
    pub place: String,
    /// What happened, in the operator's words.
    pub fault: String,
    /// The way out, if one is known: printed after `hint: `.
    pub hint: Option<String>,
    /// Who can mend it.
    pub kind: StoreErrorKind,
}

/// Who can mend a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// It is not there (yet).
    Missing,
    /// The operator: its content, its mode, its owner.
    Refused,
    /// Nobody here: the disk, the network, the lock of another process.
    Down,
    /// The change is in the store but perhaps not on disk.
    NotDurable,
}

/// Why a record was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertRejection {
    /// Another record has this id.
    #[error("the id is taken")]
    IdTaken,
    /// Another record has this hash.
    #[error("the hash is taken")]
    HashTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing was removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveRejection {
    /// No record has this id or prefix.
    #[error("token not found")]
    NotFound,
    /// Several records share this prefix.
    #[error("{0} tokens begin like this")]
    Ambiguous(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
