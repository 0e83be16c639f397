//! The long-running parts, started by name. None may stop before the server does: one that
//! panics or returns early stops the server, because nobody would notice what it no longer does.

use std::future::Future;
use std::pin::Pin;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What runs beside the requests.
pub(crate) struct Tasks {
    running: JoinSet<&'static str>,
    last: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// Tells everything that it is time to stop. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// The one who decides that it is time to stop.
pub(crate) struct ShutdownSwitch(watch::Sender<bool>);

impl ShutdownSwitch {
    pub(crate) fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Waits until it is time to stop. A switch that is gone says so too.
    pub(crate) async fn requested(mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { running: JoinSet::new(), last: Vec::new() }
    }

    pub(crate) fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.running.spawn(async move {
            task.await;
            name
        });
    }

    /// Starts a part on a thread of its own, because at times it works for long without a wait:
    /// requests that lie in the queue of the same thread would wait for it.
    pub(crate) fn start_apart(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let runtime = Handle::current();
        self.running.spawn_blocking(move || {
            runtime.block_on(task);
            name
        });
    }

    /// Waits for the first task that ends, and names it. While the server runs, none should.
    pub(crate) async fn first_to_end(&mut self) -> String {
        match self.running.join_next().await {
            Some(Ok(name)) => format!("{name} stopped"),
            Some(Err(fault)) if fault.is_panic() => "a part panicked".to_owned(),
            Some(Err(_)) | None => "a part was cancelled".to_owned(),
        }
    }

    /// Has this done at the very end, when nothing runs any more that might need what it closes.
    pub(crate) fn at_last(&mut self, act: impl Future<Output = ()> + Send + 'static) {
        self.last.push(Box::pin(act));
    }

    /// Waits until all have ended, once they have been told to, and does what is left to do.
    pub(crate) async fn finish(mut self) {
        while self.running.join_next().await.is_some() {}
        for act in self.last {
            act.await;
        }
    }
}
