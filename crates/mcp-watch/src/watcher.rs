//! The loop: sightings and the poll go into the debounce, and what it calls for is read.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::fault::{Fault, WatchError};
use crate::look::{Fingerprint, Found, Look};
use crate::reader::Reader;
use crate::sentry::Sentry;
use crate::settle::{Outcome, Settle, Sighting, Verdict};
use crate::survey::{Stamp, Survey};
use crate::watched::{Keeper, Watched};

/// How files are read, and how often they are looked at without an event.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How a file becomes bytes: regular files of up to 64 MiB.
    pub reader: Reader,
    /// Between two looks at the files without an event. 5 s; counts as a millisecond at least.
    pub poll: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { reader: Reader::default(), poll: Duration::from_secs(5) }
    }
}

/// Reads the files and prepares to watch them. The parser gets their bytes in the order of
/// `paths`; it runs on a thread that may block, and its errors must show no secret.
///
/// Blocks while it reads: meant for the start of a process.
///
/// # Errors
/// When no file is named, or the files cannot be read or parsed: there is no last good snapshot
/// to fall back to. [`watch_from`] begins with one of the owner's.
pub fn watch<T, E>(
    paths: Vec<PathBuf>,
    parse: impl Fn(&[Vec<u8>]) -> Result<T, E> + Send + Sync + 'static,
    settings: Settings,
) -> Result<(Watched<T>, Watcher<T>), WatchError>
where
    T: Send + Sync + 'static,
    E: Error + Send + Sync + 'static,
{
    let prepared = Prepared::of(paths, parse, settings)?;
    let (first, fingerprint) = prepared.look.first()?;
    Ok(prepared.begin(first, Some(fingerprint), None))
}

/// As [`watch`], but begins with `first` when the files cannot be used yet: a file that appears
/// later. What is wrong with them is in [`Watched::fault`] from the start.
///
/// # Errors
/// When no file is named.
pub fn watch_from<T, E>(
    first: T,
    paths: Vec<PathBuf>,
    parse: impl Fn(&[Vec<u8>]) -> Result<T, E> + Send + Sync + 'static,
    settings: Settings,
) -> Result<(Watched<T>, Watcher<T>), WatchError>
where
    T: Send + Sync + 'static,
    E: Error + Send + Sync + 'static,
{
    let prepared = Prepared::of(paths, parse, settings)?;
    Ok(match prepared.look.first() {
        Ok((value, fingerprint)) => prepared.begin(value, Some(fingerprint), None),
        Err(fault) => prepared.begin(first, None, Some(fault)),
    })
}

/// Watches the files for as long as it runs. Made by [`watch`].
#[must_use = "nothing is reloaded until `run` is awaited"]
pub struct Watcher<T> {
    look: Arc<Look<T>>,
    keeper: Keeper<T>,
    in_use: Option<Fingerprint>,
    stamps: Vec<Option<Stamp>>,
    sentry: Sentry,
    settle: Settle,
    poll: Duration,
}

impl<T: Send + Sync + 'static> Watcher<T> {
    /// Reloads what changes until `shutdown` ends. What changed since the files were first read
    /// is found at once.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut poll = interval(self.poll.max(Duration::from_millis(1)));
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.settle.due();
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = reached(due) => self.read().await,
                sighting = self.sentry.next() => self.settle.event(now(), sighting),
                // The first tick comes at once and arms the watches.
                _ = poll.tick() => self.look_around().await,
            }
        }
    }

    /// Watches anew what is to be watched, and follows up what no event told of.
    async fn look_around(&mut self) {
        // Watched before looked at: what happens in between is told by an event.
        let before = self.survey().await;
        self.sentry.arm(&before.directories, &before.names);
        let stamps = self.survey().await.stamps;
        // A file that could not be read for want of descriptors, say, need not change again.
        if stamps != self.stamps || self.keeper.is_unreadable() {
            self.settle.event(now(), Sighting::Touched);
        }
    }

    async fn read(&mut self) {
        let accepts_shorter = self.settle.attempt().accepts_shorter;
        // Links may lead elsewhere by now. The stamps are taken before the bytes: a change
        // between the two is seen by the next poll.
        let survey = self.survey().await;
        self.sentry.follow(&survey.directories, &survey.names);
        self.stamps = survey.stamps;
        let in_use = self.in_use;
        let found = self.blocking(move |look| look.read(in_use, accepts_shorter)).await;
        let outcome = match &found {
            Ok(Found::Same | Found::New(..)) => Outcome::Settled,
            Ok(Found::Shorter) | Err(_) => Outcome::Doubtful,
        };
        let verdict = self.settle.read(now(), outcome);
        match found {
            Ok(Found::New(value, fingerprint)) => {
                self.in_use = Some(fingerprint);
                self.keeper.replace(value);
            }
            Ok(Found::Same) => self.keeper.recover(),
            Err(fault) if verdict == Verdict::Final => self.keeper.fail(fault),
            Ok(Found::Shorter) | Err(_) => {}
        }
    }

    async fn survey(&self) -> Survey {
        self.blocking(Look::survey).await
    }

    /// Runs a look at the files on a thread that may block.
    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Look<T>) -> R + Send + 'static,
    ) -> R {
        let look = Arc::clone(&self.look);
        match tokio::task::spawn_blocking(move || work(&look)).await {
            Ok(result) => result,
            // The parser's panics are caught below; this one is ours and goes to our owner.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down and takes us along at this very point.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl<T> fmt::Debug for Watcher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("paths", &self.look.paths).finish_non_exhaustive()
    }
}

/// What both beginnings have in common.
struct Prepared<T> {
    look: Look<T>,
    stamps: Vec<Option<Stamp>>,
    poll: Duration,
}

impl<T: Send + Sync + 'static> Prepared<T> {
    fn of<E: Error + Send + Sync + 'static>(
        paths: Vec<PathBuf>,
        parse: impl Fn(&[Vec<u8>]) -> Result<T, E> + Send + Sync + 'static,
        settings: Settings,
    ) -> Result<Self, WatchError> {
        if paths.is_empty() {
            return Err(WatchError::NoFiles);
        }
        let look = Look::new(paths, settings.reader, parse);
        // Before the first read: what changes from here on counts as a change.
        let stamps = look.survey().stamps;
        Ok(Self { look, stamps, poll: settings.poll })
    }

    fn begin(
        self,
        first: T,
        in_use: Option<Fingerprint>,
        fault: Option<Fault>,
    ) -> (Watched<T>, Watcher<T>) {
        let (keeper, handle) = Keeper::new(first, fault);
        let watcher = Watcher {
            look: Arc::new(self.look),
            keeper,
            in_use,
            stamps: self.stamps,
            sentry: Sentry::new(),
            settle: Settle::new(),
            poll: self.poll,
        };
        (handle, watcher)
    }
}

/// Waits until a read is due; for ever while none is.
async fn reached(due: Option<Instant>) {
    match due {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The runtime's time, which tests may hold still.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
