//! Whose a connection is, and when it ends.

use std::time::Duration;

use mcp_connect::Transaction;
use mcp_identity::{DatabaseName, DbRole, EndReason};
use mcp_pool::{AcquireError, Pools};
use mcp_testdb::Postgres;

use crate::support::{
    count, kept, name, one_value, principal, session, settings, wait_for_backends,
};

/// Catches whatever would end it, and goes on.
const STUBBORN: &str = "CREATE FUNCTION stubborn() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    FOR n IN 1..1000 LOOP
        BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN NULL; END;
    END LOOP;
    RETURN 1; END $$";

/// Pools over one database that is only read, with this many connections for each principal and
/// in total.
fn pools(postgres: &Postgres, each: usize, total: usize) -> (Pools, DatabaseName) {
    let mut settings = settings(postgres);
    settings.allow_writes = false;
    settings.connections_per_principal = count(each);
    settings.connections_total = count(total);
    (kept(vec![settings]), name("main"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_by_its_principal_and_by_nobody_else() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 4, 50);
    let ((alice, _a), (bob, _b)) = (principal("alice"), principal("bob"));
    let first = pools.acquire(&alice, &main).await.unwrap().backend_pid();
    assert_eq!(pools.acquire(&alice, &main).await.unwrap().backend_pid(), first);
    assert_ne!(pools.acquire(&bob, &main).await.unwrap().backend_pid(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_knows_whose_it_is_and_only_reads() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 4, 50);
    let (alice, _end) = principal("alice");
    let mut lent = pools.acquire(&alice, &main).await.unwrap();
    let name = one_value(&mut lent, "SHOW application_name").await;
    assert_eq!(name, "mcp-server/token:alice");
    assert_eq!(one_value(&mut lent, "SHOW mcp.principal").await, "token:alice");
    assert_eq!(one_value(&mut lent, "SHOW default_transaction_read_only").await, "on");
    assert_eq!(one_value(&mut lent, "SHOW TimeZone").await, "UTC");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_lease_closes_the_connections_and_refuses_new_ones() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 4, 50);
    let (alice, end) = principal("alice");
    drop(pools.acquire(&alice, &main).await.unwrap());
    wait_for_backends(&postgres, "application_name LIKE 'mcp-server/%'", 1);
    end.end(EndReason::Revoked);
    wait_for_backends(&postgres, "application_name LIKE 'mcp-server/%'", 0);
    let refused = pools.acquire(&alice, &main).await.err();
    assert!(matches!(refused, Some(AcquireError::Ended)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_ends_leaves_no_backend_behind_idle_running_or_stubborn() {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", STUBBORN).unwrap();
    let (pools, main) = pools(&postgres, 4, 50);
    let (alice, end) = principal("alice");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(pools.acquire(&alice, &main).await.unwrap());
    }
    drop(held.pop());
    let statements = ["SELECT pg_sleep(60)", "SELECT stubborn()"];
    let running = held.into_iter().zip(statements).map(|(mut lent, sql)| {
        let lease = alice.lease.clone();
        // As every holder does: it waits for its rows and for the end of the lease.
        tokio::spawn(async move {
            tokio::select! {
                _ = lent.start(Transaction::ReadOnly, sql, &[]) => panic!("{sql} came to an end"),
                _ = lease.ended() => {}
            }
        })
    });
    let running: Vec<_> = running.collect();
    wait_for_backends(&postgres, "wait_event = 'PgSleep'", 2);
    end.end(EndReason::Revoked);
    for task in running {
        task.await.unwrap();
    }
    wait_for_backends(&postgres, "application_name = 'mcp-server/token:alice'", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_changed_gets_connections_of_its_own() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 4, 50);
    let (old, old_end) = principal("alice");
    let before = pools.acquire(&old, &main).await.unwrap().backend_pid();
    old_end.end(EndReason::Replaced);
    let (new, _new_end) = principal("alice");
    let after = pools.acquire(&new, &main).await.unwrap().backend_pid();
    assert_ne!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_changed_gets_them_while_the_lease_of_the_old_one_still_holds() {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", "CREATE ROLE boss; CREATE ROLE clerk").unwrap();
    let (pools, main) = pools(&postgres, 4, 50);
    let ((mut old, old_end), (mut new, _new_end)) = (principal("alice"), principal("alice"));
    old.grants.db_role = Some(DbRole::parse("boss").unwrap());
    new.grants.db_role = Some(DbRole::parse("clerk").unwrap());
    let mut lent = pools.acquire(&old, &main).await.unwrap();
    // The index has the new record before the lease of the old one ends.
    for _ in 0..2 {
        let mut lent = pools.acquire(&new, &main).await.unwrap();
        assert_eq!(one_value(&mut lent, "SELECT current_user").await, "clerk");
    }
    assert_eq!(one_value(&mut lent, "SELECT current_user").await, "boss");
    drop(lent);
    // A request that was let in under the old record comes late, and takes nothing away.
    let mut held = pools.acquire(&new, &main).await.unwrap();
    let mut late = pools.acquire(&old, &main).await.unwrap();
    assert_eq!(one_value(&mut late, "SELECT current_user").await, "boss");
    assert_eq!(one_value(&mut held, "SELECT current_user").await, "clerk");
    old_end.end(EndReason::Replaced);
    drop((held, late));
    assert!(matches!(pools.acquire(&old, &main).await.err(), Some(AcquireError::Ended)));
    assert!(pools.acquire(&new, &main).await.is_ok());
    wait_for_backends(&postgres, "application_name = 'mcp-server/token:alice'", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_gives_way_to_somebody_who_waits() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 1, 1);
    let ((alice, _a), (bob, _b)) = (principal("alice"), principal("bob"));
    for _ in 0..3 {
        drop(pools.acquire(&alice, &main).await.unwrap());
        drop(pools.acquire(&bob, &main).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_comes_back_goes_to_whoever_waits_for_its_place() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 1, 1);
    let ((alice, _a), (bob, _b)) = (principal("alice"), principal("bob"));
    let held = pools.acquire(&alice, &main).await.unwrap();
    let mut waiting = std::pin::pin!(pools.acquire(&bob, &main));
    let early = tokio::time::timeout(Duration::from_millis(50), &mut waiting).await;
    assert!(early.is_err(), "there is one place, and it is taken");
    drop(held);
    assert!(waiting.await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_longer_than_is_allowed() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 1, 1);
    let ((alice, _a), (bob, _b)) = (principal("alice"), principal("bob"));
    let _held = pools.acquire(&alice, &main).await.unwrap();
    for principal in [&alice, &bob] {
        let refused = pools.acquire(principal, &main).await.err();
        assert!(matches!(refused, Some(AcquireError::Busy(_))), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_caller_went_away_is_cancelled() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 4, 50);
    let (alice, _end) = principal("alice");
    let mut lent = pools.acquire(&alice, &main).await.unwrap();
    let slow = lent.start(Transaction::ReadOnly, "SELECT pg_sleep(60)", &[]);
    let given_up = tokio::time::timeout(Duration::from_millis(200), slow).await;
    assert!(given_up.is_err());
    drop(lent);
    wait_for_backends(
        &postgres,
        "query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()",
        0,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_catches_its_cancel_is_ended_and_holds_its_place_until_then() {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", STUBBORN).unwrap();
    let (pools, main) = pools(&postgres, 1, 50);
    let (alice, _end) = principal("alice");
    let mut lent = pools.acquire(&alice, &main).await.unwrap();
    let first = lent.backend_pid();
    let running = lent.start(Transaction::ReadOnly, "SELECT stubborn()", &[]);
    assert!(tokio::time::timeout(Duration::from_millis(200), running).await.is_err());
    drop(lent);
    // There is one place, and the statement holds it until its backend is gone.
    let next = loop {
        match pools.acquire(&alice, &main).await {
            Ok(lent) => break lent,
            Err(refused) => assert!(matches!(refused, AcquireError::Busy(_)), "{refused}"),
        }
    };
    assert_ne!(next.backend_pid(), first);
    wait_for_backends(&postgres, &format!("pid = {first}"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_a_session_knows_its_user_in_every_alphabet() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 4, 50);
    let (zoe, _z) = session("Zoë 名", 1);
    let mut lent = pools.acquire(&zoe, &main).await.unwrap();
    assert_eq!(one_value(&mut lent, "SHOW mcp.username").await, "Zoë 名");
    let (token, _t) = principal("alice");
    let mut lent = pools.acquire(&token, &main).await.unwrap();
    let username = "SELECT current_setting('mcp.username') = ''";
    assert_eq!(one_value(&mut lent, username).await, "t", "a token is nobody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_connection_is_sent_away_when_the_credential_ends() {
    let postgres = Postgres::for_tests().unwrap();
    let (pools, main) = pools(&postgres, 1, 1);
    let ((alice, _a), (bob, end)) = (principal("alice"), principal("bob"));
    let _held = pools.acquire(&alice, &main).await.unwrap();
    let waiting = pools.acquire(&bob, &main);
    let (refused, ()) = tokio::join!(waiting, async { end.end(EndReason::Revoked) });
    assert!(matches!(refused.err(), Some(AcquireError::Ended)));
}
