//! What a login may do and must not.

use std::time::Duration;

use mcp_connect::Target;
use mcp_pool::{AcquireError, DatabaseSettings, TooMuch, inspect};
use mcp_testdb::Postgres;

use crate::support::{kept, name, principal, settings};

/// The tables of this product, in the words that make them, and in a schema of their own that the
/// login `agent` may look into; and the users of another application.
fn accounts() -> String {
    let tables = [
        include_str!("../../../mcp-store-postgres/src/schema/users.sql"),
        include_str!("../../../mcp-store-postgres/src/schema/sessions.sql"),
        include_str!("../../../mcp-store-postgres/src/schema/rest.sql"),
    ];
    let before = "CREATE ROLE agent LOGIN; CREATE ROLE clerk; CREATE SCHEMA kept;
        GRANT USAGE ON SCHEMA kept TO agent, clerk; SET search_path = kept;";
    let after = "SET search_path = public;
        CREATE TABLE users (id bigint, username text, password_hash text);
        CREATE TABLE user_sessions (id bigint, token_jti text);
        GRANT SELECT ON users, user_sessions TO agent;";
    let tables = tables.concat().replace("@COLLATION@", "\"default\"");
    [before, &tables, after].concat()
}

fn as_agent(postgres: &Postgres) -> DatabaseSettings {
    let mut settings = settings(postgres);
    settings.allow_superuser = false;
    settings.target = Target::parse(&postgres.dsn_as("agent", "postgres")).unwrap();
    settings
}

async fn found(postgres: &Postgres) -> Vec<TooMuch> {
    inspect(&as_agent(postgres).target, None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_is_not_used_unless_the_operator_says_so() {
    let postgres = Postgres::for_tests().unwrap();
    let mut superuser = settings(&postgres);
    superuser.allow_superuser = false;
    let pools = kept(vec![superuser]);
    let (alice, _end) = principal("alice");
    let refused = pools.acquire(&alice, &name("main")).await.err();
    assert!(matches!(refused, Some(AcquireError::TooMuch(TooMuch::Privileged))), "{refused:?}");
    let refused = pools.inspect(Duration::from_secs(5)).await;
    assert_eq!(refused, Err((name("main"), TooMuch::Privileged)));
    let pools = kept(vec![settings(&postgres)]);
    assert!(pools.inspect(Duration::from_secs(5)).await.is_ok());
    assert!(pools.acquire(&alice, &name("main")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_reads_any_of_the_accounts_is_found_however_it_may() {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", &accounts()).unwrap();
    assert_eq!(found(&postgres).await, [], "the users of another application are its own matter");
    for (grant, revoke) in [
        ("SELECT ON kept.users TO agent", "SELECT ON kept.users FROM agent"),
        ("SELECT ON kept.user_sessions TO PUBLIC", "SELECT ON kept.user_sessions FROM PUBLIC"),
        ("SELECT ON kept.mcp_tokens TO agent", "SELECT ON kept.mcp_tokens FROM agent"),
        ("SELECT ON kept.email_users TO agent", "SELECT ON kept.email_users FROM agent"),
        ("SELECT (username) ON kept.users TO agent", "SELECT (username) ON kept.users FROM agent"),
        ("pg_read_all_data TO agent", "pg_read_all_data FROM agent"),
    ] {
        postgres.execute("postgres", &format!("GRANT {grant}")).unwrap();
        assert_eq!(found(&postgres).await, [TooMuch::ReadsAccounts], "{grant}");
        postgres.execute("postgres", &format!("REVOKE {revoke}")).unwrap();
        assert_eq!(found(&postgres).await, [], "{revoke}");
    }
    // By a role that the login does not inherit from, and may change to.
    let change = "GRANT SELECT ON kept.users TO clerk; GRANT clerk TO agent;
        ALTER ROLE agent NOINHERIT";
    postgres.execute("postgres", change).unwrap();
    assert_eq!(found(&postgres).await, [TooMuch::ReadsAccounts]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_reads_the_accounts_is_not_used_until_that_is_mended_or_meant() {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", &accounts()).unwrap();
    postgres.execute("postgres", "GRANT SELECT ON kept.users TO agent").unwrap();
    let (alice, _end) = principal("alice");
    let pools = kept(vec![as_agent(&postgres)]);
    let refused = pools.acquire(&alice, &name("main")).await.err();
    assert!(matches!(refused, Some(AcquireError::TooMuch(TooMuch::ReadsAccounts))), "{refused:?}");
    let refused = pools.inspect(Duration::from_secs(5)).await;
    assert_eq!(refused, Err((name("main"), TooMuch::ReadsAccounts)));

    let mut meant = as_agent(&postgres);
    meant.allow_shared_auth_database = true;
    assert!(kept(vec![meant]).acquire(&alice, &name("main")).await.is_ok());
    postgres.execute("postgres", "REVOKE SELECT ON kept.users FROM agent").unwrap();
    assert!(pools.acquire(&alice, &name("main")).await.is_ok(), "without a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_looked_at_when_it_is_back() {
    let mut postgres = Postgres::for_tests().unwrap();
    postgres.stop();
    let mut superuser = settings(&postgres);
    superuser.allow_superuser = false;
    let pools = kept(vec![superuser]);
    assert!(pools.inspect(Duration::from_secs(5)).await.is_ok(), "down is no fault of the login");
    postgres.resume().unwrap();
    let (alice, _end) = principal("alice");
    let refused = pools.acquire(&alice, &name("main")).await.err();
    assert!(matches!(refused, Some(AcquireError::TooMuch(TooMuch::Privileged))), "{refused:?}");
}
