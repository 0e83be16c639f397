//! One configured database, and what its connections share.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mcp_connect::{ConnectError, Target};
use mcp_identity::{DatabaseName, DbRole};
use tokio::sync::Semaphore;

/// A database as the operator configured it. Comes from `databases[]` in the configuration.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// What callers say instead of a host.
    pub name: DatabaseName,
    /// Where it is and who logs in. Holds the password; never leaves the connecting code.
    pub target: Target,
    /// The role that connections run as where the principal's record names none.
    pub db_role: Option<DbRole>,
    /// Whether credentials that are not read-only may write.
    pub allow_writes: bool,
    /// Whether a login is used that may do more than SQL (superuser, replication, the server's
    /// files and programs).
    pub allow_superuser: bool,
    /// PostgreSQL's `statement_timeout`.
    pub statement_timeout: Duration,
    /// PostgreSQL's `lock_timeout`.
    pub lock_timeout: Duration,
    /// Connections of one principal.
    pub connections_per_principal: NonZeroUsize,
    /// Connections of all principals together.
    pub connections_total: NonZeroUsize,
    /// How long a connection may lie unused before it is closed.
    pub pool_idle: Duration,
    /// How long a request waits for a connection before it is told that none is free.
    pub acquire_timeout: Duration,
}

/// A database and its share of connections.
#[derive(Debug)]
pub struct Database {
    /// As configured.
    pub settings: DatabaseSettings,
    /// A permit for each connection that exists. Fair: first come, first served.
    pub(crate) permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    told_privileged: AtomicBool,
    down: AtomicBool,
}

impl Database {
    pub(crate) fn new(settings: DatabaseSettings) -> Self {
        let permits = Arc::new(Semaphore::new(settings.connections_total.get()));
        Self {
            settings,
            permits,
            waiting: AtomicUsize::new(0),
            told_privileged: AtomicBool::new(false),
            down: AtomicBool::new(false),
        }
    }

    /// Is somebody waiting for a connection that others lie on? Then nothing goes back to lie idle.
    pub(crate) fn is_contended(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Tells the operator, once, that this login is not used.
    pub(crate) fn tell_privileged(&self) {
        if !self.told_privileged.swap(true, Ordering::Relaxed) {
            let name = &self.settings.name;
            tracing::error!(
                "Database {name} is not served: its login or role is superuser, has replication, \
                 or reaches the server's files or programs. Give it a role that may only do what \
                 an agent should, or say allow_superuser: true"
            );
        }
    }

    /// Tells the operator, once per outage, why there is no connection. The model is told less.
    pub(crate) fn tell_down(&self, fault: &ConnectError) {
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::error!("Database {} cannot be used: {fault}", self.settings.name);
        }
    }

    /// Tells the operator that an outage is over.
    pub(crate) fn tell_up(&self) {
        // Read first: this is said after each connect, and almost always there is nothing to say.
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!("Database {} can be used again", self.settings.name);
        }
    }

    /// Counts one who waits, until the guard is dropped.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }
}

pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
