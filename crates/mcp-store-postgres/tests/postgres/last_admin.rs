//! The last admin stays, whoever else takes one away: other servers, and a hand at psql.

use std::time::Duration;

use mcp_connect::{SessionSettings, connect_client};
use mcp_identity::RoleName;
use mcp_store::{AccountStore as _, AdminsLeft, EditRejection, StoredHash, UserEdit, UserRecord};
use mcp_store_postgres::PostgresStore;
use tokio_postgres::Client;

use crate::people::{HASH, name, now};
use crate::support::House;

async fn admins(store: &PostgresStore, names: &[&str]) {
    for who in names {
        let roles = RoleName::parse("admin").into_iter().collect();
        let record = UserRecord::new(name(who), StoredHash::new(HASH), now());
        store.add_account(UserRecord { roles, ..record }).await.unwrap();
    }
}

/// Somebody at psql.
async fn hand(house: &House, database: &str) -> Client {
    let target = house.target(database);
    let (client, driver) = connect_client(&target, &SessionSettings::default()).await.unwrap();
    tokio::spawn(driver.run());
    client
}

async fn run(hand: &Client, statements: &[&str]) {
    for sql in statements {
        hand.execute_typed(sql, &[]).await.unwrap();
    }
}

/// Waits until somebody waits for a lock.
async fn somebody_waits(house: &House, database: &str) {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
        WHERE application_name = 'mcp-server/users' AND wait_event_type = 'Lock'";
    while house.sql(database, WAITING) == "0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_an_admin_away_waits_for_a_hand_that_takes_the_other() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    admins(&store, &["ann", "bob"]).await;
    for (ends, left) in [("ROLLBACK", "bob"), ("COMMIT", "cy")] {
        let other = house.sql(&database, "SELECT max(username) FROM users");
        let hand = hand(&house, &database).await;
        let taking = format!("UPDATE users SET is_active = false WHERE username = '{other}'");
        run(&hand, &["BEGIN", &taking]).await;
        let least = house.sql(&database, "SELECT min(username) FROM users");
        let taken = {
            let (store, least) = (store.clone(), name(&least));
            tokio::spawn(async move {
                store.delete_account(&least, AdminsLeft::AtLeastOne).await.map(|_| ())
            })
        };
        somebody_waits(&house, &database).await;
        run(&hand, &[ends]).await;
        let promised = if ends == "COMMIT" { Err(EditRejection::LastAdmin) } else { Ok(()) };
        assert_eq!(taken.await.unwrap(), promised, "{ends}");
        if ends == "ROLLBACK" {
            admins(&store, &["cy"]).await;
        }
        assert!(store.find_account(&name(left)).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_that_takes_an_admin_away_waits_for_who_asked_whether_it_is_the_last() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    admins(&store, &["ann", "bob"]).await;
    // Held up in the middle: what the edit writes is locked by somebody else.
    let blocking = hand(&house, &database).await;
    run(&blocking, &["BEGIN", "LOCK TABLE user_sessions"]).await;
    let demoted = {
        let store = store.clone();
        let edit = UserEdit {
            enabled: Some(false),
            admins: AdminsLeft::AtLeastOne,
            ..UserEdit::default()
        };
        tokio::spawn(async move { store.edit_account(&name("ann"), edit).await.map(|_| ()) })
    };
    somebody_waits(&house, &database).await;
    let other = hand(&house, &database).await;
    run(&other, &["SET lock_timeout = 1"]).await;
    let taking = "UPDATE users SET is_admin = false WHERE username = 'bob'";
    let refused = other.execute_typed(taking, &[]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55P03", "bob is the one who stays");
    run(&blocking, &["ROLLBACK"]).await;
    assert_eq!(demoted.await.unwrap(), Ok(()));
    let left = "SELECT username FROM users WHERE active AND is_admin";
    assert_eq!(house.sql(&database, left), "bob");
}
