//! The store: its connections, and those whom it tells.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_connect::Target;
use mcp_store::{Change, ChangeSender, StoreError};
use mcp_throttle::DEFAULT_KEYS;

use crate::channel::ChannelState;
use crate::keeper::{PostgresKeeper, Work};
use crate::loose::LooseEnds;
use crate::pool::Pool;
use crate::rows::Reader;
use crate::schema;
use crate::settings::PostgresSettings;

/// Tokens, accounts and sessions in PostgreSQL, for any number of servers. Cheap to clone.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    pool: Pool,
    told: Told,
    channel: ChannelState,
    loose: LooseEnds,
    /// How many addresses, and names of nobody, are remembered.
    keys: Arc<AtomicUsize>,
}

/// Those who want to know what is worth reading again.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) tokens: ChangeSender,
    pub(crate) accounts: ChangeSender,
}

impl Told {
    pub(crate) fn tell(&self, change: Change) {
        match change {
            Change::Token(_) => self.tokens.tell(change),
            Change::User(_) | Change::Session(_) => self.accounts.tell(change),
            Change::Everything => {
                self.tokens.tell(Change::Everything);
                self.accounts.tell(Change::Everything);
            }
        }
    }
}

impl PostgresStore {
    /// Connects, makes or migrates the tables, and gives the store with what keeps it. Several
    /// servers may do so at once.
    ///
    /// A tool that ends soon may drop the keeper: it hears of no changes, and keeps its connections
    /// until it ends.
    ///
    /// # Errors
    /// [`StoreErrorKind::Down`] when the database cannot be reached;
    /// [`StoreErrorKind::Refused`] when it refuses the login, when the login may not make the
    /// tables, when there are tables of somebody else or of a release that is too new, and when
    /// names in a table that would be migrated cannot be kept apart. Nothing is changed then.
    ///
    /// [`StoreErrorKind::Down`]: mcp_store::StoreErrorKind::Down
    /// [`StoreErrorKind::Refused`]: mcp_store::StoreErrorKind::Refused
    pub async fn open(
        target: Target,
        settings: PostgresSettings,
    ) -> Result<(Self, PostgresKeeper), StoreError> {
        let (store, keeper) = Self::open_later(target, settings)?;
        Box::pin(schema::prepare(store.pool())).await?;
        Ok((store, keeper))
    }

    /// The same, for a database that may be down: the keeper connects, and makes or migrates the
    /// tables. Until it has, everything that is asked fails: the store is down.
    ///
    /// # Errors
    /// [`StoreErrorKind::Refused`] for settings that cannot be.
    ///
    /// [`StoreErrorKind::Refused`]: mcp_store::StoreErrorKind::Refused
    pub fn open_later(
        target: Target,
        settings: PostgresSettings,
    ) -> Result<(Self, PostgresKeeper), StoreError> {
        let pool = Pool::new(target, settings)?;
        let (teller, channel) = ChannelState::new();
        let told = Told::default();
        let (loose, ends) = LooseEnds::new();
        let keys = Arc::new(AtomicUsize::new(DEFAULT_KEYS.get()));
        let work =
            Work { pool: pool.clone(), told: told.clone(), up: teller, keys: Arc::clone(&keys) };
        let keeper = PostgresKeeper::new(work, ends);
        Ok((Self(Arc::new(Inner { pool, told, channel, loose, keys })), keeper))
    }

    /// Whether word of what other servers change arrives at once.
    #[must_use]
    pub fn channel(&self) -> ChannelState {
        self.0.channel.clone()
    }

    /// Closes the connections that are idle, and the others when they come back. What is asked for
    /// after fails: the store is down.
    pub fn close(&self) {
        self.0.pool.close();
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub(crate) fn told(&self) -> &Told {
        &self.0.told
    }

    pub(crate) fn loose(&self) -> &LooseEnds {
        &self.0.loose
    }

    pub(crate) fn remember(&self, keys: NonZeroUsize) {
        self.0.keys.store(keys.get(), Ordering::Relaxed);
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { place: self.0.pool.place() }
    }

    /// Tells what was changed here, unless the database does: the channel is heard by whoever made
    /// the change, too.
    pub(crate) fn tell(&self, changes: impl IntoIterator<Item = Change>) {
        if !self.0.channel.is_up() {
            changes.into_iter().for_each(|change| self.0.told.tell(change));
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.0.pool.place()).finish_non_exhaustive()
    }
}
