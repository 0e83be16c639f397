//! The task beside the pools.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Object;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mcp_connect::{SessionSettings, Transaction, WireError};
use mcp_identity::Lease;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, timeout};

use crate::manager::{Manager, Pooled};
use crate::pools::Shared;

/// How long a cancelled statement may take to end, and a terminated backend to go.
const GRACE: Duration = Duration::from_millis(500);
/// How long ending a backend may take, the connection for it included.
const TERMINATE: Duration = Duration::from_secs(10);
/// How often unused connections are looked for.
const SWEEP: Duration = Duration::from_secs(15);

type Waiting<T> = FuturesUnordered<Pin<Box<dyn Future<Output = T> + Send>>>;

/// Closes the pools of principals whose lease ended, closes what lies unused, and cancels
/// statements whose connection was given up.
#[must_use = "pools are closed and statements cancelled only while this runs"]
pub struct PoolKeeper {
    shared: Arc<Shared>,
    leases: mpsc::UnboundedReceiver<Lease>,
    wrecks: mpsc::Receiver<Object<Manager>>,
}

impl PoolKeeper {
    pub(crate) fn new(
        shared: Arc<Shared>,
        leases: mpsc::UnboundedReceiver<Lease>,
        wrecks: mpsc::Receiver<Object<Manager>>,
    ) -> Self {
        Self { shared, leases, wrecks }
    }

    /// Runs until `shutdown`; then closes every pool.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut held: Waiting<()> = FuturesUnordered::new();
        let mut ending: Waiting<()> = FuturesUnordered::new();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(lease) = self.leases.recv() => held.push(Box::pin(async move {
                    lease.ended().await;
                })),
                Some(()) = held.next(), if !held.is_empty() => self.shared.close_ended(),
                Some(wreck) = self.wrecks.recv() => ending.push(self.end(wreck)),
                Some(()) = ending.next(), if !ending.is_empty() => {}
                _ = sweep.tick() => self.shared.sweep(),
            }
        }
        self.shared.close_all();
        self.wrecks.close();
        while let Some(wreck) = self.wrecks.recv().await {
            ending.push(self.end(wreck));
        }
        while ending.next().await.is_some() {}
    }

    fn end(&self, wreck: Object<Manager>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(end(Arc::clone(&self.shared), wreck))
    }
}

/// Ends what still runs on a connection that was given up, and drops it: it holds its place until
/// then.
async fn end(shared: Arc<Shared>, mut wreck: Object<Manager>) {
    let name = &wreck.database.settings.name.clone();
    match stop(&mut wreck).await {
        Ok(Line::Answers) => {}
        Ok(Line::Silent) => {
            // The other connections are cut off too, as a rule: none of them is lent any more, and
            // the next request finds out by connecting.
            wreck.database.note_silence();
            shared.drop_idle(&wreck.database);
        }
        Err(fault) => tracing::warn!(error = %fault, "Could not end a statement on {name}"),
    }
    drop(Object::take(wreck));
}

/// Whether anything came from a server that was asked to end a statement.
enum Line {
    Answers,
    Silent,
}

/// A cancel request, and, for a statement that does not heed it, the end of its backend.
async fn stop(wreck: &mut Pooled) -> Result<Line, Fault> {
    let cancelled = wreck.connection.cancel_handle().cancel().await;
    if timeout(GRACE, wreck.connection.run_out()).await.is_ok() {
        return Ok(Line::Answers);
    }
    if cancelled.is_err() {
        return Ok(Line::Silent);
    }
    timeout(TERMINATE, terminate(wreck)).await??;
    let gone = timeout(GRACE, wreck.connection.run_out()).await;
    Ok(if gone.is_ok() { Line::Answers } else { Line::Silent })
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Ends the backend of a connection from another one to the same server, of the same login: the
/// only thing that ends a block which catches `query_canceled`.
async fn terminate(wreck: &Pooled) -> Result<(), Fault> {
    const TERMINATE_BACKEND: &str = "SELECT pg_catalog.pg_terminate_backend($1::integer)";
    let session =
        SessionSettings { application_name: "mcp-server".into(), ..SessionSettings::default() };
    let target = &wreck.database.settings.target;
    let mut connection = wreck.connection.connect_beside(target, &session).await?;
    let pid = wreck.connection.backend_pid().to_string();
    let parameters = [Some(pid.as_str())];
    let ended = connection.start(Transaction::ReadOnly, TERMINATE_BACKEND, &parameters).await?;
    ended.finish().await.map(drop).map_err(WireError::into)
}
