//! Several servers on one database, and a database that comes and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_connect::{HostAddress, Target};
use mcp_identity::TokenId;
use mcp_store::{
    AccountStore, Change, Changes, SessionSelector, StoreErrorKind, TokenRecord, TokenStore,
};
use mcp_store_postgres::{PostgresSettings, PostgresStore};
use mcp_testdb::{Options, Tcp};
use mcp_throttle::Failure;

use crate::people::{add, log_in, name, now, place, policy};
use crate::support::House;

fn token(id: &str) -> TokenRecord {
    let hash = mcp_identity::TokenHash::of_presented(id.as_bytes());
    TokenRecord::new(TokenId::parse(id).unwrap(), hash, now())
}

async fn told(changes: &mut Changes, expected: Change) {
    while changes.next().await.unwrap() != expected {}
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_changes_the_others_are_told() {
    let house = House::new();
    let database = house.database();
    let (here, _kept_here) = house.kept(&database).await;
    let (there, _kept_there) = house.kept(&database).await;
    there.channel().until(true).await;
    let mut accounts = AccountStore::changes(&there);
    let mut tokens = TokenStore::changes(&there);
    add(&here, "alice").await;
    told(&mut accounts, Change::User(name("alice"))).await;
    let session = log_in(&here, "alice", 1).await.unwrap();
    told(&mut accounts, Change::Session(session.id.clone())).await;
    here.end_sessions(SessionSelector::Id(session.id.clone())).await.unwrap();
    told(&mut accounts, Change::Session(session.id)).await;
    here.insert(token("token-1")).await.unwrap();
    told(&mut tokens, Change::Token(TokenId::parse("token-1").unwrap())).await;
    house.sql(&database, "TRUNCATE mcp_tokens");
    told(&mut tokens, Change::Everything).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_cut_comes_back_and_everything_is_read_again() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    let mut channel = store.channel();
    channel.until(true).await;
    let mut changes = AccountStore::changes(&store);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'mcp-server/changes'";
    house.sql(&database, cut);
    told(&mut changes, Change::Everything).await;
    channel.until(true).await;
    add(&store, "alice").await;
    told(&mut changes, Change::User(name("alice"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_is_heard_everything_is_read_from_time_to_time() {
    let mut house = House::new();
    let database = house.database();
    let recheck = Duration::from_millis(20);
    let settings = PostgresSettings { recheck, ..PostgresSettings::default() };
    let opening = PostgresStore::open(house.target(&database), settings);
    let (store, keeper) = Box::pin(opening).await.unwrap();
    let running = tokio::spawn(keeper.run(std::future::pending()));
    store.channel().until(true).await;
    house.server.stop();
    store.channel().until(false).await;
    let mut changes = TokenStore::changes(&store);
    for _ in 0..3 {
        assert_eq!(changes.next().await, Some(Change::Everything));
    }
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_failures_at_once_are_counted_exactly_on_three_servers() {
    let house = House::new();
    let database = house.database();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(house.open(&database).await.0);
    }
    add(&servers[0], "alice").await;
    let lenient = policy(1_000);
    let failing: Vec<_> = (0..50)
        .map(|n| {
            let store = servers[n % 3].clone();
            tokio::spawn(async move {
                let login = store.find_login(&name("alice"), lenient, now()).await.unwrap();
                let login = login.unwrap();
                let made = login.account.record.created_at;
                let mcp_throttle::Verdict::Reserved(ticket) = login.verdict else {
                    panic!("there is a place for a thousand")
                };
                store.fail_login(&name("alice"), made, ticket, lenient, now()).await.unwrap()
            })
        })
        .collect();
    let mut counts = Vec::new();
    for failed in failing {
        let Failure::Counted { failures } = failed.await.unwrap() else { panic!("it is counted") };
        counts.push(failures);
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<_>>());
    let account = servers[2].find_account(&name("alice")).await.unwrap().unwrap();
    assert_eq!((account.lockout.failures, account.lockout.reserved), (50, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_two_statements_and_each_is_its_own_transaction() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    add(&store, "alice").await;
    let before = house.sql(&database, "SELECT txid_current()");
    log_in(&store, "alice", 1).await.unwrap();
    let after = house.sql(&database, "SELECT txid_current()");
    // One for the place, one for the session, one for the question before.
    let between = after.parse::<u64>().unwrap() - before.parse::<u64>().unwrap();
    assert_eq!(between, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_down_and_comes_back_without_help() {
    let mut house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    store.insert(token("token-1")).await.unwrap();
    house.server.stop();
    let error = store.all().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Down, "{error}");
    let error = store.find_login(&name("alice"), policy(5), now()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Down, "{error}");
    house.server.resume().unwrap();
    assert_eq!(store.all().await.unwrap().len(), 1);
    store.channel().until(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_shows_the_password() {
    let tcp = Tcp { password: "top-secret-word".to_owned(), tls: None };
    let house = House::with(Options { tcp: Some(tcp), ..Options::default() });
    let port = house.server.port();
    for dsn in [
        format!("postgres://postgres:wrong-secret-word@127.0.0.1:{port}/postgres?sslmode=disable"),
        format!(
            "host=127.0.0.1 port={port} user=postgres dbname=postgres password=wrong-secret-word"
        ),
        format!("postgres://postgres:wrong-secret-word@127.0.0.1:{port}/nowhere"),
        "postgres://postgres:wrong-secret-word@127.0.0.1:1/postgres?connect_timeout=2".to_owned(),
    ] {
        let target = Target::parse(&dsn).unwrap();
        let opening = PostgresStore::open(target, PostgresSettings::default());
        let error = Box::pin(opening).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret-word"), "{error:?}");
        assert!(error.place.contains("***"), "{error:?}");
    }
    let right = format!("postgres://postgres:top-secret-word@127.0.0.1:{port}/postgres");
    let target = Target::parse(&right).unwrap();
    assert!(matches!(target.hosts[0].address, HostAddress::Tcp(_)));
    let (store, keeper) =
        Box::pin(PostgresStore::open(target, PostgresSettings::default())).await.unwrap();
    assert!(!format!("{store:?} {keeper:?}").contains("secret-word"));
}

/// Acknowledged is what a writer was told to be done; what it was not told may be done or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_under_load_loses_no_acknowledged_write() {
    let durable = [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")];
    let durable = durable.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut house = House::with(Options { settings: durable.into(), ..Options::default() });
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, over) = (store.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let (mut kept, mut failed) = (Vec::new(), 0_u32);
                let mut n = 0_u32;
                // Until after the restart at least one was kept by everybody.
                let mut since = None;
                while since.is_none_or(|since| kept.len() <= since) {
                    n += 1;
                    let record = token(&format!("token-{writer}-{n}"));
                    match store.insert(record.clone()).await {
                        Ok(()) => kept.push(record.id),
                        Err(_) => failed += 1,
                    }
                    if since.is_none() && over.load(Ordering::Acquire) {
                        since = Some(kept.len());
                    }
                }
                (kept, failed)
            })
        })
        .collect();
    for _ in 0..2 {
        while store.all().await.is_ok_and(|kept| kept.len() < 40) {}
        house.server.restart().unwrap();
    }
    over.store(true, Ordering::Release);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap().0);
    }
    let kept: Vec<TokenId> =
        store.all().await.unwrap().into_iter().map(|record| record.id).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !kept.contains(id)).collect();
    assert!(acknowledged.len() >= 48, "{}", acknowledged.len());
    assert_eq!(lost, Vec::<&TokenId>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_waiting_leaves_no_answer_to_the_next() {
    let house = House::new();
    let database = house.database();
    let settings = PostgresSettings {
        connections: std::num::NonZeroUsize::MIN,
        ..PostgresSettings::default()
    };
    let opening = PostgresStore::open(house.target(&database), settings);
    let (store, _) = Box::pin(opening).await.unwrap();
    add(&store, "alice").await;
    for _ in 0..50 {
        let mut asking = Box::pin(place(&store, "alice"));
        // Once looked at, the statement is on its way; then nobody wants the answer.
        let gave_up = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(asking.as_mut().poll(cx).is_pending())
        });
        let _ = gave_up.await;
        drop(asking);
        assert_eq!(store.sessions().await.unwrap(), []);
    }
}
