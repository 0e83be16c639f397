//! The order of things: what is started before what, and what is stopped after what.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use mcp_accounts_http::RecoveryHttp;
use mcp_auth::{Accounts, Auth, Authenticate, OpenDoor};
use mcp_config::{Config, DatabaseConfig, Loaded, Sources};
use mcp_identity::{Principal, SystemClock, SystemEntropy};
use mcp_listen::{DrainOutcome, Settings};
use mcp_protocol::{Implementation, Server};
use mcp_query::Databases;
use mcp_transport::{SessionSettings, Sessions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::fault::StartFault;
use crate::health::{Health, StoreState};
use crate::reload::Reload;
use crate::stack::{Parts, stack};
use crate::stores::{Opened, Record, Surroundings};
use crate::tasks::{Shutdown, ShutdownSwitch, Tasks};
use crate::telemetry::Telemetry;
use crate::{databases, listener, people, stores, systemd, tls};

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

/// Serves over HTTP until a signal or the end of a part that must not end. Whatever happens, what
/// was started is told to stop and waited for: a task that is cut off may hold up the process.
pub(crate) async fn serve_http(start: Start) -> Result<(), StartFault> {
    let mut tasks = Tasks::new();
    let (switch, shutdown) = ShutdownSwitch::new();
    let outcome = serve_with(start, &mut tasks, &shutdown).await;
    switch.stop();
    tasks.finish().await;
    match outcome? {
        Stop::Asked | Stop::AtOnce => {
            tracing::info!("Stopped");
            Ok(())
        }
        Stop::Broken(what) => {
            Err(StartFault::ours(format!("{what}; the server cannot go on without it")))
        }
    }
}

async fn serve_with(
    start: Start,
    tasks: &mut Tasks,
    shutdown: &Shutdown,
) -> Result<Stop, StartFault> {
    let Start { sources, loaded, open_to_all, on_ready } = start;
    let telemetry = Telemetry::start(&loaded.config.log);
    tracing::info!("mcp-server {}", env!("CARGO_PKG_VERSION"));
    let config = loaded.config.clone();
    let bound = listener::bind(&config, open_to_all)?;
    let (drain, draining) = ShutdownSwitch::new();
    let bound_to = bound.local_addr().map_err(StartFault::ours)?;
    let around = Surroundings {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        tasks: &mut *tasks,
        shutdown,
        beyond_loopback: !is_local(bound_to.ip()),
    };
    let parts = parts(&loaded, around, &draining).await?;
    let health = parts.health.clone();
    let service = stack(parts, &config.http, bound_to.ip())?;
    let (bound, scheme) = tls::wrap(bound, &config.http.tls, tasks, shutdown)?;
    let serving = mcp_listen::Server::new(bound, settings(&config));
    let signals = Signals::listen()?;

    let url = format!("{scheme}://{bound_to}");
    tracing::info!("Listening on {url}");
    health.set_serving(true);
    systemd::ready(&url);
    on_ready(bound_to);
    let reload = Reload { sources, loaded, telemetry, address: url };
    let running = pin!(serving.run(service, draining.requested()));
    let lead = config.http.limits.drain_lead;
    let mut watch = Watch { signals, reload, health, drain, lead };
    Ok(watch.until_stopped(running, tasks).await)
}

/// What the requests meet, with the tasks behind it started.
async fn parts(
    loaded: &Loaded,
    mut around: Surroundings<'_>,
    draining: &Shutdown,
) -> Result<Parts, StartFault> {
    let config = &loaded.config;
    let Entrance { door, auth, accounts, states, record, recovery } =
        open_door(loaded, &mut around).await?;
    let Surroundings { clock, entropy, tasks, shutdown, .. } = around;
    let health = Health::new(auth.clone(), states);
    let accounts = match (auth, accounts) {
        (Some(auth), Some(accounts)) => {
            let around = (record.clone(), Arc::clone(&clock), Arc::clone(&entropy));
            Some(people::serve(config, &auth, accounts, around)?)
        }
        _ => None,
    };
    let (databases, pools) = databases::open(config).await?;
    let databases = databases.recorded(record.log, Arc::clone(&clock));
    describe_databases(config);
    tasks.start("pools", pools.run(shutdown.clone().requested()));
    let server = Arc::new(mcp_server(&databases));
    let (sessions, keeper) = Sessions::new(server, SessionSettings::default());
    // Who only listens would hold up the drain for as long as it may last.
    tasks.start("protocol sessions", keeper.run(draining.clone().requested()));
    Ok(Parts { sessions, door, accounts, recovery, clock, entropy, health })
}

/// What is looked after while requests are served.
struct Watch {
    signals: Signals,
    reload: Reload,
    health: Health,
    drain: ShutdownSwitch,
    /// How long requests are taken between the word to stop and the end of listening.
    lead: Duration,
}

impl Watch {
    /// Waits for the reason to stop, then for those who send requests to notice, then lets
    /// requests under way finish.
    async fn until_stopped(
        &mut self,
        mut running: Pin<&mut impl Future<Output = DrainOutcome>>,
        tasks: &mut Tasks,
    ) -> Stop {
        let mut stop = self.reason(running.as_mut(), tasks).await;
        self.health.set_serving(false);
        systemd::stopping();
        if matches!(stop, Stop::Asked) {
            stop = self.serve_on(running.as_mut(), tasks).await;
        }
        self.drain.stop();
        match stop {
            Stop::Asked => self.finish(running).await,
            Stop::AtOnce | Stop::Broken(_) => stop,
        }
    }

    async fn reason(
        &mut self,
        running: Pin<&mut impl Future<Output = DrainOutcome>>,
        tasks: &mut Tasks,
    ) -> Stop {
        tokio::select! {
            () = self.signals.stop(&mut self.reload) => Stop::Asked,
            ended = tasks.first_to_end() => Stop::Broken(ended),
            _ = running => Stop::Broken("the listener stopped".to_owned()),
        }
    }

    /// Serves on while `/ready` says that it is about to end. A second signal cuts that short.
    async fn serve_on(
        &mut self,
        running: Pin<&mut impl Future<Output = DrainOutcome>>,
        tasks: &mut Tasks,
    ) -> Stop {
        if self.lead.is_zero() {
            return Stop::Asked;
        }
        let lead = self.lead;
        tracing::info!("Stopping in {lead:?}: /ready says 503, and requests are taken until then");
        tokio::select! {
            () = sleep(lead) => Stop::Asked,
            again = self.reason(running, tasks) => again.at_once(),
        }
    }

    /// Lets requests under way finish. A second signal ends the wait, and with it what is left.
    async fn finish(&mut self, running: Pin<&mut impl Future<Output = DrainOutcome>>) -> Stop {
        tracing::info!("Stopping: no new requests; those under way are finished first");
        tokio::select! {
            outcome = running => {
                describe_drain(outcome);
                Stop::Asked
            }
            () = self.signals.stop(&mut self.reload) => Stop::Asked.at_once(),
        }
    }
}

/// Why a server stops.
enum Stop {
    /// Somebody told it to.
    Asked,
    /// Somebody told it twice; nothing is waited for then.
    AtOnce,
    /// A part ended that must not; nothing is waited for then.
    Broken(String),
}

impl Stop {
    /// What another reason means to a server that is about to stop.
    fn at_once(self) -> Self {
        if matches!(self, Self::Broken(_)) {
            return self;
        }
        tracing::warn!("Stopping at once");
        Self::AtOnce
    }
}

fn describe_drain(outcome: DrainOutcome) {
    if let DrainOutcome::Cut { connections } = outcome {
        tracing::warn!("{connections} connection(s) did not finish in time and were cut");
    }
}

/// Serves the one local caller on standard input and output.
pub(crate) async fn serve_stdio(loaded: &Loaded) -> Result<(), StartFault> {
    let _telemetry = Telemetry::start(&loaded.config.log);
    let (databases, pools) = databases::open(&loaded.config).await?;
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

/// Who is let in, and how the stores behind are doing.
struct Entrance {
    door: Arc<dyn Authenticate>,
    auth: Option<Auth>,
    accounts: Option<Accounts>,
    states: Vec<StoreState>,
    record: Record,
    recovery: Option<RecoveryHttp>,
}

/// Who is let in: holders of credentials, or everybody if the operator said exactly that.
async fn open_door(loaded: &Loaded, around: &mut Surroundings<'_>) -> Result<Entrance, StartFault> {
    if !loaded.config.http.auth.enabled {
        let door = Arc::new(OpenDoor::let_everybody_in());
        // Nobody in particular does what is done here; it is recorded where that is asked for.
        let record = match loaded.config.audit.file {
            Some(_) => stores::open_audit(loaded, around)?,
            None => Record::none(),
        };
        return Ok(Entrance {
            door,
            auth: None,
            accounts: None,
            states: Vec::new(),
            record,
            recovery: None,
        });
    }
    let Opened { auth, accounts, states, record, recovery } = stores::open(loaded, around).await?;
    let people = if auth.has_accounts() { " and user accounts" } else { "" };
    tracing::info!("Authentication is on: API tokens{people}");
    let door = Arc::new(auth.clone());
    Ok(Entrance { door, auth: Some(auth), accounts, states, record, recovery })
}

pub(crate) fn implementation() -> Implementation {
    Implementation {
        name: "mcp-server",
        title: "PostgreSQL",
        version: env!("CARGO_PKG_VERSION"),
        icons: Vec::new(),
    }
}

fn mcp_server(databases: &Databases) -> Server<Principal> {
    mcp_tools::offer(Server::builder(implementation()), databases).build()
}

fn describe_databases(config: &Config) {
    for DatabaseConfig { name, db_role, allow_writes, .. } in &config.databases {
        let role = db_role.as_ref().map_or("the login's own", |role| role.as_str());
        let writes = match (allow_writes, db_role) {
            (true, None) => "read and written by credentials that are not read-only",
            (true, Some(_)) | (false, _) => "read-only",
        };
        tracing::info!("Database {name}: role {role}, {writes}");
        if *allow_writes && db_role.is_some() {
            tracing::warn!(
                "Database {name}: allow_writes does nothing beside db_role, because a statement \
                 that writes could leave the role again; give it a login of its own"
            );
        }
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
