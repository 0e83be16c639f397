//! The credential stores that the configuration names, and what judges by them.

mod files;
mod first_contact;
mod first_users;
mod postgres;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mcp_accounts_http::RecoveryHttp;
use mcp_auth::{Accounts, Auth, AuthBuilder, JwtSettings, LoginSettings, OpenError};
use mcp_config::{Config, HttpAuthConfig, Loaded, PasswordAlgorithm, PasswordsConfig, UserStore};
use mcp_identity::{AuditLog, Clock, Entropy, NoAudit, Password, SigningSecret};
use mcp_password::{Algorithm, Asker, Hasher};
use mcp_store::{
    AttemptLedger, AuditEvents, RecoveryStore, SharedStore, StoreError, StoreErrorKind, TokenStore,
};
use mcp_store_file::{AuditFile, AuditFileSettings, FileEvents};
use mcp_throttle::{LockoutPolicy, Quota};

use crate::fault::StartFault;
use crate::hashes;
use crate::health::StoreState;
use crate::recovery::{self, Mail, Place};
use crate::tasks::{Shutdown, Tasks};

/// What everything here is given.
pub(crate) struct Surroundings<'a> {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tasks: &'a mut Tasks,
    pub(crate) shutdown: &'a Shutdown,
    /// Others than this machine can come.
    pub(crate) beyond_loopback: bool,
}

/// Who is let in, and how the stores behind are doing.
pub(crate) struct Opened {
    pub(crate) auth: Auth,
    /// `None`: nobody has an account.
    pub(crate) accounts: Option<Accounts>,
    pub(crate) states: Vec<StoreState>,
    pub(crate) record: Record,
    /// Where people have accounts: what finds lost passwords again.
    pub(crate) recovery: Option<RecoveryHttp>,
}

/// What happens to credentials, accounts and databases: where it is written, and how it is read
/// back.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) log: Arc<dyn AuditLog>,
    pub(crate) events: Arc<dyn AuditEvents>,
}

impl Record {
    /// Nothing is written, and nothing told.
    pub(crate) fn none() -> Self {
        Self { log: Arc::new(NoAudit), events: Arc::new(NoAudit) }
    }
}

/// Where credentials are kept.
struct Stores {
    tokens: Arc<dyn TokenStore>,
    /// Who judges logins, and where lost passwords are found again. `None`: nobody has an account.
    accounts: Option<(Accounts, Place)>,
    /// What servers have in common; `None`: there is one.
    common: Option<Common>,
    /// What happened to them.
    record: Record,
    states: Vec<StoreState>,
    /// How long what was read last holds while they cannot be read; `None`: for ever.
    stands_in: Option<Duration>,
    /// Not: the server starts without them, and knows nobody yet.
    can_be_read: bool,
}

/// What servers on the same stores have in common.
struct Common {
    /// The attempts to log in.
    attempts: Arc<dyn AttemptLedger>,
    /// What is asked for credentials that another one made.
    shared: Arc<dyn SharedStore>,
}

