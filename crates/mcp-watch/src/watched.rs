//! The handle that everybody holds: the snapshot in use, and word of its changes.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::fault::Fault;

/// The snapshot in use. Cheap to clone; each clone hears of every change once.
pub struct Watched<T> {
    snapshot: Arc<ArcSwap<T>>,
    status: watch::Receiver<Status>,
    told: Told,
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum Reload {
    /// A new snapshot is in use.
    Reloaded,
    /// The files hold again what is in use all along; the fault is over.
    Recovered,
    /// The files cannot be used as they are; the last good snapshot stays. Each distinct fault is
    /// told once.
    Failed(Fault),
}

impl<T> Watched<T> {
    /// The snapshot in use. Takes no lock; whoever holds it keeps it, whatever is reloaded.
    #[must_use]
    pub fn current(&self) -> Arc<T> {
        self.snapshot.load_full()
    }

    /// What is wrong with the files now; `None` while the snapshot is what they hold.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.status.borrow().fault.clone()
    }

    /// Waits for the next change; `None` once the watcher is gone. Safe to drop while waiting.
    ///
    /// Changes that come faster than they are asked for are told as one; none is lost that
    /// matters to [`current`](Self::current) or [`fault`](Self::fault).
    pub async fn changed(&mut self) -> Option<Reload> {
        loop {
            if let Some(reload) = self.untold() {
                return Some(reload);
            }
            self.status.changed().await.ok()?;
        }
    }

    fn untold(&mut self) -> Option<Reload> {
        let status = self.status.borrow_and_update();
        let told = &mut self.told;
        if told.reloads != status.reloads {
            told.reloads = status.reloads;
            if status.fault.is_none() {
                told.turns = status.turns;
            }
            return Some(Reload::Reloaded);
        }
        if told.turns == status.turns {
            return None;
        }
        told.turns = status.turns;
        Some(status.fault.clone().map_or(Reload::Recovered, Reload::Failed))
    }
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self { snapshot: Arc::clone(&self.snapshot), status: self.status.clone(), told: self.told }
    }
}

impl<T> fmt::Debug for Watched<T> {
    /// Shows no part of the snapshot: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched")
            .field("fault", &self.status.borrow().fault)
            .finish_non_exhaustive()
    }
}

/// How far one handle has been told.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    reloads: u64,
    turns: u64,
}

#[derive(Debug, Default)]
struct Status {
    /// Snapshots since the first.
    reloads: u64,
    /// How often `fault` became another one.
    turns: u64,
    fault: Option<Fault>,
}

/// The other end: the watcher's.
pub(crate) struct Keeper<T> {
    snapshot: Arc<ArcSwap<T>>,
    status: watch::Sender<Status>,
}

impl<T> Keeper<T> {
    pub(crate) fn new(first: T, fault: Option<Fault>) -> (Self, Watched<T>) {
        let snapshot = Arc::new(ArcSwap::from_pointee(first));
        let (sender, status) = watch::channel(Status { fault, ..Status::default() });
        let watched = Watched { snapshot: Arc::clone(&snapshot), status, told: Told::default() };
        (Self { snapshot, status: sender }, watched)
    }

    pub(crate) fn replace(&self, value: T) {
        self.snapshot.store(Arc::new(value));
        self.status.send_modify(|status| {
            status.reloads += 1;
            status.turns += u64::from(status.fault.take().is_some());
        });
    }

    pub(crate) fn recover(&self) {
        self.status.send_if_modified(|status| {
            let was_faulty = status.fault.take().is_some();
            status.turns += u64::from(was_faulty);
            was_faulty
        });
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.status.send_if_modified(|status| {
            let is_known =
                status.fault.as_ref().is_some_and(|known| known.to_string() == fault.to_string());
            if !is_known {
                status.turns += 1;
                status.fault = Some(fault);
            }
            !is_known
        });
    }

    /// Could the files not be read, rather than be understood?
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self.status.borrow().fault, Some(Fault::Read { .. }))
    }
}
