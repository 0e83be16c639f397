//! The pools, and the one door to a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::managed::Object;
use deadpool::managed::{PoolConfig, PoolError, QueueMode, TimeoutType, Timeouts};
use futures_util::future::join_all;
use mcp_connect::ConnectError;
use mcp_identity::{DatabaseName, Lease, Principal, PrincipalId, UserName};
use tokio::sync::mpsc;

use crate::database::{Database, DatabaseSettings};
use crate::inspect::TooMuch;
use crate::keeper::PoolKeeper;
use crate::lent::Lent;
use crate::manager::{MakeError, Manager, Pool};
use crate::session::{may_write, session, takes_writes};

/// How many ended principals and wrecked connections may wait for the keeper.
const KEEPER_BACKLOG: usize = 1024;

/// All pools of a server. Cheap to clone.
#[derive(Clone)]
pub struct Pools(Arc<Shared>);

pub(crate) struct Shared {
    names: Vec<DatabaseName>,
    databases: Vec<Arc<Database>>,
    /// Never locked across an await: a pool is made empty, and connects outside.
    pools: Mutex<HashMap<Key, Entry>>,
    leases: mpsc::UnboundedSender<Lease>,
    wrecks: mpsc::Sender<Object<Manager>>,
}

/// A principal, and the place of a database in the configuration.
type Key = (PrincipalId, usize);

/// A pool, and the authority that it was made under. A record that changed has a new lease, and
/// what was connected under the old one is not for the new.
struct Entry {
    pool: Pool,
    lease: Lease,
}

/// Why there is no connection. A part that is down, or busy; never a denial.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// The principal reaches no database of that name; perhaps there is none.
    #[error("no such database")]
    NoSuchDatabase,
    /// The principal's credential ended.
    #[error("the credential has ended")]
    Ended,
    /// Every connection that this principal may have is in use, and stayed so.
    #[error("no connection became free within {0:?}")]
    Busy(Duration),
    /// The login, or the role that it runs as, may do more than it must, and the operator did not
    /// say that this is meant.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// The connection broke before it was ready.
    #[error("the connection broke before it was ready")]
    Lost,
    /// PostgreSQL could not be reached or refused the login.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Pools {
    /// Pools over these databases, in file order, and the task that keeps them. Connects to
    /// nothing yet: a database that is down now may be up when somebody asks.
    pub fn new(databases: Vec<DatabaseSettings>) -> (Self, PoolKeeper) {
        let (leases, ending) = mpsc::unbounded_channel();
        let (wrecks, wrecked) = mpsc::channel(KEEPER_BACKLOG);
        let shared = Arc::new(Shared {
            names: databases.iter().map(|database| database.name.clone()).collect(),
            databases: databases.into_iter().map(|one| Arc::new(Database::new(one))).collect(),
            pools: Mutex::default(),
            leases,
            wrecks,
        });
        (Self(Arc::clone(&shared)), PoolKeeper::new(shared, ending, wrecked))
    }

    /// The names of the configured databases, in file order.
    #[must_use]
    pub fn names(&self) -> &[DatabaseName] {
        &self.0.names
    }

    /// The places, in file order, of all names under which that database is configured: those of
    /// one database on a server that they have in common.
    pub fn same_database(&self, name: &DatabaseName) -> impl Iterator<Item = usize> {
        let target_at = |place: usize| &self.0.databases[place].settings.target;
        let target = self.0.place(name).map(target_at);
        (0..self.0.databases.len()).filter(move |place| {
            let other = target_at(*place);
            target.is_some_and(|target| {
                target.database == other.database
                    && target.hosts.iter().any(|host| other.hosts.contains(host))
            })
        })
    }

    /// May this principal write on that database? Its connections begin read-only if not.
    #[must_use]
    pub fn may_write(&self, principal: &Principal, name: &DatabaseName) -> bool {
        let place = self.0.names.iter().position(|known| known == name);
        place.is_some_and(|place| may_write(principal, &self.0.databases[place].settings))
    }

    /// Is there a database that takes writes from anybody?
    #[must_use]
    pub fn take_writes(&self) -> bool {
        self.0.databases.iter().any(|database| takes_writes(&database.settings))
    }

    /// Looks at every database once, all at the same time, for no longer than `within`, and tells
    /// the operator what is remarkable. One that is down is no error: it may be up when somebody
    /// asks, and is looked at then.
    ///
    /// # Errors
    /// The first database, in file order, whose login may do what it must not, and what that is.
    pub async fn inspect(&self, within: Duration) -> Result<(), (DatabaseName, TooMuch)> {
        let looks = self.0.databases.iter().map(|database| database.inspect(within));
        join_all(looks)
            .await
            .into_iter()
            .zip(&self.0.names)
            .try_for_each(|(found, name)| found.map_err(|reason| (name.clone(), reason)))
    }

    /// The databases that a principal reaches, in file order: those of its record that admit it.
    pub fn reached<'a>(
        &'a self,
        principal: &'a Principal,
    ) -> impl Iterator<Item = &'a DatabaseName> {
        let reached = principal.grants.databases.reached(&self.0.names);
        reached.filter(|name| {
            self.0.place(name).is_some_and(|at| self.0.databases[at].settings.admits(principal))
        })
    }

    /// A connection of this principal to that database, if it reaches it.
    ///
    /// Its lease is looked at after the pool is listed, so that an ending lease either finds the
    /// pool or is found by it.
    ///
    /// # Errors
    /// [`AcquireError`], after at most twice the acquire timeout and what one connect may take.
    pub async fn acquire(
        &self,
        principal: &Principal,
        name: &DatabaseName,
    ) -> Result<Lent, AcquireError> {
        let reached = self.reached(principal).find(|known| *known == name);
        let place = reached.and_then(|name| self.0.place(name));
        let place = place.ok_or(AcquireError::NoSuchDatabase)?;
        let pool = self.0.pool(principal, place);
        if principal.lease.is_ended() {
            self.0.close_ended();
            return Err(AcquireError::Ended);
        }
        let pooled = tokio::select! {
            biased;
            _ = principal.lease.ended() => return Err(AcquireError::Ended),
            pooled = pool.get() => pooled,
        };
        let waited = self.0.databases[place].settings.acquire_timeout;
        match pooled {
            Ok(pooled) => Ok(Lent::new(pooled, self.0.wrecks.clone())),
            Err(PoolError::Backend(MakeError::Connect(fault))) => Err(fault.into()),
            Err(PoolError::Backend(MakeError::TooMuch(reason))) => Err(reason.into()),
            Err(PoolError::Backend(MakeError::Lost)) => Err(AcquireError::Lost),
            Err(
                PoolError::Backend(MakeError::Busy)
                | PoolError::Timeout(TimeoutType::Wait | TimeoutType::Create | TimeoutType::Recycle),
            ) => Err(AcquireError::Busy(waited)),
            Err(
                PoolError::Backend(MakeError::Closed)
                | PoolError::Closed
                | PoolError::NoRuntimeSpecified
                | PoolError::PostCreateHook(_),
            ) => Err(AcquireError::Ended),
        }
    }
}

