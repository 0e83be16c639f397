//! PostgreSQL, for any number of servers: tokens, accounts, and what is kept of them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_config::{Config, Loaded, Origin, UsersConfig, UsersFallback};
use mcp_connect::Target;
use mcp_identity::AuditLog;
use mcp_password::Hasher;
use mcp_store::{AccountStore as _, StoreError, StoreErrorKind, TokenStore as _};
use mcp_store_postgres::{
    ChannelState, PostgresKeeper, PostgresSettings, PostgresStore, plain_to_elsewhere,
};

use super::first_contact::FirstContact;
use super::first_users::{self, FirstUsers};
use super::{
    Common, Record, Stores, Surroundings, accounts_in, open_audit, refuse, remove_expired,
};
use crate::fault::StartFault;
use crate::health::StoreState;
use crate::tasks::Shutdown;

/// How long the start waits until changes are heard of. They are, soon after the tables were
/// found; if not, they will be.
const HEARING: Duration = Duration::from_secs(5);

/// Longer than any server runs, and what a clock can still count.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_hours(24 * 365 * 30);

/// Opens it, says what it holds, and starts what hears of changes.
pub(super) async fn open(
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Stores, StartFault> {
    let config = &loaded.config;
    let target = target(&config.users)?;
    warn_of_files(loaded);
    if let Some(host) = plain_to_elsewhere(&target) {
        tracing::warn!("Users and tokens travel to {host} unencrypted: sslmode=disable");
    }
    let Connected { store, keeper, is_up } = connect(target.clone(), &config.users).await?;
    let store = Arc::new(store);
    let closing = Arc::clone(&store);
    // What the others note when they end is still written.
    around.tasks.at_last(async move { closing.close() });
    let record = open_events(&store, loaded, around)?;
    let channel = store.channel();
    let accounts = accounts_in(Arc::<PostgresStore>::clone(&store), config, around).await?;
    let first = First { target, store: &store, hasher: &accounts.0.hasher, audit: &record.log };
    if is_up {
        keep(keeper, std::future::ready(()), around);
        first.now(config, around).await?;
        let _ = tokio::time::timeout(HEARING, channel.clone().until(true)).await;
    } else {
        let contact = first.later(config, around)?;
        keep(keeper, contact.made(), around);
    }
    describe(&config.users);
    let attempts = Arc::new(store.attempts(accounts.0.settings.attempt_limits()));
    let shared = Arc::<PostgresStore>::clone(&store);
    let states = vec![StoreState::Channel(channel)];
    Ok(Stores {
        tokens: store,
        accounts: Some(accounts),
        common: Some(Common { attempts, shared }),
        record,
        states,
        stands_in: Some(stands_in(config)),
        can_be_read: is_up,
    })
}

/// What a start does with the users that there are, or are not yet.
struct First<'a> {
    target: Target,
    store: &'a PostgresStore,
    hasher: &'a Arc<Hasher>,
    audit: &'a Arc<dyn AuditLog>,
}

impl First<'_> {
    /// Makes the first users, and says what is kept.
    async fn now(self, config: &Config, around: &Surroundings<'_>) -> Result<(), StartFault> {
        let (store, hasher, audit) = (self.store, &**self.hasher, &**self.audit);
        let now = around.clock.now();
        let first = FirstUsers { store, hasher, audit, now };
        Box::pin(first.make(config, around.beyond_loopback)).await?;
        count(store, &self.target.to_string(), now).await.map_err(|fault| refuse(&fault))
    }

    /// The same, once the database answers.
    fn later(self, config: &Config, around: &Surroundings<'_>) -> Result<FirstContact, StartFault> {
        first_users::check(config)?;
        Ok(FirstContact {
            target: self.target,
            settings: settings(&config.users),
            config: config.clone(),
            hasher: Arc::clone(self.hasher),
            audit: Arc::clone(self.audit),
            clock: Arc::clone(&around.clock),
            beyond_loopback: around.beyond_loopback,
        })
    }
}

/// Starts what hears of changes, after `first`. Where the database was down, it is what opens the
/// store, too: before it runs, whatever is asked fails.
fn keep(
    keeper: PostgresKeeper,
    first: impl Future<Output = ()> + Send + 'static,
    around: &mut Surroundings<'_>,
) {
    let shutdown = around.shutdown.clone();
    // Who waits for a word of a change must not wait for a request.
    around.tasks.start_apart("changes of users", async move {
        tokio::select! {
            () = shutdown.clone().requested() => return,
            () = first => {}
        }
        Box::pin(keeper.run(shutdown.requested())).await;
    });
}

