//! The credential stores that the configuration names, and what judges by them.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mcp_auth::{Accounts, Auth, LoginSettings, OpenError};
use mcp_config::{Config, HttpAuthConfig, Loaded, Origin, PasswordAlgorithm, PasswordsConfig};
use mcp_identity::{AuditLog, Clock, Entropy, NoAudit, Password};
use mcp_password::{Algorithm, Asker, Hasher};
use mcp_store::{AccountStore as _, StoreError, StoreErrorKind, TokenStore as _};
use mcp_store_file::{
    AuditFile, AuditFileSettings, FileAccounts, FileAccountsSettings, FileState, ServerHold,
    TokenFile,
};
use mcp_throttle::{LockoutPolicy, Quota};

use crate::fault::StartFault;
use crate::tasks::{Shutdown, Tasks};

/// What everything here is given.
pub(crate) struct Surroundings<'a> {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) tasks: &'a mut Tasks,
    pub(crate) shutdown: &'a Shutdown,
}

/// Who is let in, and how the files behind are doing.
pub(crate) struct Opened {
    pub(crate) auth: Auth,
    pub(crate) files: Vec<FileState>,
    pub(crate) audit: Arc<dyn AuditLog>,
}

/// Opens the files of credentials: removes what has expired, says what they hold, and starts what
/// keeps the index, what watches the files and what writes the record.
pub(crate) async fn open(
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Opened, StartFault> {
    let config = &loaded.config;
    let audit = open_audit(loaded, around)?;
    let accounts = open_accounts(loaded, around).await?;
    let (tokens, mut files) = open_tokens(config, accounts.is_some(), around).await?;
    let auth = &config.http.auth;
    let mut builder = Auth::builder(tokens)
        .clock(Arc::clone(&around.clock))
        .entropy(Arc::clone(&around.entropy))
        .audit(Arc::clone(&audit))
        .bearer_failures(quota(auth.bearer_failures, auth.bearer_window_minutes));
    if let Some((accounts, state)) = accounts {
        builder = builder.accounts(accounts);
        files.push(state);
    }
    let (auth, keeper) = builder.open().await.map_err(|fault| match fault {
        OpenError::Store(fault) => refuse(&fault),
        OpenError::Entropy(fault) => StartFault::ours(fault),
    })?;
    // A reload makes the whole index again.
    around.tasks.start_apart("keeper", keeper.run(around.shutdown.clone().requested()));
    Ok(Opened { auth, files, audit })
}

async fn open_tokens(
    config: &Config,
    has_accounts: bool,
    around: &mut Surroundings<'_>,
) -> Result<(Arc<TokenFile>, Vec<FileState>), StartFault> {
    let path = &config.http.auth.token_file;
    let store = TokenFile::open(path);
    // Where people can log in, nobody needs a token; one may be made any time.
    let store = Arc::new(if has_accounts { store.may_be_missing() } else { store });
    // First: who asks for the tokens from here on is given what the watch has read.
    let watch = store.watch().map_err(|fault| refuse_tokens(path, &fault))?;
    let loaded = store.all().await.map_err(|fault| refuse_tokens(path, &fault))?;
    tracing::info!("Loaded {} API token(s) from {}", loaded.len(), path.display());
    let now = around.clock.now();
    // Not asked when there are none: to look, it reads the whole file again.
    if loaded.iter().any(|record| record.is_expired(now)) {
        remove_expired(&store, now).await;
    }
    tracing::info!("Watching {} for changes", path.display());
    let state = watch.state();
    // A reload lets the whole file of before go.
    around.tasks.start_apart("token file watcher", watch.run(around.shutdown.clone().requested()));
    Ok((store, vec![state]))
}

async fn remove_expired(store: &TokenFile, now: SystemTime) {
    match store.remove_expired(now).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!("Removed {removed} expired token(s)"),
        // An expired token is refused whether or not its record is gone: a file that cannot be
        // written (a mounted secret) is no reason not to serve.
        Err(fault) => tracing::warn!("Could not remove expired tokens: {fault}"),
    }
}

