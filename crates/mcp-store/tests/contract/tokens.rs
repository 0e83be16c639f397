use std::time::{Duration, SystemTime};

use mcp_identity::TokenHash;
use mcp_store::{
    BoxFuture, ChangeSender, Changes, InsertRejection, MemoryTokens, RemoveRejection,
    RotateRejection, Rotated, Rotation, StoreError, TokenRecord, TokenSelector, TokenStore,
    contract,
};

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    contract::all(MemoryTokens::new).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_breaks_a_promise_is_caught_in_a_sentence() {
    let faults = [
        (Fault::Shuffles, "all() gives every record, whole and in order"),
        (Fault::ForgetsNotes, "all() gives every record, whole and in order"),
        (Fault::FindsTheFirst, "find() gives the record of a digest"),
        (Fault::ReplacesTaken, "a second record of an id is refused"),
        (Fault::RemovesTheFirstOfSeveral, "a prefix of two is refused"),
        (Fault::TakesShortPrefixes, "is the beginning of no hash"),
        (Fault::ForgetsTheSuccessor, "the old one stays in its place, the new one is the last"),
        (Fault::RotatesHalf, "what is refused changes nothing"),
        (Fault::ExpiresLate, "a record is over at the instant it names"),
        (Fault::SaysNothing, "an insert is told"),
    ];
    for (fault, sentence) in faults {
        let suite = contract::all(move || Broken { fault, ..Broken::default() });
        let caught = tokio::spawn(suite).await.expect_err("the suite fails").into_panic();
        let said = caught.downcast_ref::<String>().expect("a sentence");
        assert!(said.contains(sentence), "{fault:?}: {said}");
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Fault {
    #[default]
    Shuffles,
    ForgetsNotes,
    FindsTheFirst,
    ReplacesTaken,
    RemovesTheFirstOfSeveral,
    TakesShortPrefixes,
    ForgetsTheSuccessor,
    RotatesHalf,
    ExpiresLate,
    SaysNothing,
}

/// The store in memory, with one fault.
#[derive(Default)]
struct Broken {
    kept: MemoryTokens,
    silent: ChangeSender,
    fault: Fault,
}

impl Broken {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    async fn read(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let mut records = self.kept.all().await?;
        if self.has(Fault::Shuffles) {
            records.sort_by_key(|record| record.hash);
        }
        if self.has(Fault::ForgetsNotes) {
            for record in &mut records {
                record.note.clear();
            }
        }
        Ok(records)
    }

    async fn replace(&self, record: TokenRecord) -> Result<(), InsertRejection> {
        // A record that is not there yet has nothing to remove.
        let _ = self.kept.remove(TokenSelector::Id(record.id.clone())).await;
        self.kept.insert(record).await
    }

    async fn remove_first(&self, selector: TokenSelector) -> Result<TokenRecord, RemoveRejection> {
        let meant = |record: &TokenRecord| match &selector {
            TokenSelector::HashPrefix(prefix) if self.has(Fault::TakesShortPrefixes) => {
                record.hash.to_hex().starts_with(prefix)
            }
            _ => selector.names(record),
        };
        let records = self.kept.all().await?;
        let first = records.into_iter().find(meant).ok_or(RemoveRejection::NotFound)?;
        self.kept.remove(TokenSelector::Id(first.id)).await
    }
}

impl Broken {
    async fn rotate_somehow(
        &self,
        selector: TokenSelector,
        rotation: Rotation,
    ) -> Result<Rotated, RotateRejection> {
        let (id, records) = (rotation.id.clone(), self.kept.all().await?);
        let rotated = self.kept.rotate(selector.clone(), rotation.clone()).await;
        let taken = matches!(rotated, Err(RotateRejection::IdTaken | RotateRejection::HashTaken));
        if rotated.is_ok() && self.has(Fault::ForgetsTheSuccessor) {
            self.kept.remove(TokenSelector::Id(id)).await?;
        } else if taken && self.has(Fault::RotatesHalf) {
            // Ends the old one first, and finds afterwards that there can be no new one.
            let old = records.iter().find(|record| selector.names(record));
            if let Some(Ok(ending)) = old.map(|old| rotation.apply(old)) {
                assert_eq!(self.replace(ending.old).await, Ok(()));
            }
        }
        rotated
    }
}

impl TokenStore for Broken {
    fn all(&self) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(self.read())
    }

    fn find(&self, hash: TokenHash) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
        if self.has(Fault::FindsTheFirst) {
            return Box::pin(async { Ok(self.kept.all().await?.into_iter().next()) });
        }
        self.kept.find(hash)
    }

    fn insert(&self, record: TokenRecord) -> BoxFuture<'_, Result<(), InsertRejection>> {
        if self.has(Fault::ReplacesTaken) {
            return Box::pin(self.replace(record));
        }
        self.kept.insert(record)
    }

    fn rotate(
        &self,
        selector: TokenSelector,
        rotation: Rotation,
    ) -> BoxFuture<'_, Result<Rotated, RotateRejection>> {
        Box::pin(self.rotate_somehow(selector, rotation))
    }

    fn remove(
        &self,
        selector: TokenSelector,
    ) -> BoxFuture<'_, Result<TokenRecord, RemoveRejection>> {
        let several = self.has(Fault::RemovesTheFirstOfSeveral);
        let short = self.has(Fault::TakesShortPrefixes)
            && matches!(&selector, TokenSelector::HashPrefix(prefix) if prefix.len() < 8);
        if several || short {
            return Box::pin(self.remove_first(selector));
        }
        self.kept.remove(selector)
    }

    fn remove_expired(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        let late =
            if self.has(Fault::ExpiresLate) { Duration::from_secs(1) } else { Duration::ZERO };
        self.kept.remove_expired(now - late)
    }

    fn changes(&self) -> Changes {
        if self.has(Fault::SaysNothing) {
            return self.silent.listen();
        }
        self.kept.changes()
    }
}
