//! Every way of saving a file that people and programs have, on real files.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set up has failed"
)]

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_watch::{Fault, Reader, Reload, Settings, WatchError, Watched, watch, watch_from};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What a test waits at most for something that should happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// So long that a test that passes within [`PATIENCE`] has passed without the poll.
const NO_POLL: Duration = Duration::from_hours(1);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("does not end with a full stop")]
struct Unfinished;

/// The text of all files, joined; each must end with a full stop.
fn sentences(files: &[Vec<u8>]) -> Result<String, Unfinished> {
    let texts: Vec<_> = files.iter().map(|file| String::from_utf8_lossy(file)).collect();
    if texts.iter().all(|text| text.ends_with('.')) { Ok(texts.concat()) } else { Err(Unfinished) }
}

/// A watched directory of its own, and the task that watches.
struct Desk {
    directory: TempDir,
    watched: Watched<String>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Desk {
    /// Watches files of these names, made by `lay_out` in a new directory.
    async fn new(names: &[&str], poll: Duration, lay_out: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path());
        let paths = names.iter().map(|name| directory.path().join(name)).collect();
        let settings = Settings { poll, ..Settings::default() };
        let (text, watcher) = watch(paths, sentences, settings).unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(watcher.run(async {
            let _ = stopped.await;
        }));
        let mut desk = Self { directory, watched: text, stop: Some(stop), running };
        desk.wait_until_armed(names[0]).await;
        desk
    }

    /// One file `a.txt` that says "One.", watched without a poll.
    async fn with_one_file() -> Self {
        Self::new(&["a.txt"], NO_POLL, |root| fs::write(root.join("a.txt"), "One.").unwrap()).await
    }

