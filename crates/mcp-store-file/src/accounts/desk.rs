//! Where the clerk works: on a thread with a queue in front of it, or with whoever asks.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
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

/// Where work for the clerk is handed in. Clones are one desk; with the last of them the clerk
/// goes, when all that was handed in is done.
#[derive(Clone)]
pub(super) struct Desk {
    seat: Seat,
    running: watch::Receiver<()>,
    state: Box<Path>,
}

#[derive(Clone)]
enum Seat {
    /// On a thread of his own, which takes jobs from the queue.
    Apart(SyncSender<Job>),
    /// On the thread of whoever asks, which blocks. Empty once it is closed.
    Beside(Arc<Mutex<Option<Seated>>>),
}

/// The clerk, and that he is there.
struct Seated {
    clerk: Clerk,
    _alive: watch::Sender<()>,
}

impl Desk {
    /// For a server: nobody waits for the disk but who asked for something.
    pub(super) fn start(clerk: Clerk, state: &Path) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let (alive, running) = watch::channel(());
        let work = move || {
            let _alive = alive;
            serve(clerk, &queue);
        };
        let started = thread::Builder::new().name("accounts".to_owned()).spawn(work);
        started.map_err(|error| system(state, "start the thread that works on it", &error))?;
        Ok(Self { seat: Seat::Apart(jobs), running, state: state.into() })
    }

    /// For a tool that ends at once: with it the database is closed, and no thread is needed. It is
    /// not looked for what other processes change.
    pub(super) fn beside(clerk: Clerk, state: &Path) -> Self {
        let (alive, running) = watch::channel(());
        let seated = Seated { clerk, _alive: alive };
        let seat = Seat::Beside(Arc::new(Mutex::new(Some(seated))));
        Self { seat, running, state: state.into() }
    }

    /// Has it done. What was handed in is done, even if nobody waits for it any more.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Clerk) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let jobs = match &self.seat {
            Seat::Apart(jobs) => jobs,
            Seat::Beside(seated) => {
                // After a panic nobody knows what was done.
                let mut seated = seated.lock().map_err(|_| down(&self.state, STOPPED))?;
                let seated = seated.as_mut().ok_or_else(|| down(&self.state, STOPPED))?;
                return Ok(work(&mut seated.clerk));
            }
        };
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |clerk: &mut Clerk| {
            // Nobody waits any more: the work is done all the same.
            let _ = reply.send(work(clerk));
        });
        if jobs.try_send(Job::Do(job)).is_err() {
            let fault = if self.is_running() { "too many wait for it" } else { STOPPED };
            return Err(down(&self.state, fault));
        }
        answer.await.map_err(|_| down(&self.state, STOPPED))
    }

    /// Has it stop when all is done that was handed in before, and waits until it has.
    pub(super) async fn close(&self) {
        match &self.seat {
            Seat::Apart(jobs) => {
                // Where too many wait, nobody waits for them: what was acknowledged is on disk.
                if jobs.try_send(Job::Stop).is_ok() {
                    self.clone().ended().await;
                }
            }
            Seat::Beside(seated) => {
                // After a panic it is closed with the last desk.
                if let Ok(mut seated) = seated.lock() {
                    seated.take();
                }
            }
        }
    }

    /// Waits until the clerk is gone; before he is told to, he should not be.
    pub(super) async fn ended(mut self) {
        while self.running.changed().await.is_ok() {}
    }

    fn is_running(&self) -> bool {
        self.running.has_changed().is_ok()
    }
}

const STOPPED: &str = "what works on it has stopped";

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
