//! The suites of `mcp-store`, generated histories included.

use std::sync::Arc;

use mcp_store::contract;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::support::House;

#[tokio::test(flavor = "multi_thread")]
async fn tokens_in_postgresql_keep_the_contract() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    // Heard from the database, not told by the store itself.
    store.channel().until(true).await;
    let make = || {
        block_in_place(|| Handle::current().block_on(house.empty(&database)));
        store.clone()
    };
    contract::all(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_in_postgresql_keep_the_contract() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    store.channel().until(true).await;
    contract::accounts(async || {
        house.empty(&database).await;
        store.clone()
    })
    .await;
}

/// A tool that ends soon runs no keeper, and hears of what it does itself all the same.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_without_a_keeper_keep_the_contract() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    contract::accounts(async || {
        house.empty(&database).await;
        store.clone()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_in_postgresql_keeps_the_contract() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    store.channel().until(true).await;
    contract::recovery(async || {
        house.empty(&database).await;
        store.clone()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_without_a_keeper_keeps_the_contract() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    contract::recovery(async || {
        house.empty(&database).await;
        store.clone()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_share_in_postgresql_keeps_the_contract() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    contract::shared(async || {
        house.empty(&database).await;
        (Arc::new(store.clone()), Arc::new(store.clone()), store.clone())
    })
    .await;
}
