//! How many connections a store has, and for how long.

use std::num::NonZeroUsize;
use std::time::Duration;

use mcp_store::{AccountStore as _, SessionSelector};
use mcp_store_postgres::{PostgresSettings, PostgresStore};

use crate::people::{add, name, now, opening, place, session};
use crate::support::House;

const USERS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'mcp-server/users' AND datname = current_database()";

async fn open(
    house: &House,
    database: &str,
    settings: PostgresSettings,
) -> (PostgresStore, mcp_store_postgres::PostgresKeeper) {
    Box::pin(PostgresStore::open(house.target(database), settings)).await.unwrap()
}

/// So many at once.
async fn crowd(store: &PostgresStore, count: usize) {
    let asking: Vec<_> = (0..count)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.accounts().await })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_opened_than_there_may_be() {
    let house = House::new();
    let database = house.database();
    let connections = NonZeroUsize::new(3).unwrap();
    let settings = PostgresSettings { connections, ..PostgresSettings::default() };
    let (store, _) = open(&house, &database, settings).await;
    crowd(&store, 40).await;
    let open: usize = house.sql(&database, USERS).parse().unwrap();
    assert!((1..=3).contains(&open), "{open}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_nobody_needs_are_closed() {
    let house = House::new();
    let database = house.database();
    let idle_time = Duration::from_millis(50);
    let settings = PostgresSettings { idle_time, ..PostgresSettings::default() };
    let (store, keeper) = open(&house, &database, settings).await;
    crowd(&store, 10).await;
    let keeping = tokio::spawn(keeper.run(std::future::pending()));
    while house.sql(&database, USERS) != "0" {}
    assert_eq!(store.accounts().await.unwrap(), [], "the next one is opened when it is needed");
    keeping.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_too_old_is_not_used_again() {
    let house = House::new();
    let database = house.database();
    let settings = PostgresSettings { lifetime: Duration::ZERO, ..PostgresSettings::default() };
    let (store, _) = open(&house, &database, settings).await;
    let newest = "SELECT max(backend_start) FROM pg_stat_activity
        WHERE application_name = 'mcp-server/users'";
    store.accounts().await.unwrap();
    let before = house.sql(&database, newest);
    store.accounts().await.unwrap();
    assert_ne!(house.sql(&database, newest), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_closed_is_down() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    store.close();
    let error = store.accounts().await.unwrap_err();
    assert_eq!(error.kind, mcp_store::StoreErrorKind::Down);
    assert!(error.fault.contains("closed"), "{error}");
}

/// Logins that make room, an end of all, uses and sweeps take the same rows in other orders.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_each_other_all_get_through() {
    let house = House::new();
    let database = house.database();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(house.open(&database).await.0);
    }
    add(&servers[0], "alice").await;
    let mut working = Vec::new();
    for worker in 0..6_u64 {
        let store = servers[usize::try_from(worker).unwrap() % 3].clone();
        working.push(tokio::spawn(async move {
            for n in 0..20 {
                let session = session("alice", worker * 1_000 + n);
                let id = session.id.clone();
                let Some((account, ticket)) = place(&store, "alice").await else { continue };
                let opening = mcp_store::Opening { limit: 3, ..opening(&account, session, ticket) };
                store.open_session(opening).await.unwrap();
                store.touch_sessions(vec![(id, now())]).await.unwrap();
                match worker {
                    0 => drop(store.end_sessions(SessionSelector::All).await.unwrap()),
                    1 => drop(store.sweep(now() + Duration::from_hours(48)).await.unwrap()),
                    _ => {}
                }
            }
        }));
    }
    for worked in working {
        worked.await.unwrap();
    }
    let account = servers[0].find_account(&name("alice")).await.unwrap().unwrap();
    assert!(account.lockout.reserved.is_empty());
    assert!(servers[1].sessions().await.unwrap().len() <= 3);
}
