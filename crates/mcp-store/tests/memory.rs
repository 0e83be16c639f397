//! The twin in memory keeps the contract that every store keeps.

use mcp_store::{MemoryTokens, contract};

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    contract::all(MemoryTokens::new).await;
}
