//! How many connections there are, and who waits for whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_pool::{AcquireError, DatabaseSettings, Pools};
use mcp_testdb::Postgres;

use crate::support::{count, kept, name, principal, session, settings};

fn pools(postgres: &Postgres, limit: impl FnOnce(&mut DatabaseSettings)) -> Pools {
    let mut settings = settings(postgres);
    limit(&mut settings);
    kept(vec![settings])
}

fn is_busy<T>(outcome: Result<T, AcquireError>) -> bool {
    matches!(outcome.err(), Some(AcquireError::Busy(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sessions_of_a_user_share_the_users_places() {
    let postgres = Postgres::for_tests().unwrap();
    let pools = pools(&postgres, |settings| settings.connections_per_user = count(2));
    let main = name("main");
    let ((first, _f), (second, _s)) = (session("alice", 1), session("Alice", 2));
    let held = pools.acquire(&first, &main).await.unwrap();
    let _held = pools.acquire(&first, &main).await.unwrap();
    assert!(is_busy(pools.acquire(&second, &main).await), "two spellings, one user");
    // Nobody else notices.
    let ((bob, _b), (token, _t)) = (session("bob", 3), principal("alice"));
    assert!(pools.acquire(&bob, &main).await.is_ok());
    assert!(pools.acquire(&token, &main).await.is_ok(), "a token is nobody's");
    drop(held);
    assert!(pools.acquire(&second, &main).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_of_the_same_user_gives_way_and_none_of_anybody_else() {
    let postgres = Postgres::for_tests().unwrap();
    let pools = pools(&postgres, |settings| settings.connections_per_user = count(1));
    let main = name("main");
    let ((first, _f), (second, _s)) = (session("alice", 1), session("alice", 2));
    let (bob, _b) = session("bob", 3);
    let bobs = pools.acquire(&bob, &main).await.unwrap().backend_pid();
    for _ in 0..3 {
        drop(pools.acquire(&first, &main).await.unwrap());
        drop(pools.acquire(&second, &main).await.unwrap());
    }
    assert_eq!(pools.acquire(&bob, &main).await.unwrap().backend_pid(), bobs);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_that_lay_idle_longest_gives_way_and_the_others_stay() {
    let postgres = Postgres::for_tests().unwrap();
    let pools = pools(&postgres, |settings| settings.connections_total = count(3));
    let main = name("main");
    let ((alice, _a), (bob, _b)) = (principal("alice"), principal("bob"));
    let ((carol, _c), (dave, _d)) = (principal("carol"), principal("dave"));
    let mut pids = Vec::new();
    for principal in [&alice, &bob, &carol] {
        pids.push(pools.acquire(principal, &main).await.unwrap().backend_pid());
    }
    let _held = pools.acquire(&dave, &main).await.unwrap();
    assert_eq!(pools.acquire(&carol, &main).await.unwrap().backend_pid(), pids[2]);
    assert_eq!(pools.acquire(&bob, &main).await.unwrap().backend_pid(), pids[1]);
    assert_ne!(pools.acquire(&alice, &main).await.unwrap().backend_pid(), pids[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_that_floods_a_full_database_keeps_nobody_out() {
    let postgres = Postgres::for_tests().unwrap();
    let pools = pools(&postgres, |settings| {
        settings.connections_total = count(2);
        settings.acquire_timeout = Duration::from_secs(20);
    });
    let (alice, (bob, _b)) = (Arc::new(principal("alice")), principal("bob"));
    let enough = Arc::new(AtomicBool::new(false));
    let flood = (0..12).map(|_| {
        let (pools, alice, enough) = (pools.clone(), Arc::clone(&alice), Arc::clone(&enough));
        tokio::spawn(async move {
            while !enough.load(Ordering::Relaxed) {
                drop(pools.acquire(&alice.0, &name("main")).await.unwrap());
            }
        })
    });
    let flood: Vec<_> = flood.collect();
    for _ in 0..10 {
        drop(pools.acquire(&bob, &name("main")).await.unwrap());
    }
    enough.store(true, Ordering::Relaxed);
    for task in flood {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_says_nothing_holds_up_nobody_on_another() {
    let postgres = Postgres::for_tests().unwrap();
    // Takes connections and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut dead = settings(&postgres);
    dead.name = name("dead");
    dead.target.hosts[0] = mcp_connect::Host {
        address: mcp_connect::HostAddress::Tcp("127.0.0.1".into()),
        port: silent.local_addr().unwrap().port(),
    };
    let pools = kept(vec![dead, settings(&postgres)]);
    let (alice, _a) = session("alice", 1);
    let alice = Arc::new(alice);
    let stuck = (0..16).map(|_| {
        let (pools, alice) = (pools.clone(), Arc::clone(&alice));
        tokio::spawn(async move { pools.acquire(&alice, &name("dead")).await.is_ok() })
    });
    let stuck: Vec<_> = stuck.collect();
    // All four places of this principal are taken by a connect that leads nowhere.
    let mut accepted = Vec::new();
    while accepted.len() < 4 {
        accepted.push(silent.accept().await.unwrap());
    }
    for _ in 0..3 {
        drop(pools.acquire(&alice, &name("main")).await.unwrap());
    }
    let (bob, _b) = session("bob", 2);
    assert!(pools.acquire(&bob, &name("main")).await.is_ok());
    assert!(stuck.iter().any(|task| !task.is_finished()), "nobody waited for the dead one");
}