    /// The first look finds a change without an event, after the watches are set. To write until
    /// one arrives makes the events of the test proper the only way to pass it.
    async fn wait_until_armed(&mut self, name: &str) {
        let path = fs::canonicalize(self.directory.path().join(name)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        append(&path, " Armed.");
        self.expect(|now| now.contains("Armed.")).await;
        append(&path, " Back.");
        self.expect(|now| now.contains("Back.")).await;
        fs::write(&path, &text).unwrap();
        self.expect(|now| !now.contains("Armed.")).await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn expect(&mut self, wanted: impl Fn(&str) -> bool) {
        let arrival = async {
            while !wanted(&self.watched.current()) {
                self.watched.changed().await.expect("the watcher runs");
            }
        };
        timeout(PATIENCE, arrival).await.expect("the change arrives");
    }

    async fn fault(&mut self) -> Fault {
        let arrival = async {
            loop {
                match self.watched.changed().await.expect("the watcher runs") {
                    Reload::Failed(fault) => return fault,
                    Reload::Reloaded | Reload::Recovered => {}
                }
            }
        };
        timeout(PATIENCE, arrival).await.expect("the fault is told")
    }
}

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn writing_in_place_is_seen() {
    let mut desk = Desk::with_one_file().await;
    fs::write(desk.path("a.txt"), "Another.").unwrap();
    desk.expect(|now| now == "Another.").await;
}

#[tokio::test]
async fn truncating_and_writing_less_is_seen() {
    let mut desk = Desk::with_one_file().await;
    fs::write(desk.path("a.txt"), "1.").unwrap();
    desk.expect(|now| now == "1.").await;
}

#[tokio::test]
async fn a_file_moved_over_is_seen_also_when_it_is_shorter() {
    let mut desk = Desk::with_one_file().await;
    fs::write(desk.path(".new"), "2.").unwrap();
    fs::rename(desk.path(".new"), desk.path("a.txt")).unwrap();
    desk.expect(|now| now == "2.").await;
}

#[tokio::test]
async fn an_editor_that_deletes_and_recreates_is_seen_and_no_fault_is_told() {
    let mut desk = Desk::with_one_file().await;
    let path = desk.path("a.txt");
    fs::rename(&path, desk.path("a.txt~")).unwrap();
    fs::write(&path, "Three.").unwrap();
    desk.expect(|now| now == "Three.").await;
    assert!(desk.watched.fault().is_none());
}

#[tokio::test]
async fn a_file_that_is_removed_keeps_the_last_good_one_until_it_comes_back() {
    let mut desk = Desk::with_one_file().await;
    fs::remove_file(desk.path("a.txt")).unwrap();
    let fault = desk.fault().await;
    assert!(
        matches!(&fault, Fault::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    );
    assert_eq!(*desk.watched.current(), "One.");
    fs::write(desk.path("a.txt"), "Back.").unwrap();
    desk.expect(|now| now == "Back.").await;
    assert!(desk.watched.fault().is_none());
}

#[tokio::test]
async fn a_kubernetes_volume_that_is_swapped_is_seen() {
    let mut desk = Desk::new(&["a.txt"], NO_POLL, |root| {
        fs::create_dir(root.join("..1")).unwrap();
        fs::write(root.join("..1/a.txt"), "Volume one.").unwrap();
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/a.txt", root.join("a.txt")).unwrap();
    })
    .await;
    for (volume, text) in [("..2", "Two."), ("..3", "Volume three.")] {
        fs::create_dir(desk.path(volume)).unwrap();
        fs::write(desk.path(volume).join("a.txt"), text).unwrap();
        symlink(volume, desk.path("..data_tmp")).unwrap();
        fs::rename(desk.path("..data_tmp"), desk.path("..data")).unwrap();
        desk.expect(|now| now == text).await;
    }
}

#[tokio::test]
async fn the_target_of_a_link_in_another_directory_is_watched() {
    let mut desk = Desk::new(&["link"], NO_POLL, |root| {
        fs::create_dir(root.join("elsewhere")).unwrap();
        fs::write(root.join("elsewhere/real.txt"), "Here.").unwrap();
        symlink("elsewhere/real.txt", root.join("link")).unwrap();
    })
    .await;
    fs::write(desk.path("elsewhere/real.txt"), "There, in place.").unwrap();
    desk.expect(|now| now == "There, in place.").await;
    fs::write(desk.path("elsewhere/new"), "Moved.").unwrap();
    fs::rename(desk.path("elsewhere/new"), desk.path("elsewhere/real.txt")).unwrap();
    desk.expect(|now| now == "Moved.").await;
}

#[tokio::test]
async fn a_file_that_appears_later_is_picked_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later.txt");
    let settings = Settings { poll: NO_POLL, ..Settings::default() };
    let paths = vec![path.clone()];
    let (mut text, watcher) =
        watch_from("Nothing yet.".to_owned(), paths, sentences, settings).unwrap();
    assert!(text.fault().is_some());
    let running = tokio::spawn(watcher.run(std::future::pending()));
    fs::write(&path, "Here I am.").unwrap();
    let reload = timeout(PATIENCE, text.changed()).await.unwrap();
    assert!(matches!(reload, Some(Reload::Reloaded)), "{reload:?}");
    assert_eq!(*text.current(), "Here I am.");
    assert!(text.fault().is_none());
    running.abort();
}

#[tokio::test]
async fn a_directory_that_is_replaced_is_found_by_the_poll() {
    let poll = Duration::from_millis(20);
    let mut desk = Desk::new(&["sub/a.txt"], poll, |root| {
        fs::create_dir(root.join("sub")).unwrap();
        fs::write(root.join("sub/a.txt"), "Old.").unwrap();
    })
    .await;
    fs::rename(desk.path("sub"), desk.path("gone")).unwrap();
    fs::create_dir(desk.path("sub")).unwrap();
    fs::write(desk.path("sub/a.txt"), "New directory.").unwrap();
    desk.expect(|now| now == "New directory.").await;
    fs::write(desk.path("sub/a.txt"), "Watched again.").unwrap();
    desk.expect(|now| now == "Watched again.").await;
}

#[tokio::test]
async fn a_certificate_and_its_key_are_replaced_as_one() {
    let mut desk = Desk::new(&["cert", "key"], NO_POLL, |root| {
        fs::write(root.join("cert"), "Cert 1.").unwrap();
        fs::write(root.join("key"), "Key 1.").unwrap();
    })
    .await;
    // The first file alone does not parse: it waits for the second.
    fs::write(desk.path("cert"), "Cert two").unwrap();
    fs::write(desk.path("key"), "Key two.").unwrap();
    append(&desk.path("cert"), ".");
    desk.expect(|now| {
        assert!(now == "Cert 1.Key 1." || now == "Cert two.Key two.", "a mixed pair: {now}");
        now == "Cert two.Key two."
    })
    .await;
}

#[tokio::test]
async fn a_broken_file_is_told_once_and_mended_by_the_old_bytes() {
    let mut desk = Desk::with_one_file().await;
    let before = desk.watched.current();
    fs::write(desk.path("a.txt"), "Half a sent").unwrap();
    assert_eq!(desk.fault().await.to_string(), "does not end with a full stop");
    fs::write(desk.path("a.txt"), "One.").unwrap();
    let reload = timeout(PATIENCE, desk.watched.changed()).await.unwrap();
    assert!(matches!(reload, Some(Reload::Recovered)), "{reload:?}");
    assert!(Arc::ptr_eq(&before, &desk.watched.current()), "unchanged bytes make no new snapshot");
}

#[tokio::test]
async fn a_parser_that_panics_costs_nothing_but_the_reload() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    fs::write(&path, "One.").unwrap();
    let parse = |files: &[Vec<u8>]| {
        assert!(!files[0].starts_with(b"Bad"), "a bug in the parser");
        sentences(files)
    };
    let settings = Settings { poll: Duration::from_millis(20), ..Settings::default() };
    let (mut text, watcher) = watch(vec![path.clone()], parse, settings).unwrap();
    let running = tokio::spawn(watcher.run(std::future::pending()));
    fs::write(&path, "Bad luck.").unwrap();
    let reload = timeout(PATIENCE, text.changed()).await.unwrap();
    assert!(matches!(reload, Some(Reload::Failed(Fault::Panicked { .. }))), "{reload:?}");
    fs::write(&path, "Good again.").unwrap();
    let reload = timeout(PATIENCE, text.changed()).await.unwrap();
    assert!(matches!(reload, Some(Reload::Reloaded)), "{reload:?}");
    running.abort();
}

#[tokio::test]
async fn ten_thousand_events_converge_on_the_last_text_in_few_reads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    fs::write(&path, "0.").unwrap();
    let parses = Arc::new(AtomicUsize::new(0));
    let parse = {
        let parses = Arc::clone(&parses);
        move |files: &[Vec<u8>]| {
            parses.fetch_add(1, Ordering::Relaxed);
            sentences(files)
        }
    };
    let settings = Settings { poll: NO_POLL, ..Settings::default() };
    let (mut text, watcher) = watch(vec![path.clone()], parse, settings).unwrap();
    let running = tokio::spawn(watcher.run(std::future::pending()));
    let writing = tokio::task::spawn_blocking(move || {
        for turn in 1..=10_000 {
            fs::write(&path, format!("{turn}.")).unwrap();
        }
    });
    let arrival = async {
        while *text.current() != "10000." {
            text.changed().await.expect("the watcher runs");
        }
    };
    timeout(PATIENCE, arrival).await.unwrap();
    writing.await.unwrap();
    assert!(parses.load(Ordering::Relaxed) < 1_000);
    running.abort();
}

