//! All protocol sessions of one endpoint: opened, found, ended; swept when nobody uses them.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mcp_identity::{Entropy, Principal, SystemEntropy};
use mcp_protocol::{Handshake, Server};
use tokio::sync::{mpsc, watch};

use crate::event_log::Budget;
use crate::session::McpSession;

/// Limits of protocol sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// Sessions at a time. Beyond it clients are served without one.
    pub max_sessions: usize,
    /// Sessions of one principal at a time. One more ends the one used least recently.
    pub max_per_principal: usize,
    /// A session that nobody used for this long is over.
    pub idle: Duration,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { max_sessions: 10_000, max_per_principal: 100, idle: Duration::from_mins(30) }
    }
}

/// The protocol sessions of one endpoint, and the server behind it. Cheap to clone.
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

struct Shared {
    server: Arc<Server<Principal>>,
    settings: SessionSettings,
    entropy: Box<dyn Entropy>,
    table: Mutex<HashMap<String, Arc<McpSession>>>,
    detached: mpsc::UnboundedSender<Detached>,
    closing: watch::Sender<bool>,
    budget: Arc<Budget>,
}

/// A request that goes on without its client. Bounded per session, and in time.
pub(crate) type Detached = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Looks after sessions. Without it none expires, and a request ends with its connection.
#[must_use = "sessions are looked after while this runs"]
pub struct SessionKeeper {
    sessions: Sessions,
    detached: mpsc::UnboundedReceiver<Detached>,
}

/// How often sessions are looked through for those that are over.
const SWEEP: Duration = Duration::from_secs(15);
/// Requests of all sessions that go on without their clients, at most.
const MAX_DETACHED: usize = 256;
/// How long a request may go on without its client.
const MAX_DETACHED_TIME: Duration = Duration::from_mins(5);

impl Sessions {
    /// The sessions of an endpoint over `server`, and who looks after them.
    pub fn new(server: Arc<Server<Principal>>, settings: SessionSettings) -> (Self, SessionKeeper) {
        Self::with_entropy(server, settings, Box::new(SystemEntropy))
    }

    /// The same, with another source of session ids.
    pub fn with_entropy(
        server: Arc<Server<Principal>>,
        settings: SessionSettings,
        entropy: Box<dyn Entropy>,
    ) -> (Self, SessionKeeper) {
        let (sender, detached) = mpsc::unbounded_channel();
        let shared = Shared {
            server,
            settings,
            entropy,
            table: Mutex::default(),
            detached: sender,
            closing: watch::Sender::new(false),
            budget: Arc::default(),
        };
        let sessions = Self(Arc::new(shared));
        (sessions.clone(), SessionKeeper { sessions, detached })
    }

    pub(crate) fn server(&self) -> &Arc<Server<Principal>> {
        &self.0.server
    }

    /// Opens a session for `principal`; `None`: it is served without one.
    pub(crate) fn open(
        &self,
        principal: &Principal,
        handshake: Handshake,
    ) -> Option<Arc<McpSession>> {
        let mut bytes = [0; 16];
        self.0.entropy.fill(&mut bytes).ok()?;
        let id = format!("{:032x}", u128::from_be_bytes(bytes));
        let session =
            Arc::new(McpSession::new(id, principal, handshake, Arc::clone(&self.0.budget)));
        let mut table = self.table();
        let own = table.values().filter(|session| *session.owner() == principal.id);
        if own.clone().count() >= self.0.settings.max_per_principal {
            let oldest = own.min_by_key(|session| session.last_used()).map(|old| old.id.clone());
            end(&mut table, &oldest?);
        }
        if table.len() >= self.0.settings.max_sessions {
            return None;
        }
        table.insert(session.id.clone(), Arc::clone(&session));
        Some(session)
    }

    /// The session of that id, if it is one of `principal`'s that still stands.
    pub(crate) fn find(&self, id: &str, principal: &Principal) -> Option<Arc<McpSession>> {
        let table = self.table();
        let session = table.get(id)?;
        let is_good = *session.owner() == principal.id && !self.is_over(session);
        is_good.then(|| {
            session.touch();
            Arc::clone(session)
        })
    }

    /// Ends a session.
    pub(crate) fn end(&self, session: &McpSession) {
        end(&mut self.table(), &session.id);
    }

    /// Hands over a request whose client went away. Without a keeper it ends here.
    pub(crate) fn detach(&self, work: Detached) {
        // The work is dropped with the error, which ends it.
        let _ = self.0.detached.send(work);
    }

    /// Waits until the server stops.
    pub(crate) async fn closing(&self) {
        let mut closing = self.0.closing.subscribe();
        // An error cannot be: the sender is in `self`.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// Ends what nobody uses and what no longer holds.
    fn sweep(&self) {
        let mut table = self.table();
        let mut over = Vec::new();
        for session in table.values() {
            if self.is_over(session) {
                over.push(session.id.clone());
            } else if is_in_use(session) {
                session.touch();
            }
        }
        for id in &over {
            end(&mut table, id);
        }
    }

    fn is_over(&self, session: &Arc<McpSession>) -> bool {
        let is_idle = session.last_used().elapsed() > self.0.settings.idle;
        !session.holds() || (is_idle && !is_in_use(session))
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<McpSession>>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream or a request holds the session, too.
fn is_in_use(session: &Arc<McpSession>) -> bool {
    Arc::strong_count(session) > 1
}

fn end(table: &mut HashMap<String, Arc<McpSession>>, id: &str) {
    if let Some(session) = table.remove(id) {
        session.close();
    }
}

impl SessionKeeper {
    /// Sweeps sessions, and works on the requests that go on without their clients, until
    /// `shutdown`. Then everyone who listens is told that there is no more to hear.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut working = FuturesUnordered::new();
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(work) = self.detached.recv() => {
                    // One too many ends here, as it would without a session.
                    if working.len() < MAX_DETACHED {
                        working.push(limited(work));
                    }
                }
                Some(()) = working.next(), if !working.is_empty() => {}
                _ = sweep.tick() => self.sessions.sweep(),
            }
        }
        self.sessions.0.closing.send_replace(true);
        // Who waits for a client's answer waits no longer.
        for session in self.sessions.table().values() {
            session.conversation.end();
        }
        self.sessions.server().end_listening();
    }
}

async fn limited(work: Detached) {
    // One request that panics must not take those of all others with it; the panic hook has told
    // the operator.
    let work = AssertUnwindSafe(work).catch_unwind();
    let _ = tokio::time::timeout(MAX_DETACHED_TIME, work).await;
}
