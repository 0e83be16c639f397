//! The accounts of a server keep the contract that every store keeps: in both layouts of the
//! users file, watched or not.

use std::cell::RefCell;

use mcp_store::contract;

use crate::support::House;

#[tokio::test]
async fn accounts_in_files_keep_the_contract() {
    let houses = RefCell::new(Vec::new());
    contract::accounts(async || {
        let house = House::with("users: {}\n");
        let accounts = house.server();
        houses.borrow_mut().push(house);
        accounts
    })
    .await;
}

#[tokio::test]
async fn accounts_in_watched_files_keep_the_contract() {
    let houses = RefCell::new(Vec::new());
    contract::accounts(async || {
        let house = House::with("users: []\n");
        let accounts = house.server();
        houses.borrow_mut().push(house);
        tokio::spawn(accounts.watch().unwrap().run(std::future::pending()));
        accounts
    })
    .await;
}

#[tokio::test]
async fn recovery_in_files_keeps_the_contract() {
    let houses = RefCell::new(Vec::new());
    contract::recovery(async || {
        let house = House::with("users: {}\n");
        let accounts = house.server();
        houses.borrow_mut().push(house);
        accounts
    })
    .await;
}