/// Opens the stores of credentials: removes what has expired, says what they hold, and starts what
/// keeps the index, what hears of changes and what writes the record.
pub(crate) async fn open(
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Opened, StartFault> {
    let config = &loaded.config;
    let stores = match config.users.store {
        UserStore::File => files::open(loaded, around).await?,
        UserStore::Postgres => postgres::open(loaded, around).await?,
    };
    let Record { log, events } = stores.record;
    let (mail, audit) = Mail::open(config, log)?;
    let (accounts, place) = stores.accounts.unzip();
    let mut builder = Auth::builder(stores.tokens).audit(Arc::clone(&audit));
    if let Some(limit) = stores.stands_in {
        builder = builder.stands_in(limit);
    }
    if !stores.can_be_read {
        builder = builder.opens_before_stores();
    }
    if let Some(accounts) = &accounts {
        builder = builder.accounts(accounts.clone());
    }
    if let Some(Common { attempts, shared }) = stores.common {
        builder = builder.attempts(attempts).shared(shared);
    }
    let auth = start_auth(builder, &config.http.auth, around).await?;
    mind_channels(&stores.states, &auth, around);
    let recovery = match place {
        Some(place) => {
            let (auth, audit) = (auth.clone(), Arc::clone(&audit));
            Some(recovery::open(config, place, mail, auth, audit, around)?)
        }
        None => None,
    };
    let record = Record { log: audit, events };
    Ok(Opened { auth, accounts, states: stores.states, record, recovery })
}

/// Starts what has the index asked again where word of changes no longer comes.
fn mind_channels(states: &[StoreState], auth: &Auth, around: &mut Surroundings<'_>) {
    for state in states {
        if let StoreState::Channel(channel) = state {
            let minding = postgres::mind(channel.clone(), auth.clone(), around.shutdown.clone());
            around.tasks.start("user store", minding);
        }
    }
}

/// Reads the stores for the first time, and starts what keeps the index as they are.
async fn start_auth(
    mut builder: AuthBuilder,
    config: &HttpAuthConfig,
    around: &mut Surroundings<'_>,
) -> Result<Auth, StartFault> {
    if let Some(jwt) = jwt_settings(config)? {
        tracing::info!("A login over REST is answered with a JWT (HS256)");
        builder = builder.jwt(&jwt);
    }
    let builder = builder
        .clock(Arc::clone(&around.clock))
        .entropy(Arc::clone(&around.entropy))
        .bearer_failures(quota(config.bearer_failures, config.bearer_window_minutes));
    let (auth, keeper) = builder.open().await.map_err(|fault| match fault {
        OpenError::Store(fault) => refuse(&fault),
        OpenError::Entropy(fault) => StartFault::ours(fault),
    })?;
    // A reload makes the whole index again.
    around.tasks.start_apart("keeper", keeper.run(around.shutdown.clone().requested()));
    Ok(auth)
}

/// Judges the logins of the accounts that are kept there.
async fn accounts_in(
    store: Arc<dyn RecoveryStore>,
    config: &Config,
    around: &Surroundings<'_>,
) -> Result<(Accounts, Place), StartFault> {
    let users = match store.accounts().await {
        Err(fault) if postgres::may_be_absent(&fault, &config.users) => Vec::new(),
        users => users.map_err(|fault| refuse(&fault))?,
    };
    let hasher = start_hasher(config, hashes::ways(&users), around)?;
    let min_response = min_response(&config.passwords, &hasher).await;
    let settings = login_settings(&config.http.auth, &config.passwords, min_response);
    describe_logins(&settings);
    let hasher = Arc::new(hasher);
    let place = Place { store: Arc::clone(&store), hasher: Arc::clone(&hasher) };
    Ok((Accounts { store, hasher, settings }, place))
}

async fn remove_expired(store: &dyn TokenStore, now: SystemTime) {
    match store.remove_expired(now).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!("Removed {removed} expired token(s)"),
        // An expired token is refused whether or not its record is gone: a file that cannot be
        // written (a mounted secret) is no reason not to serve.
        Err(fault) => tracing::warn!("Could not remove expired tokens: {fault}"),
    }
}

