//! What an operator does to the users file with an editor.

use mcp_store::{Account, AccountStore as _, Change, UserRecord};
use mcp_store_file::KeptUser;

use crate::support::{House, find, ids, lock, name, open, password, record, second, told, until};

fn users(enabled: bool, year: u32) -> String {
    let hash = password(1);
    format!(
        "users:\n  alice:\n    password_hash: {}\n    created_at: {year}-01-01T00:00:00Z\n    \
         enabled: {enabled}\n",
        hash.expose()
    )
}

async fn sign_in_and_lock(house: &House) -> UserRecord {
    let server = house.server();
    let alice = find(&server, "alice").await.record;
    open(&server, &alice, 1).await.unwrap();
    lock(&server, &alice.name).await;
    alice
}

#[tokio::test]
async fn who_is_made_again_by_hand_inherits_nothing() {
    let house = House::with(&users(true, 2024));
    sign_in_and_lock(&house).await;
    house.write_users(&users(true, 2025));
    let server = house.server();
    let alice = find(&server, "alice").await;
    assert_eq!(alice, Account::new(alice.record.clone()));
    assert_eq!(ids(&server).await, []);
    assert_eq!(server.sweep(second(2)).await, Ok(1));

    // Swept for good.
    house.write_users(&users(true, 2024));
    let alice = find(&server, "alice").await;
    assert_eq!(alice, Account::new(alice.record.clone()));
    assert_eq!(ids(&server).await, []);
}

#[tokio::test]
async fn who_is_disabled_by_hand_loses_the_sessions_for_good() {
    let house = House::with(&users(true, 2024));
    let alice = sign_in_and_lock(&house).await;
    let server = house.server();
    let mut changes = server.changes();
    tokio::spawn(server.watch().unwrap().run(std::future::pending()));
    house.write_users(&users(false, 2024));
    told(&mut changes, Change::Everything).await;
    until(async || ids(&server).await.is_empty()).await;
    house.write_users(&users(true, 2024));
    until(async || find(&server, "alice").await.record.enabled).await;
    assert_eq!(ids(&server).await, []);
    let kept = server.find_account(&alice.name).await.unwrap().unwrap();
    assert!(kept.lockout.lock.is_some(), "a lock is not lifted by disabling");
}

#[tokio::test]
async fn who_was_disabled_while_no_server_ran_is_signed_out_at_its_start() {
    let house = House::with(&users(true, 2024));
    sign_in_and_lock(&house).await;
    house.write_users(&users(false, 2024));
    let server = house.server();
    assert_eq!(ids(&server).await.len(), 1);
    tokio::spawn(server.watch().unwrap().run(std::future::pending()));
    until(async || ids(&server).await.is_empty()).await;
}

#[tokio::test]
async fn while_the_users_file_is_away_nobody_is_there_and_nothing_is_forgotten() {
    let house = House::with(&users(true, 2024));
    sign_in_and_lock(&house).await;
    let aside = house.path().join("aside");
    std::fs::rename(house.users(), &aside).unwrap();
    let server = house.server();
    assert_eq!(server.accounts().await, Ok(Vec::new()));
    assert_eq!(server.find_account(&name("alice")).await, Ok(None));
    assert_eq!(ids(&server).await, []);
    assert_eq!(server.sweep(second(2)).await, Ok(0));
    std::fs::rename(&aside, house.users()).unwrap();
    assert_eq!(ids(&server).await.len(), 1);
    assert!(find(&server, "alice").await.lockout.lock.is_some());
}

#[tokio::test]
async fn the_last_login_that_another_server_knew_stands_until_there_is_one_here() {
    let mut text = users(true, 2024);
    text.push_str("    last_login: 2024-11-14T09:30:00Z\n");
    let house = House::with(&text);
    let server = house.server();
    let kept: KeptUser = server.users().read().unwrap().remove(0);
    assert!(kept.last_login.is_some());
    assert_eq!(find(&server, "alice").await.last_login, kept.last_login);
    open(&server, &kept.record, 1).await.unwrap();
    assert_eq!(find(&server, "alice").await.last_login, Some(second(1)));
}

#[tokio::test]
async fn who_may_not_write_the_users_file_lets_people_in_all_the_same() {
    use mcp_store::Opening;

    use crate::support::{LOCKING, reserve, session};

    let house = House::with("users: {}\n");
    let server = house.server();
    server.add_account(record("alice")).await.unwrap();
    // Somebody writes the file, and does not stop: the lock is a folder.
    let lock = house.path().join("users.yaml.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let ticket = reserve(&server, &name("alice")).await;
    let opening = Opening {
        session: session(1, &name("alice")),
        ticket,
        policy: LOCKING,
        account_made: second(1),
        checked: password(1),
        stronger: Some(password(2)),
        limit: 0,
        now: second(1),
    };
    server.open_session(opening).await.unwrap();
    assert_eq!(find(&server, "alice").await.record.password, password(1));
}
