//! Principals, and pools over a throwaway server.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use mcp_connect::{Target, Transaction, WireError};
use mcp_identity::{
    DatabaseGrant, DatabaseName, Grants, Lease, LeaseEnd, Principal, PrincipalId, SessionId,
    TokenId, UserName,
};
use mcp_pool::{DatabaseSettings, Lent, Pools};
use mcp_testdb::Postgres;

/// A token of that name, for the first database.
pub(crate) fn principal(id: &str) -> (Principal, LeaseEnd) {
    made(PrincipalId::Token(TokenId::parse(id).unwrap()), None, DatabaseGrant::First)
}

/// One session of a user, for every database that admits the user.
pub(crate) fn session(user: &str, number: u8) -> (Principal, LeaseEnd) {
    let id = PrincipalId::Session(SessionId::from_bytes([number; 8]));
    made(id, Some(UserName::parse(user).unwrap()), DatabaseGrant::All)
}

fn made(
    id: PrincipalId,
    user: Option<UserName>,
    databases: DatabaseGrant,
) -> (Principal, LeaseEnd) {
    let (lease, end) = Lease::new();
    let grants =
        Grants { roles: BTreeSet::new(), databases, db_role: None, tools: None, read_only: false };
    (Principal { id, user, grants, expires_at: None, lease }, end)
}

pub(crate) fn name(text: &str) -> DatabaseName {
    DatabaseName::parse(text).unwrap()
}

pub(crate) fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// A database called `main`, on this server, as its superuser, that waits half a second.
pub(crate) fn settings(postgres: &Postgres) -> DatabaseSettings {
    DatabaseSettings {
        name: name("main"),
        target: Target::parse(&postgres.dsn("postgres")).unwrap(),
        available_to_users: None,
        db_role: None,
        allow_writes: true,
        allow_superuser: true,
        allow_shared_auth_database: false,
        statement_timeout: Duration::from_secs(10),
        lock_timeout: Duration::from_secs(1),
        connections_per_principal: count(4),
        connections_per_user: count(8),
        connections_total: count(50),
        pool_idle: Duration::from_mins(1),
        acquire_timeout: Duration::from_millis(500),
    }
}

/// Pools over these databases, kept by a task of the test's runtime.
pub(crate) fn kept(settings: Vec<DatabaseSettings>) -> Pools {
    let (pools, keeper) = Pools::new(settings);
    tokio::spawn(keeper.run(std::future::pending()));
    pools
}

/// The one value of a read.
pub(crate) async fn one_value(lent: &mut Lent, sql: &str) -> String {
    value_of(lent, Transaction::ReadOnly, sql).await.unwrap()
}

/// The one value of a write, committed.
pub(crate) async fn written(lent: &mut Lent, sql: &str) -> String {
    value_of(lent, Transaction::ReadWrite, sql).await.unwrap()
}

/// The one value of a statement; empty where there is none.
pub(crate) async fn value_of(
    lent: &mut Lent,
    transaction: Transaction,
    sql: &str,
) -> Result<String, WireError> {
    let mut running = lent.start(transaction, sql, &[]).await?;
    let value = running.next().await?.and_then(|row| row.get(0).map(str::to_owned));
    running.finish().await?;
    Ok(value.unwrap_or_default())
}

/// Waits until PostgreSQL counts this many backends that fit.
pub(crate) fn wait_for_backends(postgres: &Postgres, condition: &str, count: u32) {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE {condition}");
    for _ in 0..400 {
        if postgres.execute("postgres", &sql).unwrap().trim() == count.to_string() {
            return;
        }
    }
    panic!("never {count} backends with {condition}");
}