impl Shared {
    fn pools(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, name: &DatabaseName) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    fn pool(self: &Arc<Self>, principal: &Principal, place: usize) -> Pool {
        let key = (principal.id.clone(), place);
        let mut pools = self.pools();
        let of_this = |entry: &&Entry| entry.lease.is_same(&principal.lease);
        if let Some(entry) = pools.get(&key).filter(of_this) {
            return entry.pool.clone();
        }
        let pool = self.make(principal, place);
        let entry = Entry { pool: pool.clone(), lease: principal.lease.clone() };
        let replaced = pools.insert(key, entry);
        drop(pools);
        // One whose lease still holds serves what was begun under it, and goes with the last of it.
        if let Some(replaced) = replaced.filter(|replaced| replaced.lease.is_ended()) {
            replaced.pool.close();
        }
        // If the keeper is gone the server is stopping, and the pool goes with it.
        let _ = self.leases.send(principal.lease.clone());
        pool
    }

    fn make(self: &Arc<Self>, principal: &Principal, place: usize) -> Pool {
        let database = Arc::clone(&self.databases[place]);
        let settings = &database.settings;
        let config = PoolConfig {
            max_size: settings.connections_per_principal.get(),
            timeouts: Timeouts {
                wait: Some(settings.acquire_timeout),
                // The manager times its two parts: a place, and the connect.
                create: None,
                recycle: None,
            },
            // The connection used last is the warmest; the others age and are closed.
            queue_mode: QueueMode::Lifo,
        };
        let session = session(principal, settings);
        let user = principal.user.clone().map(|user| {
            let places = database.places_of(&user);
            (user, places)
        });
        let manager = Manager { session, user, shared: Arc::downgrade(self), database };
        let pool = Pool::builder(manager).config(config).runtime(deadpool::Runtime::Tokio1);
        #[expect(clippy::expect_used, reason = "building fails only without a runtime")]
        pool.build().expect("the runtime was given")
    }

    /// Closes every pool whose lease ended. Connections that are lent are closed when they return.
    pub(crate) fn close_ended(&self) {
        self.pools().retain(|_, entry| {
            let ended = entry.lease.is_ended();
            if ended {
                entry.pool.close();
            }
            !ended
        });
    }

    /// Closes the connection to a database that has been idle longest: of one user, or of all.
    pub(crate) fn make_room(&self, database: &Arc<Database>, whose: Option<&UserName>) {
        let pools = self.pools();
        let fits = |pool: &&Pool| {
            let Manager { database: of, user, .. } = pool.manager();
            let user = user.as_ref().map(|(user, _)| user);
            Arc::ptr_eq(of, database) && (whose.is_none() || user == whose)
        };
        let mut oldest: Option<(Duration, &Pool)> = None;
        for pool in pools.values().map(|entry| &entry.pool).filter(fits) {
            pool.retain(|_, metrics| {
                let unused = metrics.last_used();
                if oldest.is_none_or(|(age, _)| unused > age) {
                    oldest = Some((unused, pool));
                }
                true
            });
        }
        if let Some((age, pool)) = oldest {
            let mut closed = false;
            pool.retain(|_, metrics| {
                let this = !closed && metrics.last_used() >= age;
                closed |= this;
                !this
            });
        }
    }

    /// Closes what nobody uses: idle connections of one database, whoever they belong to.
    pub(crate) fn drop_idle(&self, database: &Arc<Database>) {
        for Entry { pool, .. } in self.pools().values() {
            if Arc::ptr_eq(&pool.manager().database, database) {
                pool.retain(|_, _| false);
            }
        }
    }

    /// Closes connections that lay idle for too long, or died. An empty pool stays until its
    /// lease ends: it is small, and its lease is waited on once.
    pub(crate) fn sweep(&self) {
        for Entry { pool, .. } in self.pools().values() {
            let idle = pool.manager().database.settings.pool_idle;
            pool.retain(|pooled, metrics| {
                pooled.connection.is_usable() && metrics.last_used() < idle
            });
        }
    }

    /// Closes everything: the server stops.
    pub(crate) fn close_all(&self) {
        for (_, entry) in self.pools().drain() {
            entry.pool.close();
        }
    }
}
