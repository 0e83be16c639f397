//! Cancel requests that come too late.

use std::pin::pin;
use std::time::Duration;

use mcp_connect::Transaction;
use mcp_testdb::Postgres;

use crate::support::{kept, name, one_value, principal, settings, wait_for_backends};

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_meets_the_cancel_of_another_however_they_race() {
    let postgres = Postgres::for_tests().unwrap();
    let mut settings = settings(&postgres);
    settings.acquire_timeout = Duration::from_secs(20);
    let pools = kept(vec![settings]);
    let (alice, _end) = principal("alice");
    let main = name("main");
    for nonce in 0..250_u32 {
        let mut given_up = pools.acquire(&alice, &main).await.unwrap();
        {
            let sql = format!("SELECT count(*), {nonce} FROM generate_series(1, 200)");
            let mut running = pin!(given_up.start(Transaction::ReadOnly, &sql, &[]));
            // Given up at every stage: before it was sent, on its way, when it had all but ended.
            for _ in 0..nonce % 25 {
                tokio::select! {
                    biased;
                    _ = &mut running => break,
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        drop(given_up);
        let mut lent = pools.acquire(&alice, &main).await.unwrap();
        let answer = one_value(&mut lent, &format!("SELECT 'answer {nonce}'")).await;
        assert_eq!(answer, format!("answer {nonce}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_side_by_side_get_their_own_rows_while_others_are_given_up() {
    let postgres = Postgres::for_tests().unwrap();
    let mut settings = settings(&postgres);
    settings.acquire_timeout = Duration::from_secs(20);
    let pools = kept(vec![settings]);
    let asked = (0..8_u32).map(|client| {
        let pools = pools.clone();
        tokio::spawn(async move {
            let (principal, _end) = principal(&format!("client{}", client % 3));
            for round in 0..40_u32 {
                let mut lent = pools.acquire(&principal, &name("main")).await.unwrap();
                if round % 4 == client % 4 {
                    let slow = lent.start(Transaction::ReadOnly, "SELECT pg_sleep(60)", &[]);
                    drop(tokio::time::timeout(Duration::from_millis(1), slow).await);
                    continue;
                }
                let nonce = format!("{client} {round}");
                let sql = format!("SELECT '{nonce}' FROM generate_series(1, 50)");
                assert_eq!(one_value(&mut lent, &sql).await, nonce);
            }
        })
    });
    for client in asked.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let asleep = "wait_event = 'PgSleep'";
    wait_for_backends(&postgres, asleep, 0);
}
