//! How deadpool makes and checks connections.

use std::sync::{Arc, Weak};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use mcp_connect::{ConnectError, Connection, SessionSettings};
use tokio::sync::OwnedSemaphorePermit;

use crate::database::Database;
use crate::pools::Shared;

pub(crate) type Pool = managed::Pool<Manager>;

/// Makes the connections of one principal on one database.
pub(crate) struct Manager {
    pub(crate) database: Arc<Database>,
    pub(crate) session: SessionSettings,
    pub(crate) shared: Weak<Shared>,
}

/// A connection, and its place among the connections of its database.
pub(crate) struct Pooled {
    pub(crate) connection: Connection,
    pub(crate) database: Arc<Database>,
    _place: OwnedSemaphorePermit,
}

impl Manager {
    /// A place for one more connection, taken from idle ones of others if there is no free one.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.database.permits).try_acquire_owned() {
            return Some(place);
        }
        let _waiting = self.database.wait();
        if let Some(shared) = self.shared.upgrade() {
            shared.drop_idle(&self.database);
        }
        Arc::clone(&self.database.permits).acquire_owned().await.ok()
    }
}

/// Why there is no new connection.
pub(crate) enum MakeError {
    /// PostgreSQL could not be reached or refused the login.
    Connect(ConnectError),
    /// The login may do too much.
    Privileged,
    /// The server stops.
    Closed,
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = MakeError;

    async fn create(&self) -> Result<Pooled, MakeError> {
        let place = self.place().await.ok_or(MakeError::Closed)?;
        let settings = &self.database.settings;
        let connecting = Connection::connect(&settings.target, &self.session);
        let connection = connecting.await.map_err(|fault| {
            self.database.tell_down(&fault);
            MakeError::Connect(fault)
        })?;
        self.database.tell_up();
        if connection.is_privileged() && !settings.allow_superuser {
            self.database.tell_privileged();
            return Err(MakeError::Privileged);
        }
        Ok(Pooled { connection, database: Arc::clone(&self.database), _place: place })
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<MakeError> {
        if pooled.connection.is_usable() {
            Ok(())
        } else {
            Err(RecycleError::message("the connection is spent"))
        }
    }
}
