//! Word from the file system: watches on directories, told as one of two sightings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use notify::event::{ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tracing::warn;

use crate::settle::Sighting;

const TOUCHED: u8 = 0b01;
const RENAMED: u8 = 0b10;

/// Keeps watch over directories. Without one (no watches left in the system) it is silent, and
/// the poll alone finds changes.
pub(crate) struct Sentry {
    watcher: Option<RecommendedWatcher>,
    armed: Vec<PathBuf>,
    inbox: Arc<Inbox>,
    is_whole: bool,
}

impl Sentry {
    pub(crate) fn new() -> Self {
        let inbox = Arc::new(Inbox::default());
        let handler = {
            let inbox = Arc::clone(&inbox);
            move |event| inbox.receive(&event)
        };
        let watcher = match notify::recommended_watcher(handler) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                warn!(%error, "Cannot watch files; changes are found by the poll alone");
                None
            }
        };
        Self { watcher, armed: Vec::new(), inbox, is_whole: true }
    }

    /// Watches exactly these directories, and looks out for these names in them. A directory
    /// that is watched already is watched anew: its watch may have been lost.
    pub(crate) fn arm(&mut self, directories: &[PathBuf], names: &[OsString]) {
        if **self.inbox.names.load() != *names {
            self.inbox.names.store(Arc::new(names.to_vec()));
        }
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.armed.iter().filter(|armed| !directories.contains(armed)) {
            // A directory that was removed has lost its watch by itself.
            let _ = watcher.unwatch(gone);
        }
        self.armed.clear();
        let mut failure = None;
        for directory in directories {
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => self.armed.push(directory.clone()),
                Err(error) => failure = Some((directory, error)),
            }
        }
        self.report(failure);
    }

    /// As [`arm`](Self::arm), if anything moved since.
    pub(crate) fn follow(&mut self, directories: &[PathBuf], names: &[OsString]) {
        if self.armed != directories || **self.inbox.names.load() != *names {
            self.arm(directories, names);
        }
    }

    /// Says once, not every five seconds, that a directory cannot be watched.
    fn report(&mut self, failure: Option<(&PathBuf, notify::Error)>) {
        let was_whole = std::mem::replace(&mut self.is_whole, failure.is_none());
        if let Some((directory, error)) = failure.filter(|_| was_whole) {
            let directory = directory.display();
            warn!(%directory, %error, "Cannot watch a directory; the poll covers it");
        }
    }

    /// Waits for something to happen to a file of ours. Safe to drop while waiting.
    pub(crate) async fn next(&self) -> Sighting {
        loop {
            self.inbox.word.notified().await;
            match self.inbox.seen.swap(0, Ordering::Relaxed) {
                0 => {}
                RENAMED => return Sighting::Renamed,
                // A rename and a touch in one breath: which came last is not known.
                _ => return Sighting::Touched,
            }
        }
    }
}

/// What the thread of the notifier leaves for the loop: two bits, so that ten thousand events
/// take no more room than one.
#[derive(Default)]
struct Inbox {
    names: ArcSwap<Vec<OsString>>,
    seen: AtomicU8,
    word: Notify,
}

impl Inbox {
    fn receive(&self, event: &notify::Result<Event>) {
        let seen = match event {
            Ok(event) => self.seen_in(event),
            // Events were lost, which ones nobody knows.
            Err(_) => TOUCHED,
        };
        if seen != 0 {
            self.seen.fetch_or(seen, Ordering::Relaxed);
            self.word.notify_one();
        }
    }

    fn seen_in(&self, event: &Event) -> u8 {
        if event.need_rescan() {
            return TOUCHED;
        }
        let names = self.names.load();
        let concerns_us = |path: &Path| {
            path.file_name().is_some_and(|name| names.iter().any(|ours| ours.as_os_str() == name))
        };
        match &event.kind {
            // Our own reading is such an event: to follow it up would never end.
            EventKind::Access(_) => 0,
            EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
                if event.paths.last().is_some_and(|path| concerns_us(path)) =>
            {
                RENAMED
            }
            _ if event.paths.iter().any(|path| concerns_us(path)) => TOUCHED,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, DataChange, Flag};

    use super::*;

    fn inbox() -> Inbox {
        let inbox = Inbox::default();
        inbox.names.store(Arc::new(vec!["tokens.yaml".into()]));
        inbox
    }

    fn event(kind: EventKind, paths: &[&str]) -> Event {
        paths.iter().fold(Event::new(kind), |event, path| event.add_path(path.into()))
    }

    const RENAME: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::Both));

    #[test]
    fn reading_the_file_is_no_event() {
        let access = event(EventKind::Access(AccessKind::Any), &["/d/tokens.yaml"]);
        assert_eq!(inbox().seen_in(&access), 0);
    }

    #[test]
    fn neighbours_in_the_directory_do_not_concern_us() {
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        assert_eq!(inbox().seen_in(&event(write, &["/d/state.db-wal"])), 0);
    }

    #[test]
    fn a_rename_into_place_is_told_from_a_rename_away() {
        assert_eq!(inbox().seen_in(&event(RENAME, &["/d/.tmp", "/d/tokens.yaml"])), RENAMED);
        assert_eq!(inbox().seen_in(&event(RENAME, &["/d/tokens.yaml", "/d/old"])), TOUCHED);
    }

    #[test]
    fn lost_events_mean_that_everything_may_have_changed() {
        let rescan = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert_eq!(inbox().seen_in(&rescan), TOUCHED);
    }
}
