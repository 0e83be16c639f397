//! The task beside the pools.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mcp_connect::CancelHandle;
use mcp_identity::Lease;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::pools::Shared;

/// How often unused connections are looked for.
const SWEEP: Duration = Duration::from_secs(15);

type Waiting<T> = FuturesUnordered<Pin<Box<dyn Future<Output = T> + Send>>>;

/// Closes the pools of principals whose lease ended, closes what lies unused, and cancels
/// statements whose connection was given up.
#[must_use = "pools are closed and statements cancelled only while this runs"]
pub struct PoolKeeper {
    shared: Arc<Shared>,
    leases: mpsc::UnboundedReceiver<Lease>,
    wrecks: mpsc::Receiver<CancelHandle>,
}

impl PoolKeeper {
    pub(crate) fn new(
        shared: Arc<Shared>,
        leases: mpsc::UnboundedReceiver<Lease>,
        wrecks: mpsc::Receiver<CancelHandle>,
    ) -> Self {
        Self { shared, leases, wrecks }
    }

    /// Runs until `shutdown`; then closes every pool.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut held: Waiting<()> = FuturesUnordered::new();
        let mut cancelling: Waiting<()> = FuturesUnordered::new();
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(lease) = self.leases.recv() => held.push(Box::pin(async move {
                    lease.ended().await;
                })),
                Some(()) = held.next(), if !held.is_empty() => self.shared.close_ended(),
                Some(handle) = self.wrecks.recv() => cancelling.push(Box::pin(cancel(handle))),
                Some(()) = cancelling.next(), if !cancelling.is_empty() => {}
                _ = sweep.tick() => self.shared.sweep(),
            }
        }
        self.shared.close_all();
        self.wrecks.close();
        while let Some(handle) = self.wrecks.recv().await {
            cancelling.push(Box::pin(cancel(handle)));
        }
        while cancelling.next().await.is_some() {}
    }
}

async fn cancel(handle: CancelHandle) {
    if let Err(fault) = handle.cancel().await {
        // `statement_timeout` ends the statement all the same.
        tracing::warn!(error = %fault, "Could not cancel a statement whose caller went away");
    }
}
