//! Passwords of before between two media: remembered in the state database before the users file
//! has the next one.

use std::fs;

use mcp_store::{AccountStore as _, EditRejection, StoreErrorKind, StoredHash, UserEdit};
use mcp_store_file::FileAccounts;
use rusqlite::Connection;

use crate::support::{House, name, password, record, second};

fn change(from: u64, to: u64) -> UserEdit {
    let (checked, password) = (Some(password(from)), Some(password(to)));
    UserEdit { checked, password, past: 4, ..UserEdit::default() }
}

async fn past(store: &FileAccounts) -> Vec<StoredHash> {
    store.past_passwords(&name("alice"), 9).await.unwrap()
}

/// What lies in the database, whether or not it is given.
fn rows(house: &House) -> i64 {
    let state = Connection::open(house.state()).unwrap();
    state.query_row("SELECT count(*) FROM past", (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn of_a_server_and_a_tool_that_looked_at_one_password_one_sets_the_next() {
    let house = House::with("users: {}\n");
    let (server, admin) = (house.server(), house.admin());
    server.add_account(record("alice")).await.unwrap();
    let alice = name("alice");
    let (one, other) = tokio::join!(server.edit_account(&alice, change(1, 7)), async {
        admin.edit_account(&alice, change(1, 8)).await
    });
    let late = [&one, &other].into_iter().filter_map(|edited| edited.as_ref().err());
    assert_eq!(late.collect::<Vec<_>>(), [&EditRejection::NotFound]);
    for store in [&server, &admin] {
        assert_eq!(past(store).await, [password(1)]);
    }
}

#[tokio::test]
async fn a_change_that_was_begun_and_not_finished_makes_no_password_one_of_before() {
    let house = House::with("users: {}\n");
    let store = house.server();
    store.add_account(record("alice")).await.unwrap();
    store.edit_account(&name("alice"), change(1, 2)).await.unwrap();
    // As a crash leaves it between the two media.
    let state = Connection::open(house.state()).unwrap();
    let begun = "INSERT INTO past (name, made, hash) SELECT name, made, ?1 FROM past";
    assert_eq!(state.execute(begun, [password(2).expose()]).unwrap(), 1);
    assert_eq!(past(&store).await, [password(1)]);
    store.edit_account(&name("alice"), change(2, 3)).await.unwrap();
    assert_eq!(past(&store).await, [password(2), password(1)]);
    assert_eq!(rows(&house), 2, "and is remembered once");
}

#[tokio::test]
async fn a_password_that_the_users_file_does_not_take_replaces_none() {
    let house = House::with("users: {}\n");
    let store = house.server();
    store.add_account(record("alice")).await.unwrap();
    let nonsense = UserEdit { password: Some(StoredHash::new("no hash")), ..change(1, 2) };
    let refused = store.edit_account(&name("alice"), nonsense).await;
    let Err(EditRejection::Store(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert_eq!(rows(&house), 0);
}

#[tokio::test]
async fn the_past_of_an_account_that_was_removed_by_hand_is_swept() {
    let house = House::with("users: {}\n");
    let store = house.server();
    store.add_account(record("alice")).await.unwrap();
    store.edit_account(&name("alice"), change(1, 2)).await.unwrap();
    store.sweep(second(10)).await.unwrap();
    assert_eq!(rows(&house), 1, "who is there keeps it");
    house.write_users("users: {}\n");
    store.sweep(second(10)).await.unwrap();
    assert_eq!(rows(&house), 0);
}

#[tokio::test]
async fn nothing_of_it_is_in_the_users_file() {
    let house = House::with("users: {}\n");
    let store = house.server();
    store.add_account(record("alice")).await.unwrap();
    store.edit_account(&name("alice"), change(1, 2)).await.unwrap();
    let text = fs::read_to_string(house.users()).unwrap();
    assert!(text.contains(password(2).expose()) && !text.contains(password(1).expose()), "{text}");
}
