//! How deadpool makes and checks connections.

use std::sync::{Arc, Weak};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use mcp_connect::{ConnectError, Connection, SessionSettings};
use mcp_identity::UserName;
use tokio::time::timeout;

use crate::database::Database;
use crate::inspect::{TooMuch, look};
use crate::places::{Place, Places};
use crate::pools::Shared;

pub(crate) type Pool = managed::Pool<Manager>;

/// Makes the connections of one principal on one database.
pub(crate) struct Manager {
    pub(crate) database: Arc<Database>,
    pub(crate) session: SessionSettings,
    /// The user behind the principal, and what all of the user's sessions share.
    pub(crate) user: Option<(UserName, Arc<Places>)>,
    pub(crate) shared: Weak<Shared>,
}

/// A connection, and its places: among those of its user, and of its database.
pub(crate) struct Pooled {
    pub(crate) connection: Connection,
    pub(crate) database: Arc<Database>,
    /// How often one of the database's connections had fallen silent when this one was made.
    silences: usize,
    _places: (Option<Place>, Place),
}

impl Manager {
    /// Does somebody wait for a place that a connection of this pool lies on?
    pub(crate) fn is_contended(&self) -> bool {
        self.database.total.is_contended()
            || self.user.as_ref().is_some_and(|(_, places)| places.is_contended())
    }

    /// Closes one idle connection for each kind of place that somebody waits for.
    pub(crate) fn make_room_for_waiting(&self) {
        if let Some((user, places)) = &self.user
            && places.is_contended()
        {
            self.make_room(Some(user));
        }
        if self.database.total.is_contended() {
            self.make_room(None);
        }
    }

    /// Closes the connection that has been idle longest: of one user, or of the whole database.
    fn make_room(&self, whose: Option<&UserName>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.make_room(&self.database, whose);
        }
    }

    /// Places for one more connection, taken from idle ones of others if there are no free ones.
    /// The user's comes first: who waits for that must not sit on one of everybody's.
    async fn places(&self) -> Option<(Option<Place>, Place)> {
        let own = match &self.user {
            Some((user, places)) => Some(places.take(|| self.make_room(Some(user))).await?),
            None => None,
        };
        let shared = self.database.total.take(|| self.make_room(None)).await?;
        Some((own, shared))
    }

    /// Connects, once there is a place.
    async fn make(&self) -> Result<Pooled, MakeError> {
        let settings = &self.database.settings;
        let places = match timeout(settings.acquire_timeout, self.places()).await {
            Ok(places) => places.ok_or(MakeError::Closed)?,
            Err(_) => return Err(MakeError::Busy),
        };
        let database = Arc::clone(&self.database);
        let silences = database.silences();
        let connecting = Connection::connect(&settings.target, &self.session);
        let mut connection = connecting.await.map_err(|fault| {
            self.database.tell_down(&fault);
            MakeError::Connect(fault)
        })?;
        self.database.tell_up();
        self.check(&mut connection).await?;
        Ok(Pooled { connection, database, silences, _places: places })
    }

    /// Looks at what the login may do, once for each role.
    async fn check(&self, connection: &mut Connection) -> Result<(), MakeError> {
        let database = &self.database;
        let role = self.session.role.as_deref();
        // What the connection learnt by itself is always up to date.
        let privileged = connection.is_privileged() && !database.settings.allow_superuser;
        if database.is_accepted(role) && !privileged {
            return Ok(());
        }
        let within = database.settings.target.connect_timeout;
        let Ok(Ok(found)) = timeout(within, look(connection)).await else {
            return Err(MakeError::Lost);
        };
        if let Some(reason) = database.settings.refuses(&found) {
            database.tell_too_much(reason);
            return Err(MakeError::TooMuch(reason));
        }
        database.accept(role);
        Ok(())
    }
}

/// Why there is no new connection.
pub(crate) enum MakeError {
    /// Every place is taken, and stayed so.
    Busy,
    /// PostgreSQL could not be reached or refused the login.
    Connect(ConnectError),
    /// The connection broke before it was ready.
    Lost,
    /// The login may do too much.
    TooMuch(TooMuch),
    /// The server stops.
    Closed,
}

impl managed::Manager for Manager {
    type Type = Pooled;
    type Error = MakeError;

    async fn create(&self) -> Result<Pooled, MakeError> {
        // Boxed: it is seldom done and large, and whoever asks for a connection would carry its
        // room about.
        Box::pin(self.make()).await
    }

    async fn recycle(&self, pooled: &mut Pooled, _: &Metrics) -> RecycleResult<MakeError> {
        if pooled.connection.is_usable() && pooled.silences == self.database.silences() {
            Ok(())
        } else {
            Err(RecycleError::message("the connection is spent"))
        }
    }
}
