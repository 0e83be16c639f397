//! What a session of PostgreSQL remembers: never for another principal; for its own, as long as
//! the connection lasts.

use mcp_connect::Transaction;
use mcp_pool::Pools;
use mcp_testdb::Postgres;

use crate::support::{count, kept, name, one_value, principal, settings, value_of, written};

/// Runs any SQL from within a statement, as a function of somebody's database might.
const RUN: &str = "CREATE FUNCTION run(sql text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE sql; RETURN 'done'; END $$;";

/// There is one place for a connection, so that bob's takes the very one that alice's had.
fn pools(sql: &str) -> (Postgres, Pools) {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", &format!("{RUN}{sql}")).unwrap();
    let mut settings = settings(&postgres);
    settings.connections_total = count(1);
    (postgres, kept(vec![settings]))
}

/// Alice writes something into her session; what bob sees of it then, once while her connection
/// is there and once in its place.
async fn seen_by_bob(sql: &str, write: &str, look: &str) -> [String; 2] {
    let (postgres, crowded) = pools(sql);
    let roomy = kept(vec![settings(&postgres)]);
    let ((alice, _a), (bob, _b)) = (principal("alice"), principal("bob"));
    let mut seen = [String::new(), String::new()];
    for (pools, seen) in [roomy, crowded].iter().zip(&mut seen) {
        let mut lent = pools.acquire(&alice, &name("main")).await.unwrap();
        written(&mut lent, write).await;
        assert!(lent.is_usable(), "{write}");
        drop(lent);
        let mut lent = pools.acquire(&bob, &name("main")).await.unwrap();
        *seen = written(&mut lent, look).await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_one_principal_are_not_anothers() {
    let write = "SELECT set_config('work_mem', '7MB', false),
        set_config('mcp.principal', 'token:boss', false), set_config('my.note', 'x', false)";
    let look = "SELECT concat_ws(' ', current_setting('work_mem'),
        current_setting('mcp.principal'), coalesce(current_setting('my.note', true), '-'))";
    assert_eq!(seen_by_bob("", write, look).await, ["4MB token:bob -"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_temporary_tables_of_one_principal_are_not_anothers() {
    let write = "CREATE TEMP TABLE secret AS SELECT 'alice' AS whose";
    let look = "SELECT coalesce(to_regclass('secret'), to_regclass('pg_temp.secret')) IS NULL";
    assert_eq!(seen_by_bob("", write, look).await, ["t"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prepared_statements_of_one_principal_are_not_anothers() {
    let write = "SELECT run('PREPARE mine AS SELECT 1')";
    let look = "SELECT count(*) FROM pg_prepared_statements";
    assert_eq!(seen_by_bob("", write, look).await, ["0"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advisory_lock_that_one_principals_function_took_is_not_in_anothers_way() {
    let write = "SELECT run('SELECT pg_advisory_lock(7)')";
    let look = "SELECT pg_try_advisory_lock(7)";
    assert_eq!(seen_by_bob("", write, look).await, ["t"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_one_principal_changed_to_is_not_anothers() {
    let look = "SELECT current_user";
    let seen = seen_by_bob("CREATE ROLE boss", "SELECT run('SET ROLE boss')", look).await;
    assert_eq!(seen, ["postgres"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_principal_listens_to_reaches_no_other() {
    let write = "SELECT run('LISTEN news')";
    let look = "SELECT count(*) FROM pg_listening_channels()";
    assert_eq!(seen_by_bob("", write, look).await, ["0"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursors_of_one_principal_are_not_anothers() {
    let write = "SELECT run('DECLARE mine CURSOR WITH HOLD FOR SELECT 1')";
    let look = "SELECT count(*) FROM pg_cursors WHERE name = 'mine'";
    assert_eq!(seen_by_bob("", write, look).await, ["0"; 2]);
}

/// Two calls of alice's, one after the other: what the second sees of what the first did.
async fn kept_for_alice(transaction: Transaction, write: &str, look: &str) -> String {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", RUN).unwrap();
    let pools = kept(vec![settings(&postgres)]);
    let (alice, _a) = principal("alice");
    let mut lent = pools.acquire(&alice, &name("main")).await.unwrap();
    let _ = value_of(&mut lent, transaction, write).await;
    drop(lent);
    let mut lent = pools.acquire(&alice, &name("main")).await.unwrap();
    one_value(&mut lent, look).await
}

const TEMPORARY: (&str, &str) = (
    "CREATE TEMP TABLE basket AS SELECT 3 AS n",
    "SELECT to_regclass('pg_temp.basket') IS NOT NULL",
);
const SETTING: (&str, &str) =
    ("SELECT set_config('work_mem', '7MB', false)", "SELECT current_setting('work_mem') = '7MB'");

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_that_may_write_keeps_its_temporary_tables_and_settings_between_calls() {
    for (write, look) in [TEMPORARY, SETTING] {
        assert_eq!(kept_for_alice(Transaction::ReadWrite, write, look).await, "t", "{write}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_read_is_kept_not_even_for_its_own_principal() {
    for (write, look) in [TEMPORARY, SETTING] {
        assert_eq!(kept_for_alice(Transaction::ReadOnly, write, look).await, "f", "{write}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_keeps_no_advisory_lock_between_calls() {
    let (postgres, pools) = pools("");
    let (alice, _a) = principal("alice");
    let held = || {
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
        postgres.execute("postgres", held).unwrap()
    };
    let mut lent = pools.acquire(&alice, &name("main")).await.unwrap();
    for transaction in [Transaction::ReadOnly, Transaction::ReadWrite] {
        let take = "SELECT run('SELECT pg_advisory_lock(7)')";
        value_of(&mut lent, transaction, take).await.unwrap();
        assert_eq!(held(), "0\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_hears_something_while_idle_is_not_used_again() {
    let (postgres, pools) = pools("");
    let (alice, _a) = principal("alice");
    let main = name("main");
    let mut lent = pools.acquire(&alice, &main).await.unwrap();
    let deaf = lent.backend_pid();
    written(&mut lent, "SELECT run('LISTEN news')").await;
    postgres.execute("postgres", "NOTIFY news, 'psst'").unwrap();
    while lent.is_usable() {
        tokio::task::yield_now().await;
    }
    drop(lent);
    let mut lent = pools.acquire(&alice, &main).await.unwrap();
    assert_ne!(lent.backend_pid(), deaf);
    assert_eq!(one_value(&mut lent, "SELECT 'mine'").await, "mine");
}