/// The record of what happens to credentials, and of statements. Where there are only tokens and no
/// place to write, it is done without, unless a file was named.
pub(crate) fn open_audit(
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Record, StartFault> {
    let config = &loaded.config.audit;
    let path = config.file.clone();
    let current = path.clone().unwrap_or_else(|| loaded.config.state.directory.join("audit.jsonl"));
    let events = FileEvents::new(&current);
    let mut settings = AuditFileSettings::new(current);
    settings.retention_days = NonZeroU32::new(config.retention_days);
    match AuditFile::open(settings, Arc::clone(&around.clock)) {
        Ok((log, writer)) => {
            around.tasks.start_recording("audit log", |shutdown| async move {
                if let Err(fault) = writer.run(shutdown.requested()).await {
                    tracing::error!("The audit log is not complete: {fault}");
                }
            });
            Ok(Record { log: Arc::new(log), events: Arc::new(events) })
        }
        Err(fault) if path.is_some() => Err(refuse(&fault)),
        Err(fault) => {
            tracing::warn!("No audit log is kept: {fault}");
            Ok(Record::none())
        }
    }
}

/// `stored`: how the hashes were made that there are. An account that does not exist costs what
/// the dearest of them costs.
fn start_hasher(
    config: &Config,
    stored: Vec<Algorithm>,
    around: &Surroundings<'_>,
) -> Result<Hasher, StartFault> {
    let mut settings = mcp_password::Settings::new(algorithm(config));
    settings.also_stored = stored;
    settings.queue_wait = config.passwords.queue_wait;
    if let Some(workers) = config.passwords.hash_workers {
        settings.workers = workers;
    }
    Hasher::start(&settings, Arc::clone(&around.entropy)).map_err(StartFault::ours)
}

/// How new passwords are hashed.
fn algorithm(config: &Config) -> Algorithm {
    let store = config.users.store;
    let config = &config.passwords;
    let bcrypt = Algorithm::Bcrypt { cost: config.bcrypt_cost };
    let argon2id = Algorithm::Argon2id {
        memory_kib: config.argon2_memory_kib,
        time: config.argon2_time,
        parallelism: config.argon2_parallelism,
    };
    match (config.algorithm, store) {
        // What a users file has always held.
        (PasswordAlgorithm::Auto, UserStore::File) | (PasswordAlgorithm::Bcrypt, _) => bcrypt,
        (PasswordAlgorithm::Auto, UserStore::Postgres) | (PasswordAlgorithm::Argon2id, _) => {
            argon2id
        }
    }
}

/// As the configuration says, else a little longer than the dearest hash takes here and now.
async fn min_response(config: &PasswordsConfig, hasher: &Hasher) -> Duration {
    if let Some(milliseconds) = config.min_response_ms {
        return Duration::from_millis(milliseconds.into());
    }
    let asker = Asker::new("", std::net::Ipv4Addr::LOCALHOST.into());
    let begin = Instant::now();
    // Wrong, or not checked at all: only its time is of interest.
    let _ = hasher.verify(&asker, &Password::presented(String::new()), None).await;
    begin.elapsed() * 6 / 5
}

fn login_settings(
    auth: &HttpAuthConfig,
    passwords: &PasswordsConfig,
    min_response: Duration,
) -> LoginSettings {
    let minutes = |minutes: u32| Duration::from_secs(60 * u64::from(minutes));
    let some = |minutes: Duration| (!minutes.is_zero()).then_some(minutes);
    LoginSettings {
        session_ttl: minutes(60 * auth.session_ttl_hours),
        session_idle: some(minutes(auth.session_idle_minutes)),
        max_sessions: usize::try_from(auth.max_sessions_per_user).unwrap_or(usize::MAX),
        quota: quota(auth.rate_limit_max_attempts, auth.rate_limit_window_minutes),
        lockout: LockoutPolicy {
            limit: NonZeroU32::new(auth.max_failed_attempts_before_lockout),
            duration: some(minutes(auth.lockout_duration_minutes)),
            // Longer than any attempt waits and works.
            hold: passwords.queue_wait + Duration::from_secs(10),
        },
        patience: passwords.queue_wait,
        min_response,
        ..LoginSettings::default()
    }
}

/// `None`: without a secret, every session token is random bytes.
fn jwt_settings(auth: &HttpAuthConfig) -> Result<Option<JwtSettings>, StartFault> {
    let HttpAuthConfig { jwt_secret: Some(secret), jwt_issuer, jwt_audience, .. } = auth else {
        return Ok(None);
    };
    let secret = SigningSecret::parse(secret.expose()).map_err(|fault| {
        let hint = "openssl rand -base64 48 makes one".to_owned();
        StartFault::mendable(format!("http.auth.jwt_secret: {fault}"), Some(hint))
    })?;
    let (issuer, audience) = (jwt_issuer.clone(), jwt_audience.clone());
    Ok(Some(JwtSettings { secret, issuer, audience }))
}

fn quota(attempts: u32, minutes: u32) -> Quota {
    let attempts = NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN);
    Quota { attempts, window: Duration::from_secs(60 * u64::from(minutes)) }
}

fn describe_logins(settings: &LoginSettings) {
    let Quota { attempts, window } = settings.quota;
    let minutes = window.as_secs() / 60;
    tracing::info!("Rate limit: {attempts} failed logins in {minutes} minutes from one address");
    match (settings.lockout.limit, settings.lockout.duration) {
        (None, _) => tracing::info!("Account lockout is off"),
        (Some(limit), None) => {
            tracing::info!("Account lockout: after {limit} failed logins, until an admin unlocks");
        }
        (Some(limit), Some(duration)) => {
            let minutes = duration.as_secs() / 60;
            tracing::info!("Account lockout: after {limit} failed logins, for {minutes} minutes");
        }
    }
}

fn refuse(fault: &StoreError) -> StartFault {
    match fault.kind {
        StoreErrorKind::Missing | StoreErrorKind::Refused => {
            StartFault::mendable(fault, fault.hint.clone())
        }
        StoreErrorKind::Down | StoreErrorKind::NotDurable => {
            StartFault::down(fault, fault.hint.clone())
        }
    }
}
