use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use mcp_identity::TokenHash;
use mcp_store::{
    BoxFuture, Change, MemoryAccounts, MemoryTokens, SharedStore, StoreError, contract,
};
use tokio::task::LocalSet;

#[tokio::test]
async fn the_stores_in_memory_keep_the_contract_of_those_that_are_shared() {
    contract::shared(async || make(Fault::None)).await;
}

#[tokio::test(start_paused = true)]
async fn a_shared_store_that_breaks_a_promise_is_caught_in_a_sentence() {
    let faults = [
        (Fault::FindsNoSessions, "a session is found by its digest"),
        (Fault::FindsNoTokens, "a token is found by its digest"),
        (Fault::FindsTheFirst, "exactly what has one of the digests is found, once"),
        (Fault::FindsEachTime, "exactly what has one of the digests is found, once"),
        (Fault::FindsWhatEnded, "what has ended is not found"),
        (Fault::FindsWhatIsOver, "what is over is not found"),
    ];
    for (fault, sentence) in faults {
        let here = LocalSet::new();
        let task = here.spawn_local(contract::shared(async move || make(fault)));
        here.await;
        let caught = task.await.expect_err("the suite fails").into_panic();
        let said = caught.downcast_ref::<String>().expect("a sentence");
        assert!(said.contains(sentence), "{fault:?}: {said}");
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    FindsNoSessions,
    FindsNoTokens,
    FindsTheFirst,
    FindsEachTime,
    FindsWhatEnded,
    FindsWhatIsOver,
}

/// Both stores in memory, and perhaps a fault.
struct Both {
    accounts: Arc<MemoryAccounts>,
    tokens: Arc<MemoryTokens>,
    fault: Fault,
    /// What was found before, and of which digests.
    before: Mutex<Option<(Vec<TokenHash>, Vec<Change>)>>,
}

fn make(fault: Fault) -> (Arc<MemoryAccounts>, Arc<MemoryTokens>, Both) {
    let (accounts, tokens) = (Arc::new(MemoryAccounts::new()), Arc::new(MemoryTokens::new()));
    let before = Mutex::default();
    let both = Both { accounts: Arc::clone(&accounts), tokens: Arc::clone(&tokens), fault, before };
    (accounts, tokens, both)
}

impl Both {
    async fn find(&self, hashes: &[TokenHash], now: SystemTime) -> Result<Vec<Change>, StoreError> {
        let now = if self.fault == Fault::FindsWhatIsOver { SystemTime::UNIX_EPOCH } else { now };
        let hashes = if self.fault == Fault::FindsTheFirst {
            &hashes[..hashes.len().min(1)]
        } else {
            hashes
        };
        let mut found = Vec::new();
        if self.fault != Fault::FindsNoSessions {
            found.extend(self.accounts.changes_behind(hashes, now).await?);
        }
        if self.fault != Fault::FindsNoTokens {
            found.extend(self.tokens.changes_behind(hashes, now).await?);
        }
        if self.fault == Fault::FindsEachTime && hashes.len() > 4 {
            found.extend(found.first().cloned());
        }
        if self.fault == Fault::FindsWhatEnded {
            let mut before = self.before.lock().unwrap();
            if let Some((asked, found)) = &*before
                && asked == hashes
            {
                return Ok(found.clone());
            }
            *before = Some((hashes.to_vec(), found.clone()));
        }
        Ok(found)
    }
}

impl SharedStore for Both {
    fn changes_behind<'a>(
        &'a self,
        hashes: &'a [TokenHash],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Vec<Change>, StoreError>> {
        Box::pin(self.find(hashes, now))
    }
}
