//! The long-running parts, started by name. None may stop before the server does: one that
//! panics or returns early stops the server, because nobody would notice what it no longer does.

use std::future::Future;

use tokio::sync::watch;
use tokio::task::JoinSet;

/// What runs beside the requests.
pub(crate) struct Tasks {
    running: JoinSet<&'static str>,
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
        Self { running: JoinSet::new() }
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

    /// Waits for the first task that ends, and names it. While the server runs, none should.
    pub(crate) async fn first_to_end(&mut self) -> String {
        match self.running.join_next().await {
            Some(Ok(name)) => format!("{name} stopped"),
            Some(Err(fault)) if fault.is_panic() => "a part panicked".to_owned(),
            Some(Err(_)) | None => "a part was cancelled".to_owned(),
        }
    }

    /// Waits until all have ended, once they have been told to.
    pub(crate) async fn finish(mut self) {
        while self.running.join_next().await.is_some() {}
    }
}
