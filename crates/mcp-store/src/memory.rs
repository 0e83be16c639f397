//! The twin in memory: for tests, and for embedders whose tokens live elsewhere.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use mcp_identity::TokenHash;

use crate::change::{Change, ChangeSender, Changes};
use crate::record::TokenRecord;
use crate::rotation::{RotateRejection, Rotated, Rotation};
use crate::shared_store::SharedStore;
use crate::token_store::{
    BoxFuture, InsertRejection, RemoveRejection, StoreError, TokenSelector, TokenStore,
};

/// Tokens in memory. Lost with the process.
#[derive(Debug, Default)]
pub struct MemoryTokens {
    records: Mutex<Vec<TokenRecord>>,
    changes: ChangeSender,
}

impl MemoryTokens {
    /// A store without tokens.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, Vec<TokenRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert_now(&self, record: TokenRecord) -> Result<(), InsertRejection> {
        let mut records = self.records();
        if records.iter().any(|kept| kept.id == record.id) {
            return Err(InsertRejection::IdTaken);
        }
        if records.iter().any(|kept| kept.hash == record.hash) {
            return Err(InsertRejection::HashTaken);
        }
        let change = Change::Token(record.id.clone());
        records.push(record);
        drop(records);
        self.changes.tell(change);
        Ok(())
    }

    fn rotate_now(
        &self,
        selector: &TokenSelector,
        rotation: &Rotation,
    ) -> Result<Rotated, RotateRejection> {
        let mut records = self.records();
        let place = place_of(&records, selector)?;
        let kept = records.get(place).ok_or(RotateRejection::NotFound)?;
        let rotated = rotation.apply(kept)?;
        if records.iter().any(|kept| kept.id == rotation.id) {
            return Err(RotateRejection::IdTaken);
        }
        if records.iter().any(|kept| kept.hash == rotation.hash) {
            return Err(RotateRejection::HashTaken);
        }
        if let Some(kept) = records.get_mut(place) {
            kept.clone_from(&rotated.old);
        }
        records.push(rotated.new.clone());
        drop(records);
        self.changes.tell(Change::Token(rotated.old.id.clone()));
        self.changes.tell(Change::Token(rotated.new.id.clone()));
        Ok(rotated)
    }

    fn remove_now(&self, selector: &TokenSelector) -> Result<TokenRecord, RemoveRejection> {
        let mut records = self.records();
        let place = place_of(&records, selector)?;
        let removed = records.remove(place);
        drop(records);
        self.changes.tell(Change::Token(removed.id.clone()));
        Ok(removed)
    }

    fn remove_expired_now(&self, now: SystemTime) -> usize {
        let mut records = self.records();
        let before = records.len();
        records.retain(|record| !record.is_expired(now));
        let removed = before - records.len();
        drop(records);
        if removed > 0 {
            self.changes.tell(Change::Everything);
        }
        removed
    }
}

/// Where the one record stands that is meant.
fn place_of(records: &[TokenRecord], selector: &TokenSelector) -> Result<usize, RemoveRejection> {
    let mut named = records.iter().enumerate().filter(|(_, record)| selector.names(record));
    match (named.next(), named.count()) {
        (None, _) => Err(RemoveRejection::NotFound),
        (Some((place, _)), 0) => Ok(place),
        (Some(_), others) => Err(RemoveRejection::Ambiguous(others + 1)),
    }
}

impl TokenStore for MemoryTokens {
    fn all(&self) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(async { Ok(self.records().clone()) })
    }

    fn find(&self, hash: TokenHash) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(async move { Ok(self.records().iter().find(|kept| kept.hash == hash).cloned()) })
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
        Box::pin(async move { Ok(self.remove_expired_now(now)) })
    }

    fn changes(&self) -> Changes {
        self.changes.listen()
    }
}

impl SharedStore for MemoryTokens {
    fn changes_behind<'a>(
        &'a self,
        hashes: &'a [TokenHash],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Vec<Change>, StoreError>> {
        Box::pin(async move {
            let records = self.records();
            let meant = records.iter().filter(|kept| hashes.contains(&kept.hash));
            let held = meant.filter(|kept| !kept.is_expired(now));
            Ok(held.map(|kept| Change::Token(kept.id.clone())).collect())
        })
    }
}
