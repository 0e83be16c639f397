//! One configured database, and what its connections share.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use mcp_connect::{ConnectError, Target};
use mcp_identity::{DatabaseName, DbRole, Principal, UserName};
use tokio::time::timeout;

use crate::inspect::{TooMuch, inspect};
use crate::places::Places;

/// A database as the operator configured it. Comes from `databases[]` in the configuration.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// What callers say instead of a host.
    pub name: DatabaseName,
    /// Where it is and who logs in. Holds the password; never leaves the connecting code.
    pub target: Target,
    /// The users who may reach it, if their record does not say otherwise; `None`: all of them.
    /// Says nothing about tokens, which belong to no user.
    pub available_to_users: Option<BTreeSet<UserName>>,
    /// The role that connections run as where the principal's record names none.
    pub db_role: Option<DbRole>,
    /// Whether credentials that are not read-only may write.
    pub allow_writes: bool,
    /// Whether a login is used that may do more than SQL (superuser, replication, the server's
    /// files and programs).
    pub allow_superuser: bool,
    /// Whether a login is used that can read this product's accounts, which lie in the database.
    pub allow_shared_auth_database: bool,
    /// PostgreSQL's `statement_timeout`.
    pub statement_timeout: Duration,
    /// PostgreSQL's `lock_timeout`.
    pub lock_timeout: Duration,
    /// Connections of one principal.
    pub connections_per_principal: NonZeroUsize,
    /// Connections of one user, by whatever sessions.
    pub connections_per_user: NonZeroUsize,
    /// Connections of all principals together.
    pub connections_total: NonZeroUsize,
    /// How long a connection may lie unused before it is closed.
    pub pool_idle: Duration,
    /// How long a request waits for a connection before it is told that none is free.
    pub acquire_timeout: Duration,
}

impl DatabaseSettings {
    /// Does the database admit this principal, as far as it is a user?
    pub(crate) fn admits(&self, principal: &Principal) -> bool {
        match (&self.available_to_users, &principal.user) {
            (Some(admitted), Some(user)) => admitted.contains(user),
            (None, _) | (_, None) => true,
        }
    }

    /// Did the operator say that a login is meant to do this?
    fn allows(&self, what: TooMuch) -> bool {
        match what {
            TooMuch::Privileged => self.allow_superuser,
            TooMuch::ReadsAccounts => self.allow_shared_auth_database,
        }
    }

    /// The first that a login does and is not meant to.
    pub(crate) fn refuses(&self, found: &[TooMuch]) -> Option<TooMuch> {
        found.iter().copied().find(|what| !self.allows(*what))
    }
}

/// A database and its share of connections.
#[derive(Debug)]
pub struct Database {
    /// As configured.
    pub settings: DatabaseSettings,
    /// A place for each connection that exists.
    pub(crate) total: Places,
    /// The places of each user who has pools here.
    users: Mutex<HashMap<UserName, Weak<Places>>>,
    /// The roles that were looked at and may do no more than they should.
    accepted: Mutex<HashSet<Option<String>>>,
    told: Mutex<HashSet<TooMuch>>,
    down: AtomicBool,
    /// How often a connection fell silent.
    silences: AtomicUsize,
}

impl Database {
    pub(crate) fn new(settings: DatabaseSettings) -> Self {
        let total = Places::new(settings.connections_total);
        Self {
            settings,
            total,
            users: Mutex::default(),
            accepted: Mutex::default(),
            told: Mutex::default(),
            down: AtomicBool::new(false),
            silences: AtomicUsize::new(0),
        }
    }

    /// Looks at the login, and tells the operator what is remarkable about it.
    pub(crate) async fn inspect(&self, within: Duration) -> Result<(), TooMuch> {
        let Self { settings, .. } = self;
        let looking = inspect(&settings.target, settings.db_role.as_ref());
        let fault = match timeout(within, looking).await {
            Ok(Ok(found)) => return self.judge(&found),
            Ok(Err(fault)) => fault,
            Err(_) => ConnectError::TimedOut { host: settings.target.to_string(), after: within },
        };
        self.tell_down(&fault);
        Ok(())
    }

    fn judge(&self, found: &[TooMuch]) -> Result<(), TooMuch> {
        if let Some(refused) = self.settings.refuses(found) {
            return Err(refused);
        }
        for what in found {
            tracing::warn!("Database {}: {what}, and that is allowed", self.settings.name);
        }
        self.accept(self.settings.db_role.as_ref().map(DbRole::as_str));
        Ok(())
    }

    /// The places that all sessions of a user share. They last as long as somebody holds them.
    pub(crate) fn places_of(&self, user: &UserName) -> Arc<Places> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = users.get(user).and_then(Weak::upgrade) {
            return places;
        }
        users.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Places::new(self.settings.connections_per_user));
        users.insert(user.clone(), Arc::downgrade(&places));
        places
    }

    /// Was this role looked at before, and found to do no more than it should?
    pub(crate) fn is_accepted(&self, role: Option<&str>) -> bool {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.contains(&role.map(str::to_owned))
    }

    /// Remembers that a role needs no second look.
    pub(crate) fn accept(&self, role: Option<&str>) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert(role.map(str::to_owned));
    }

    /// Tells the operator, once, why this login is not used.
    pub(crate) fn tell_too_much(&self, reason: TooMuch) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(reason) {
            let (name, way_out) = (&self.settings.name, reason.way_out());
            tracing::error!("Database {name} is not served: {reason}. Hint: {way_out}");
        }
    }

    /// Tells the operator, once per outage, why there is no connection. The model is told less.
    pub(crate) fn tell_down(&self, fault: &ConnectError) {
        if !self.down.swap(true, Ordering::Relaxed) {
            tracing::error!("Database {} cannot be used: {fault}", self.settings.name);
        }
    }

    /// How often a connection fell silent. One that was made before the last time is not lent any
    /// more: it may look well, and hear nothing either.
    pub(crate) fn silences(&self) -> usize {
        self.silences.load(Ordering::Relaxed)
    }

    /// Notes that a connection fell silent.
    pub(crate) fn note_silence(&self) {
        self.silences.fetch_add(1, Ordering::Relaxed);
        tracing::warn!("A connection to database {} fell silent", self.settings.name);
    }

    /// Tells the operator that an outage is over.
    pub(crate) fn tell_up(&self) {
        // Read first: this is said after each connect, and almost always there is nothing to say.
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!("Database {} can be used again", self.settings.name);
        }
    }
}