#[tokio::test]
async fn the_owner_s_check_decides_on_every_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.txt");
    fs::write(&path, "One.").unwrap();
    let reader = Reader::checked(1024, |_, metadata| {
        if metadata.len() > 10 { Err(io::Error::other("mode is too wide")) } else { Ok(()) }
    });
    let settings = Settings { reader, poll: Duration::from_millis(20) };
    let (mut text, watcher) = watch(vec![path.clone()], sentences, settings).unwrap();
    let running = tokio::spawn(watcher.run(std::future::pending()));
    fs::write(&path, "Far too long.").unwrap();
    let Some(Reload::Failed(fault)) = timeout(PATIENCE, text.changed()).await.unwrap() else {
        panic!("the check refuses")
    };
    assert_eq!(fault.to_string(), format!("{}: mode is too wide", path.display()));
    assert_eq!(*text.current(), "One.");
    running.abort();
}

#[test]
fn a_start_without_a_usable_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let refused = watch(vec![missing.clone()], sentences, Settings::default()).unwrap_err();
    assert!(refused.to_string().starts_with(&format!("{}: ", missing.display())));
    let refused = watch(Vec::new(), sentences, Settings::default()).unwrap_err();
    assert!(matches!(refused, WatchError::NoFiles));
}

#[tokio::test]
async fn the_watcher_ends_with_its_shutdown_and_its_handles_hear_of_it() {
    let mut desk = Desk::with_one_file().await;
    desk.stop.take().unwrap().send(()).unwrap();
    timeout(PATIENCE, desk.running).await.unwrap().unwrap();
    assert!(desk.watched.changed().await.is_none());
    assert_eq!(*desk.watched.current(), "One.");
}
