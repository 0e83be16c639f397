//! The threads, what they share, and those who wait for them.
//!
//! ```text
//! verify ─┬─ same attempt in flight ──► waits with it
//!         └─ else ──► queue ──► a thread ──► answers all who wait
//!                       └── waited too long: Busy
//! ```
//!
//! One lock guards everything that is shared; it is never held while something is hashed.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::oneshot;

use crate::asker::Asker;
use crate::hasher::{HasherError, Verdict};
use crate::labour::{Check, Labour, LabourFailed, Make};
use crate::priority;
use crate::queue::{FairQueue, JobId};
use crate::stored::PasswordHash;

/// What tells two attempts apart without keeping either: a keyed digest of account, stored hash
/// and password.
pub(crate) type Fingerprint = [u8; 32];

/// Those who wait for one verification, at most. Each is a request that somebody else has let in.
const MOST_WAITERS: usize = 256;

/// No answer is worth waiting longer for. Keeps `now` plus the wait in bounds, too.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Sends the one answer to whoever still waits for it.
type Answer<T> = oneshot::Sender<Result<T, HasherError>>;

pub(crate) type Waiting<T> = oneshot::Receiver<Result<T, HasherError>>;

pub(crate) struct Pool {
    state: Mutex<State>,
    /// Something is in the queue, or all is over.
    work: Condvar,
    /// Something may wait for too long, or all is over.
    expiry: Condvar,
    queue_wait: Duration,
    labour: Box<dyn Labour>,
}

struct State {
    queue: FairQueue<Job>,
    /// Verifications that wait or run.
    in_flight: HashMap<Fingerprint, InFlight>,
    stopped: bool,
}

struct InFlight {
    id: JobId,
    waiters: Vec<Answer<Verdict>>,
}

enum Job {
    /// Those who wait for it are in `in_flight`.
    Check(Check, Fingerprint),
    Make(Make, Answer<PasswordHash>),
}

impl Pool {
    pub(crate) fn new(queue_wait: Duration, labour: Box<dyn Labour>) -> Self {
        let state = State { queue: FairQueue::new(), in_flight: HashMap::new(), stopped: false };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            expiry: Condvar::new(),
            queue_wait: queue_wait.min(LONGEST_WAIT),
            labour,
        }
    }

    /// Starts the threads. They end some time after [`Pool::stop`], and are not waited for.
    pub(crate) fn start(pool: &Arc<Self>, workers: usize) -> io::Result<()> {
        for number in 0..workers {
            let pool = Arc::clone(pool);
            let work = move || {
                priority::lower();
                pool.work();
            };
            thread::Builder::new().name(format!("password-{number}")).spawn(work)?;
        }
        // A thread of its own, because all the others may be busy just when somebody has waited
        // for too long.
        let pool = Arc::clone(pool);
        thread::Builder::new()
            .name("password-wait".to_owned())
            .spawn(move || pool.refuse_late())?;
        Ok(())
    }

    pub(crate) fn check(
        &self,
        asker: &Asker,
        check: Check,
        fingerprint: Fingerprint,
    ) -> Result<Waiting<Verdict>, HasherError> {
        let (answer, waiting) = oneshot::channel();
        let mut state = self.open()?;
        let State { queue, in_flight, .. } = &mut *state;
        if let Some(same) = in_flight.get_mut(&fingerprint) {
            if same.waiters.len() >= MOST_WAITERS {
                return Err(self.busy());
            }
            queue.join(same.id, asker);
            same.waiters.push(answer);
            return Ok(waiting);
        }
        let id = self.admit(queue, asker, Job::Check(check, fingerprint))?;
        in_flight.insert(fingerprint, InFlight { id, waiters: vec![answer] });
        Ok(waiting)
    }

    pub(crate) fn make(
        &self,
        asker: &Asker,
        make: Make,
    ) -> Result<Waiting<PasswordHash>, HasherError> {
        let (answer, waiting) = oneshot::channel();
        self.admit(&mut self.open()?.queue, asker, Job::Make(make, answer))?;
        Ok(waiting)
    }

    /// Refuses what waits and what comes. What runs is answered when it is done.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for job in state.queue.drain() {
            state.refuse(job, HasherError::Stopped);
        }
        drop(state);
        self.work.notify_all();
        self.expiry.notify_all();
    }

    /// Refuses what has waited for too long at `now`.
    pub(crate) fn refuse_expired(&self, now: Instant) {
        let mut state = self.lock();
        for job in state.queue.expired(now) {
            state.refuse(job, self.busy());
        }
    }

    fn admit(
        &self,
        queue: &mut FairQueue<Job>,
        asker: &Asker,
        job: Job,
    ) -> Result<JobId, HasherError> {
        let id =
            queue.admit(asker, Instant::now() + self.queue_wait, job).map_err(|_| self.busy())?;
        self.work.notify_one();
        self.expiry.notify_one();
        Ok(id)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            match job {
                Job::Check(check, fingerprint) => {
                    let verdict = guarded(|| self.labour.check(&check)).map(Verdict::from_right);
                    let done = self.lock().in_flight.remove(&fingerprint);
                    for waiter in done.into_iter().flat_map(|done| done.waiters) {
                        // Whoever has left does not hear it.
                        let _ = waiter.send(verdict);
                    }
                }
                Job::Make(make, answer) => {
                    let _ = answer.send(guarded(|| self.labour.make(&make)));
                }
            }
        }
    }

    /// The job whose turn it is, as soon as there is one. `None` when all is over.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            match state.queue.next() {
                Some(job) if state.is_awaited(&job) => return Some(job),
                // Everybody who wanted it has left.
                Some(job) => state.refuse(job, HasherError::Stopped),
                None => {
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn refuse_late(&self) {
        loop {
            self.refuse_expired(Instant::now());
            let state = self.lock();
            if state.stopped {
                return;
            }
            let wait = match state.queue.next_expiry() {
                Some(expiry) => expiry.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            // Woken early, it looks again.
            drop(self.expiry.wait_timeout(state, wait));
        }
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, HasherError> {
        let state = self.lock();
        if state.stopped { Err(HasherError::Stopped) } else { Ok(state) }
    }

    /// Nothing that runs under the lock panics half-way through a change, and a hashing pool that
    /// refuses everybody for ever would be worse than one that goes on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) -> HasherError {
        HasherError::Busy { retry_after: self.queue_wait.max(Duration::from_secs(1)) }
    }
}

impl State {
    fn is_awaited(&self, job: &Job) -> bool {
        match job {
            Job::Check(_, fingerprint) => self
                .in_flight
                .get(fingerprint)
                .is_some_and(|job| job.waiters.iter().any(|waiter| !waiter.is_closed())),
            Job::Make(_, answer) => !answer.is_closed(),
        }
    }

    fn refuse(&mut self, job: Job, error: HasherError) {
        match job {
            Job::Check(_, fingerprint) => {
                let refused = self.in_flight.remove(&fingerprint);
                for waiter in refused.into_iter().flat_map(|refused| refused.waiters) {
                    let _ = waiter.send(Err(error));
                }
            }
            Job::Make(_, answer) => {
                let _ = answer.send(Err(error));
            }
        }
    }
}

/// A panic ends the attempt and not the thread; what it says may hold a secret and is not looked
/// at.
fn guarded<T>(work: impl FnOnce() -> Result<T, LabourFailed>) -> Result<T, HasherError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(LabourFailed)) => {
            tracing::error!("Could not compute a password hash: is there memory for it?");
            Err(HasherError::Failed)
        }
        Err(_) => {
            tracing::error!("Hashing a password panicked");
            Err(HasherError::Failed)
        }
    }
}
