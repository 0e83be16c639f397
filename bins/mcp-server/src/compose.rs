//! The order of things: what is started before what, and what is stopped after what.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;

use mcp_auth::{Authenticate, OpenDoor};
use mcp_config::{Config, Loaded, Origin, Sources};
use mcp_identity::{Principal, SystemClock, SystemEntropy};
use mcp_listen::{DrainOutcome, Settings};
use mcp_protocol::{Implementation, Server};
use mcp_query::Databases;
use mcp_store_file::TokenFileState;
use mcp_tools::{INSTRUCTIONS, tools};
use mcp_transport::{SessionSettings, Sessions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fault::StartFault;
use crate::health::Health;
use crate::reload::Reload;
use crate::stack::{Parts, stack};
use crate::tasks::{Shutdown, ShutdownSwitch, Tasks};
use crate::telemetry::Telemetry;
use crate::{databases, listener, stores, systemd, tls};

/// A server that is about to start.
pub(crate) struct Start {
    /// Where its configuration came from, to read it again.
    pub(crate) sources: Sources,
    /// The configuration in force.
    pub(crate) loaded: Loaded,
    /// Was `--i-know-this-is-open` given?
    pub(crate) open_to_all: bool,
    /// Told the address once requests are answered.
    pub(crate) on_ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Serves over HTTP until a signal or the end of a part that must not end.
pub(crate) async fn serve_http(start: Start) -> Result<(), StartFault> {
    let Start { sources, loaded, open_to_all, on_ready } = start;
    let telemetry = Telemetry::start(&loaded.config.log);
    tracing::info!("mcp-server {}", env!("CARGO_PKG_VERSION"));
    warn_of_what_waits(&loaded);
    let config = loaded.config.clone();
    let bound = listener::bind(&config, open_to_all)?;
    let mut tasks = Tasks::new();
    let (switch, shutdown) = ShutdownSwitch::new();
    let (drain, draining) = ShutdownSwitch::new();
    let parts = parts(&config, &mut tasks, &shutdown, &draining).await?;
    let health = parts.health.clone();
    let bound_to = bound.local_addr().map_err(StartFault::ours)?;
    let service = stack(parts, &config.http, bound_to.ip())?;
    let (bound, scheme) = tls::wrap(bound, &config.http.tls, &mut tasks, &shutdown)?;
    let serving = mcp_listen::Server::new(bound, settings(&config));
    let signals = Signals::listen()?;

    let url = format!("{scheme}://{bound_to}");
    tracing::info!("Listening on {url}");
    health.set_serving(true);
    systemd::ready(&url);
    on_ready(bound_to);
    let reload = Reload { sources, loaded, telemetry, address: url };
    let running = pin!(serving.run(service, draining.requested()));
    let mut watch = Watch { signals, reload, health, drain };
    let stop = watch.until_stopped(running, &mut tasks).await;
    switch.stop();
    tasks.finish().await;
    match stop {
        Stop::Asked => {
            tracing::info!("Stopped");
            Ok(())
        }
        Stop::Broken(what) => {
            Err(StartFault::ours(format!("{what}; the server cannot go on without it")))
        }
    }
}

/// What the requests meet, with the tasks behind it started.
async fn parts(
    config: &Config,
    tasks: &mut Tasks,
    shutdown: &Shutdown,
    draining: &Shutdown,
) -> Result<Parts, StartFault> {
    let (door, tokens) = open_door(config, tasks, shutdown).await?;
    let (databases, pools) = databases::open(config)?;
    describe_databases(config);
    tasks.start("pools", pools.run(shutdown.clone().requested()));
    let server = Arc::new(mcp_server(&databases));
    let (sessions, keeper) = Sessions::new(server, SessionSettings::default());
    // Who only listens would hold up the drain for as long as it may last.
    tasks.start("protocol sessions", keeper.run(draining.clone().requested()));
    Ok(Parts {
        sessions,
        door,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        health: Health::new(tokens),
    })
}

/// What is looked after while requests are served.
struct Watch {
    signals: Signals,
    reload: Reload,
    health: Health,
    drain: ShutdownSwitch,
}

impl Watch {
    /// Waits for the reason to stop, then lets requests under way finish.
    async fn until_stopped(
        &mut self,
        mut running: Pin<&mut impl Future<Output = DrainOutcome>>,
        tasks: &mut Tasks,
    ) -> Stop {
        let stop = tokio::select! {
            () = self.signals.stop(&mut self.reload) => Stop::Asked,
            ended = tasks.first_to_end() => Stop::Broken(ended),
            _ = &mut running => Stop::Broken("the listener stopped".to_owned()),
        };
        self.health.set_serving(false);
        systemd::stopping();
        self.drain.stop();
        if matches!(stop, Stop::Asked) {
            tracing::info!("Stopping: no new requests; those under way are finished first");
            // A second signal ends the wait, and with it what is still under way.
            tokio::select! {
                outcome = running => describe_drain(outcome),
                () = self.signals.stop(&mut self.reload) => tracing::warn!("Stopping at once"),
            }
        }
        stop
    }
}

/// Why a server stops.
enum Stop {
    /// Somebody told it to.
    Asked,
    /// A part ended that must not; nothing is waited for then.
    Broken(String),
}

fn describe_drain(outcome: DrainOutcome) {
    if let DrainOutcome::Cut { connections } = outcome {
        tracing::warn!("{connections} connection(s) did not finish in time and were cut");
    }
}

/// Serves the one local caller on standard input and output.
pub(crate) async fn serve_stdio(loaded: &Loaded) -> Result<(), StartFault> {
    let _telemetry = Telemetry::start(&loaded.config.log);
    let (databases, pools) = databases::open(&loaded.config)?;
    let server = mcp_server(&databases);
    let (principal, _end) = Principal::local();
    let mut tasks = Tasks::new();
    let (switch, shutdown) = ShutdownSwitch::new();
    tasks.start("pools", pools.run(shutdown.requested()));
    tracing::info!("mcp-server {} on stdin and stdout", env!("CARGO_PKG_VERSION"));
    let input = tokio::io::BufReader::new(tokio::io::stdin());
    let outcome = mcp_transport::serve_stdio(&server, &principal, input, tokio::io::stdout()).await;
    switch.stop();
    tasks.finish().await;
    outcome.map_err(StartFault::ours)
}

/// Who is let in: holders of tokens, or everybody if the operator said exactly that. With it, what
/// is known of the file of the tokens.
async fn open_door(
    config: &Config,
    tasks: &mut Tasks,
    shutdown: &Shutdown,
) -> Result<(Arc<dyn Authenticate>, Option<TokenFileState>), StartFault> {
    if !config.http.auth.enabled {
        return Ok((Arc::new(OpenDoor::let_everybody_in()), None));
    }
    let file = &config.http.auth.token_file;
    let (auth, state) = stores::open_tokens(file, Arc::new(SystemClock), tasks, shutdown).await?;
    tracing::info!("Authentication is on: API tokens");
    Ok((Arc::new(auth), Some(state)))
}

fn mcp_server(databases: &Databases) -> Server<Principal> {
    let implementation = Implementation {
        name: "mcp-server",
        title: "PostgreSQL",
        version: env!("CARGO_PKG_VERSION"),
        icons: Vec::new(),
    };
    let builder = Server::builder(implementation)
        .instructions(INSTRUCTIONS)
        .permits(|principal: &Principal, tool| principal.grants.allows_tool(tool));
    tools(databases).into_iter().fold(builder, mcp_protocol::ServerBuilder::tool).build()
}

/// Keys that a file may hold already, for a part that is still to come. An operator who set one
/// must not believe that it protects him.
const NOT_IN_FORCE: [&str; 4] = [
    "http.auth.user_file",
    "http.auth.rate_limit_window_minutes",
    "http.auth.rate_limit_max_attempts",
    "http.auth.max_failed_attempts_before_lockout",
];

fn warn_of_what_waits(loaded: &Loaded) {
    for key in NOT_IN_FORCE {
        if loaded.origins.get(key).is_some_and(|origin| *origin != Origin::Default) {
            tracing::warn!("{key} is set and does nothing yet: it comes with user accounts");
        }
    }
    for database in loaded.config.databases.iter().filter(|database| database.allow_writes) {
        let name = &database.name;
        tracing::warn!("Database {name}: allow_writes is set, and this version only reads");
    }
}

fn describe_databases(config: &Config) {
    for database in &config.databases {
        let role = database.db_role.as_ref().map_or("the login's own", |role| role.as_str());
        tracing::info!("Database {}: role {role}, read-only", database.name);
    }
}

fn settings(config: &Config) -> Settings {
    let limits = &config.http.limits;
    let fallback = Settings::default();
    Settings {
        max_connections: limits.max_connections.try_into().unwrap_or(fallback.max_connections),
        header_timeout: limits.header_timeout,
        body_timeout: limits.body_timeout,
        idle_timeout: limits.idle_timeout,
        drain_timeout: limits.drain_timeout,
        ..fallback
    }
}

/// What an operator or systemd may tell the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, StartFault> {
        let on = |kind| signal(kind).map_err(StartFault::ours);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal to stop; reloads at each SIGHUP until then.
    async fn stop(&mut self, reload: &mut Reload) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reload.reload(),
            }
        }
    }
}

/// Is this an address that only this machine can reach?
pub(crate) fn is_local(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
