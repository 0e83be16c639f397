//! One server, and a database for whoever needs one.

use std::sync::atomic::{AtomicU32, Ordering};

use mcp_connect::{SessionSettings, Target, connect_client};
use mcp_store_postgres::{PostgresKeeper, PostgresSettings, PostgresStore};
use mcp_testdb::{Options, Postgres};
use tokio::task::JoinHandle;

pub(crate) struct House {
    pub(crate) server: Postgres,
    databases: AtomicU32,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let server = Postgres::for_tests_with(options).unwrap();
        Self { server, databases: AtomicU32::new(0) }
    }

    /// A new and empty database; its name.
    pub(crate) fn database(&self) -> String {
        let name = format!("house_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.server.execute("postgres", &format!("CREATE DATABASE {name}")).unwrap();
        name
    }

    /// Empties the tables of a store without a word to anybody.
    pub(crate) async fn empty(&self, database: &str) {
        const EMPTY: [&str; 2] = [
            "SET session_replication_role = 'replica'",
            "TRUNCATE users, user_sessions, mcp_tokens, password_reset_tokens, mcp_letters, \
              password_history, auth_events, mcp_addresses, mcp_nobody RESTART IDENTITY",
        ];
        let target = self.target(database);
        let (client, driver) = connect_client(&target, &SessionSettings::default()).await.unwrap();
        let emptying = async move {
            for sql in EMPTY {
                client.execute_typed(sql, &[]).await.unwrap();
            }
        };
        let ((), ended) = tokio::join!(emptying, driver.run());
        ended.unwrap();
    }

    pub(crate) fn target(&self, database: &str) -> Target {
        Target::parse(&self.server.dsn(database)).unwrap()
    }

    pub(crate) async fn open(&self, database: &str) -> (PostgresStore, PostgresKeeper) {
        let opening = PostgresStore::open(self.target(database), PostgresSettings::default());
        Box::pin(opening).await.unwrap()
    }

    /// A store on a database, kept until the second value is dropped.
    pub(crate) async fn kept(&self, database: &str) -> (PostgresStore, Kept) {
        let (store, keeper) = self.open(database).await;
        (store, Kept(tokio::spawn(keeper.run(std::future::pending()))))
    }

    /// Runs SQL by hand, as psql does.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        self.server.execute(database, sql).unwrap().trim_end().to_owned()
    }
}

/// A keeper that runs until this is dropped.
pub(crate) struct Kept(JoinHandle<()>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}
