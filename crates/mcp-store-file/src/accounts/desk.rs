//! The clerk's thread, and the queue in front of it.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mcp_store::StoreError;
use tokio::sync::{oneshot, watch};

use super::clerk::Clerk;
use crate::fault::{down, system};

/// So many may wait; whoever comes then is told that the store is down.
const QUEUE: usize = 1024;

/// How often it is looked for what other processes changed: half of the 100 ms within which it is
/// told.
const LOOK: Duration = Duration::from_millis(50);

enum Job {
    Do(Box<dyn FnOnce(&mut Clerk) + Send>),
    Stop,
}

/// Where work for the clerk is handed in. Clones are one desk; with the last of them the thread
/// ends, when all that was handed in is done.
#[derive(Clone)]
pub(super) struct Desk {
    jobs: SyncSender<Job>,
    running: watch::Receiver<()>,
    state: Box<Path>,
}

impl Desk {
    pub(super) fn start(clerk: Clerk, state: &Path) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (alive, running) = watch::channel(());
        let work = move || {
            let _alive = alive;
            serve(clerk, &queue);
        };
        let started = thread::Builder::new().name("accounts".to_owned()).spawn(work);
        started.map_err(|error| system(state, "start the thread that works on it", &error))?;
        Ok(Self { jobs, running, state: state.into() })
    }

    /// Has it done. What was handed in is done, even if nobody waits for it any more.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Clerk) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |clerk: &mut Clerk| {
            // Nobody waits any more: the work is done all the same.
            let _ = reply.send(work(clerk));
        });
        if self.jobs.try_send(Job::Do(job)).is_err() {
            let fault = if self.is_running() { "too many wait for it" } else { STOPPED };
            return Err(down(&self.state, fault));
        }
        answer.await.map_err(|_| down(&self.state, STOPPED))
    }

    /// Has it stop when all is done that was handed in before, and waits until it has.
    pub(super) async fn close(&self) {
        // Where too many wait, nobody waits for them: what was acknowledged is on disk.
        if self.jobs.try_send(Job::Stop).is_ok() {
            self.clone().ended().await;
        }
    }

    /// Waits until the thread has ended; before it is told to, it should not.
    pub(super) async fn ended(mut self) {
        while self.running.changed().await.is_ok() {}
    }

    fn is_running(&self) -> bool {
        self.running.has_changed().is_ok()
    }
}

const STOPPED: &str = "the thread that works on it has stopped";

fn serve(mut clerk: Clerk, queue: &Receiver<Job>) {
    let mut look_at = Instant::now() + LOOK;
    loop {
        match queue.recv_timeout(look_at.saturating_duration_since(Instant::now())) {
            Ok(Job::Do(job)) => job(&mut clerk),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
        // After each job that took long, too: a busy queue must not hide what others do.
        if Instant::now() >= look_at {
            clerk.look();
            look_at = Instant::now() + LOOK;
        }
    }
}