/// People have accounts where a file for them is named or lies in its place.
async fn open_accounts(
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Option<(Accounts, FileState)>, StartFault> {
    let config = &loaded.config;
    let path = &config.http.auth.user_file;
    let named = loaded.origins.get("http.auth.user_file");
    if named.is_none_or(|origin| *origin == Origin::Default) && !path.exists() {
        return Ok(None);
    }
    // The places of attempts in flight are in the memory of one process: two would let twice as
    // many guesses pass.
    let hold = ServerHold::take(&config.state.directory).map_err(|fault| refuse(&fault))?;
    let settings = FileAccountsSettings::new(path, &config.state.directory);
    let store = FileAccounts::open(settings, around.clock.now()).map_err(|fault| refuse(&fault))?;
    let watch = store.watch().map_err(|fault| refuse(&fault))?;
    let users = store.accounts().await.map_err(|fault| refuse(&fault))?;
    tracing::info!("Loaded {} user(s) from {}", users.len(), path.display());
    tracing::info!("Watching {} for changes", path.display());
    let state = watch.state();
    around.tasks.start_apart("user file watcher", watch.run(around.shutdown.clone().requested()));
    let store = Arc::new(store);
    let closing = Arc::clone(&store);
    // What the others note when they end is still written.
    around.tasks.at_last(async move {
        closing.close().await;
        drop(hold);
    });
    let hasher = start_hasher(&config.passwords, around)?;
    let min_response = min_response(&config.passwords, &hasher).await;
    let settings = login_settings(&config.http.auth, &config.passwords, min_response);
    describe_logins(&settings);
    let accounts = Accounts { store, hasher: Arc::new(hasher), settings };
    Ok(Some((accounts, state)))
}

/// The record of what happens to credentials, and of statements. Where there are only tokens and no place to write,
/// it is done without, unless a file was named.
pub(crate) fn open_audit(
    loaded: &Loaded,
    around: &mut Surroundings<'_>,
) -> Result<Arc<dyn AuditLog>, StartFault> {
    let config = &loaded.config.audit;
    let path = config.file.clone();
    let mut settings = AuditFileSettings::new(
        path.clone().unwrap_or_else(|| loaded.config.state.directory.join("audit.jsonl")),
    );
    settings.retention_days = NonZeroU32::new(config.retention_days);
    match AuditFile::open(settings, Arc::clone(&around.clock)) {
        Ok((log, writer)) => {
            let shutdown = around.shutdown.clone();
            around.tasks.start("audit log", async move {
                if let Err(fault) = writer.run(shutdown.requested()).await {
                    tracing::error!("The audit log is not complete: {fault}");
                }
            });
            Ok(Arc::new(log))
        }
        Err(fault) if path.is_some() => Err(refuse(&fault)),
        Err(fault) => {
            tracing::warn!("No audit log is kept: {fault}");
            Ok(Arc::new(NoAudit))
        }
    }
}

fn start_hasher(config: &PasswordsConfig, around: &Surroundings<'_>) -> Result<Hasher, StartFault> {
    let bcrypt = Algorithm::Bcrypt { cost: config.bcrypt_cost };
    let argon2id = Algorithm::Argon2id {
        memory_kib: config.argon2_memory_kib,
        time: config.argon2_time,
        parallelism: config.argon2_parallelism,
    };
    let algorithm = match config.algorithm {
        // What a users file has always held.
        PasswordAlgorithm::Auto | PasswordAlgorithm::Bcrypt => bcrypt,
        PasswordAlgorithm::Argon2id => argon2id,
    };
    let mut settings = mcp_password::Settings::new(algorithm);
    settings.queue_wait = config.queue_wait;
    if let Some(workers) = config.hash_workers {
        settings.workers = workers;
    }
    Hasher::start(&settings, Arc::clone(&around.entropy)).map_err(StartFault::ours)
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
    StartFault::mendable(fault, fault.hint.clone())
}

fn refuse_tokens(path: &Path, fault: &StoreError) -> StartFault {
    if fault.kind == StoreErrorKind::Missing {
        return StartFault::plain(format!(
            "ERROR: Token file not found: {}\nCreate tokens with: mcp-admin tokens add\nOr \
             disable authentication with: --no-auth\n",
            absolute(path).display()
        ));
    }
    refuse(fault)
}

/// The path as an operator can use it from anywhere.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
