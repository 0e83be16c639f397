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
    /// What writes down what the others do.
    recording: JoinSet<&'static str>,
    stop_recording: ShutdownSwitch,
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
        let (stop_recording, _) = ShutdownSwitch::new();
        let (running, recording) = (JoinSet::new(), JoinSet::new());
        Self { running, recording, stop_recording, last: Vec::new() }
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

    /// Starts a part that records what others do, with a word of its own to stop: said when all of
    /// them have ended, because what they do last is to be recorded, too.
    pub(crate) fn start_recording<T: Future<Output = ()> + Send + 'static>(
        &mut self,
        name: &'static str,
        task: impl FnOnce(Shutdown) -> T,
    ) {
        let task = task(Shutdown(self.stop_recording.0.subscribe()));
        self.recording.spawn(async move {
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
        let ended = tokio::select! {
            Some(ended) = self.running.join_next() => ended,
            Some(ended) = self.recording.join_next() => ended,
            else => return "a part was cancelled".to_owned(),
        };
        match ended {
            Ok(name) => format!("{name} stopped"),
            Err(fault) if fault.is_panic() => "a part panicked".to_owned(),
            Err(_) => "a part was cancelled".to_owned(),
        }
    }

    /// Has this done at the very end, when nothing runs any more that might need what it closes.
    pub(crate) fn at_last(&mut self, act: impl Future<Output = ()> + Send + 'static) {
        self.last.push(Box::pin(act));
    }

    /// Waits until all have ended, once they have been told to, and does what is left to do.
    pub(crate) async fn finish(mut self) {
        while self.running.join_next().await.is_some() {}
        self.stop_recording.stop();
        while self.recording.join_next().await.is_some() {}
        for act in self.last {
            act.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_records_is_stopped_when_all_that_is_recorded_has_ended() {
        let mut tasks = Tasks::new();
        let (switch, shutdown) = ShutdownSwitch::new();
        let (sent, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (last, seen) = (Arc::clone(&sent), Arc::clone(&written));
        tasks.start_recording("audit log", |shutdown| async move {
            shutdown.requested().await;
            seen.store(last.load(Ordering::SeqCst), Ordering::SeqCst);
        });
        let last = Arc::clone(&sent);
        tasks.start("mail", async move {
            shutdown.requested().await;
            // The letter under way takes its time.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            last.store(true, Ordering::SeqCst);
        });
        switch.stop();
        tasks.finish().await;
        assert!(written.load(Ordering::SeqCst), "it heard of the letter");
    }

    #[tokio::test]
    async fn what_records_may_not_stop_before_the_server() {
        let mut tasks = Tasks::new();
        tasks.start("mail", std::future::pending());
        tasks.start_recording("audit log", |_| async {});
        assert_eq!(tasks.first_to_end().await, "audit log stopped");
    }
}
