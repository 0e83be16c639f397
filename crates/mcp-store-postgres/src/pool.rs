//! Connections, lent for one statement at a time.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, PoolError, RecycleError, RecycleResult, Timeouts};
use deadpool_postgres::ClientWrapper;
use mcp_connect::{ConnectError, SessionSettings, Target, connect_client};
use mcp_store::{StoreError, StoreErrorKind};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::fault::{Fault, down, fault, of_connect, of_statement};
use crate::settings::PostgresSettings;

/// Values of a statement, each with its type: nothing is prepared, so every statement is one round
/// trip, also the first on its connection; and no value is logged by the client.
pub(crate) type Values<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// How often those that waited for each other try again.
const TRIES: u32 = 4;

/// The connections of one store.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: managed::Pool<Manager>,
    /// The masked DSN, for messages.
    place: String,
    settings: PostgresSettings,
    /// Whether the tables are what this release needs. Nothing is read or written before.
    prepared: Arc<AtomicBool>,
}

pub(crate) struct Manager {
    target: Target,
    session: SessionSettings,
    lifetime: Duration,
}

/// A connection that is somebody's. Dropped midway, it is closed: nobody may get the answer to
/// somebody else's statement.
pub(crate) struct Lent {
    client: Option<managed::Object<Manager>>,
    settled: bool,
}

impl Pool {
    pub(crate) fn new(target: Target, settings: PostgresSettings) -> Result<Self, StoreError> {
        let place = target.to_string();
        let session = session("mcp-server/users", settings.reading);
        let manager = Manager { target, session, lifetime: settings.lifetime };
        let connections = managed::Pool::builder(manager)
            .max_size(settings.connections.get())
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| fault(&place, StoreErrorKind::Refused, error.to_string()))?;
        Ok(Self { connections, place, settings, prepared: Arc::default() })
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The tables are what this release needs.
    pub(crate) fn set_prepared(&self) {
        self.prepared.store(true, Ordering::Release);
    }

    pub(crate) fn is_prepared(&self) -> bool {
        self.prepared.load(Ordering::Acquire)
    }

    pub(crate) fn target(&self) -> &Target {
        &self.connections.manager().target
    }

    pub(crate) fn settings(&self) -> &PostgresSettings {
        &self.settings
    }

    /// A statement that changes something. Tried again when it collided with another, which undid
    /// it; never when the connection broke, which may have been after it was done.
    pub(crate) async fn write(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let mut tries = 1;
        loop {
            match self.once(sql, values, self.settings.patience).await {
                Err(Fault::Collided(_)) if tries < TRIES => tries += 1,
                settled => return settled,
            }
        }
    }

    /// A statement that changes nothing, and may be asked again on another connection.
    pub(crate) async fn read(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, StoreError> {
        match self.once(sql, values, self.settings.reading).await {
            Err(Fault::Cut(_)) => self.once(sql, values, self.settings.reading).await,
            settled => settled,
        }
        .map_err(Fault::into_store)
    }

    async fn once(
        &self,
        sql: &str,
        values: Values<'_>,
        limit: Duration,
    ) -> Result<Vec<Row>, Fault> {
        self.in_time(limit, async {
            let mut lent = self.lend().await.map_err(Fault::Store)?;
            let answer = lent.query_typed(sql, values).await;
            lent.settle();
            answer.map_err(|error| of_statement(&self.place, &error))
        })
        .await
    }

    /// What `work` says, or that it took too long.
    pub(crate) async fn in_time<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let late = format!("no answer within {} ms", limit.as_millis());
            Err(Fault::Store(down(&self.place, late)))
        })
    }

    /// A connection that stands, to the tables of this release. Whoever is done with it settles it.
    pub(crate) async fn lend(&self) -> Result<Lent, StoreError> {
        if !self.is_prepared() {
            return Err(down(&self.place, "the tables have not been looked at yet"));
        }
        self.lend_bare().await
    }

    /// The same, whatever the tables are.
    pub(crate) async fn lend_bare(&self) -> Result<Lent, StoreError> {
        let wait = Timeouts { wait: Some(self.settings.patience), ..Timeouts::default() };
        let client = self.connections.timeout_get(&wait).await;
        let client = client.map_err(|error| match error {
            PoolError::Backend(error) => of_connect(&self.place, &error),
            PoolError::Timeout(_) => down(
                &self.place,
                format!("all {} connections are in use", self.settings.connections),
            ),
            PoolError::Closed => down(&self.place, "the store is closed"),
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                down(&self.place, error.to_string())
            }
        })?;
        Ok(Lent { client: Some(client), settled: false })
    }

    /// Closes what has been idle for too long, is too old, or is more than may lie idle.
    pub(crate) fn reap(&self) {
        let PostgresSettings { idle, lifetime, idle_time, .. } = self.settings;
        let mut kept = 0;
        let _ = self.connections.retain(|client, metrics| {
            let fresh = metrics.age() < lifetime && metrics.last_used() < idle_time;
            let stays = fresh && !client.is_closed() && kept < idle;
            kept += usize::from(stays);
            stays
        });
    }

    pub(crate) fn close(&self) {
        self.connections.close();
    }
}

/// What every session of the store has in common. The tables are in `public`, whatever the login's
/// search path; no statement outlives whoever waits for it by much.
pub(crate) fn session(name: &str, statement_timeout: Duration) -> SessionSettings {
    let setting = |name: &str, value: String| (name.to_owned(), value);
    SessionSettings {
        application_name: name.to_owned(),
        settings: vec![
            setting("search_path", "public".to_owned()),
            setting("client_min_messages", "warning".to_owned()),
            setting("statement_timeout", statement_timeout.as_millis().to_string()),
            setting("idle_in_transaction_session_timeout", "10000".to_owned()),
        ],
        role: None,
    }
}

impl Lent {
    /// The answer was read to its end: another may have it.
    pub(crate) fn settle(&mut self) {
        self.settled = true;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        match self.client.take() {
            Some(client) if !self.settled || client.is_closed() => {
                drop(managed::Object::take(client));
            }
            _ => {}
        }
    }
}

impl Deref for Lent {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        match &self.client {
            Some(client) => client,
            None => unreachable!("it is taken when it is dropped"),
        }
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut ClientWrapper {
        match &mut self.client {
            Some(client) => client,
            None => unreachable!("it is taken when it is dropped"),
        }
    }
}

impl managed::Manager for Manager {
    type Type = ClientWrapper;
    type Error = ConnectError;

    async fn create(&self) -> Result<ClientWrapper, ConnectError> {
        // On the heap: a handshake is many times as large as a statement, and seldom needed.
        let (client, driver) = Box::pin(connect_client(&self.target, &self.session)).await?;
        // How it ends shows in whatever is asked of the client; the wrapper ends it with itself.
        let driving = tokio::spawn(async move {
            let _ = driver.run().await;
        });
        Ok(ClientWrapper::new(client, driving))
    }

    async fn recycle(
        &self,
        client: &mut ClientWrapper,
        metrics: &Metrics,
    ) -> RecycleResult<ConnectError> {
        if client.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        if metrics.age() >= self.lifetime {
            return Err(RecycleError::message("the connection is old"));
        }
        Ok(())
    }
}
