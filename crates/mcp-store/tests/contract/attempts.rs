use std::sync::Arc;

use mcp_store::{LocalAttempts, MemoryAccounts, contract};

#[tokio::test]
async fn attempts_in_memory_keep_the_contract() {
    contract::attempts(async |limits| {
        let accounts = Arc::new(MemoryAccounts::new());
        (Arc::clone(&accounts), LocalAttempts::new(accounts, limits))
    })
    .await;
}