/// The record that all servers write, unless a file for it was named.
fn open_events(
    store: &Arc<PostgresStore>,
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Record, StartFault> {
    if !loaded.config.records_in_database() {
        return open_audit(loaded, around);
    }
    let days = NonZeroU32::new(loaded.config.audit.retention_days);
    let opened = store.audit(days, Arc::clone(&around.clock), &*around.entropy);
    let (log, writer) = opened.map_err(StartFault::ours)?;
    around.tasks.start_recording("audit log", |shutdown| async move {
        if let Err(fault) = writer.run(shutdown.requested()).await {
            tracing::error!("The audit log is not complete: {fault}");
        }
    });
    tracing::info!("Events are recorded in the table auth_events, beside the users");
    Ok(Record { log: Arc::new(log), events: Arc::<PostgresStore>::clone(store) })
}

/// A store, and whether its database answers.
struct Connected {
    store: PostgresStore,
    keeper: PostgresKeeper,
    is_up: bool,
}

async fn connect(target: Target, users: &UsersConfig) -> Result<Connected, StartFault> {
    let settings = settings(users);
    match Box::pin(PostgresStore::open(target.clone(), settings.clone())).await {
        Ok((store, keeper)) => Ok(Connected { store, keeper, is_up: true }),
        Err(fault) if may_be_absent(&fault, users) => {
            let hint = "nobody can be let in until this database answers; nothing has to be \
                        restarted then";
            tracing::error!(error = %fault, hint, "Starting without the user store");
            let later = PostgresStore::open_later(target, settings);
            let (store, keeper) = later.map_err(|fault| refuse(&fault))?;
            Ok(Connected { store, keeper, is_up: false })
        }
        Err(fault) => Err(refuse(&with_way_out(fault))),
    }
}

/// Tables of somebody else stop the start whatever the fallback: they do not go away by waiting.
pub(super) fn may_be_absent(fault: &StoreError, users: &UsersConfig) -> bool {
    users.fallback == UsersFallback::Memory && fault.kind == StoreErrorKind::Down
}

fn target(users: &UsersConfig) -> Result<Target, StartFault> {
    let dsn = users.database_dsn.as_ref().map_or("", |dsn| dsn.expose());
    Target::parse(dsn)
        .map_err(|fault| StartFault::mendable(format!("users.database_dsn: {fault}"), None))
}

fn settings(users: &UsersConfig) -> PostgresSettings {
    PostgresSettings {
        connections: users.pool.max,
        idle: users.pool.idle,
        lifetime: users.pool.lifetime,
        idle_time: users.pool.idle_time,
        // A channel that fell silent is noticed first, and reading takes its time.
        recheck: users.cache_ttl / 4,
        ..PostgresSettings::default()
    }
}

fn stands_in(config: &Config) -> Duration {
    match config.users.fallback {
        UsersFallback::Fail => Duration::ZERO,
        UsersFallback::Cached => config.users.cache_max_stale,
        UsersFallback::Memory => AS_LONG_AS_IT_TAKES,
    }
}

/// A file that somebody named is not read: he should know.
fn warn_of_files(loaded: &Loaded) {
    for key in ["http.auth.token_file", "http.auth.user_file"] {
        if loaded.origins.get(key).is_some_and(|origin| *origin != Origin::Default) {
            tracing::warn!("{key} is not read: users.store is postgres");
        }
    }
}

fn with_way_out(fault: StoreError) -> StoreError {
    let is_down = fault.kind == StoreErrorKind::Down;
    let hint = is_down.then(|| {
        "the server starts once this database answers; mcp-admin db status asks it again".to_owned()
    });
    StoreError { hint: fault.hint.or(hint), ..fault }
}

/// Says what is kept, and removes what has expired of it.
pub(super) async fn count(
    store: &PostgresStore,
    place: &str,
    now: SystemTime,
) -> Result<(), StoreError> {
    let tokens = store.all().await?;
    tracing::info!("Loaded {} API token(s) from {place}", tokens.len());
    if tokens.iter().any(|record| record.is_expired(now)) {
        remove_expired(store, now).await;
    }
    let accounts = store.accounts().await?;
    tracing::info!("Loaded {} user(s) from {place}", accounts.len());
    if !accounts.iter().any(|account| account.record.is_acting_admin()) {
        tracing::warn!("Nobody is admin yet: mcp-admin users add NAME --role admin");
    }
    Ok(())
}

fn describe(users: &UsersConfig) {
    let pool = &users.pool;
    tracing::info!(
        "User store: at most {} connections, {} of them idle, and one to hear of changes",
        pool.max,
        pool.idle
    );
    match users.fallback {
        UsersFallback::Fail => tracing::info!("While the user store is down nobody is let in"),
        UsersFallback::Cached => {
            let seconds = users.cache_max_stale.as_secs();
            tracing::info!(
                "While the user store is down, who was known last is let in for {seconds} s"
            );
        }
        UsersFallback::Memory => {
            tracing::info!("While the user store is down, who was known last is let in");
        }
    }
}

/// Has the index asked again as soon as changes are no longer heard of: only a reading that fails
/// shows that the database is down.
pub(crate) async fn mind(mut channel: ChannelState, auth: mcp_auth::Auth, shutdown: Shutdown) {
    let minding = async {
        loop {
            channel.until(false).await;
            // How it went is the keeper's to say.
            let _ = auth.refresh().await;
            channel.until(true).await;
        }
    };
    tokio::select! {
        () = shutdown.requested() => {}
        () = minding => {}
    }
}
