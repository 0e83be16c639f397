//! Writers that do not stop.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{promptly, reloads};
use crate::served_folder::{Kind, folder, opens, put, serve};

/// Whole files and files written in place, by turns.
fn write(path: &Path, turn: usize, text: &str) {
    if turn.is_multiple_of(2) { fs::write(path, text).unwrap() } else { put(path, text) }
}

fn a_storm_of_writes_ends_in_what_was_written_last(kind: Kind) {
    const WRITES: usize = 2_000;
    let folder = folder();
    let path = folder.path(kind.file());
    folder.write(kind.file(), &kind.text(&["stays"]));
    let server = serve(&folder);
    let to = server.address();
    let in_use = kind.in_use(to, "stays");
    let (begun, is_over) = (Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        // What stands in every version is let in at every moment.
        let asking = scope.spawn(|| {
            let mut always = true;
            while always && !is_over.load(Ordering::Relaxed) {
                always = opens(to, &in_use);
            }
            always
        });
        for n in 1..=WRITES {
            write(&path, n, &kind.text(&["stays", &format!("name-{n}")]));
        }
        let converged = promptly(|| kind.lets_in(to, &format!("name-{WRITES}")));
        is_over.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() && converged, "{}", server.log());
    });
    assert!(!kind.lets_in(to, &format!("name-{}", WRITES - 1)));
    let most = begun.elapsed().as_millis() / Duration::from_millis(100).as_millis() + 2;
    let reloads = reloads(&server, kind);
    assert!(reloads as u128 <= most, "{reloads} reloads where {most} are room for");
}

#[test]
fn a_storm_of_writes_to_the_token_file_ends_in_what_was_written_last() {
    a_storm_of_writes_ends_in_what_was_written_last(Kind::Tokens);
}

#[test]
fn a_storm_of_writes_to_the_users_file_ends_in_what_was_written_last() {
    a_storm_of_writes_ends_in_what_was_written_last(Kind::Users);
}

fn a_writer_that_never_rests_postpones_nothing(kind: Kind) {
    let folder = folder();
    let path = folder.path(kind.file());
    folder.write(kind.file(), &kind.text(&["before"]));
    let server = serve(&folder);
    let to = server.address();
    let (written, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let n = written.fetch_add(1, Ordering::Relaxed);
                write(&path, n, &kind.text(&["wanted", &format!("name-{n}")]));
            }
        });
        let live = promptly(|| kind.lets_in(to, "wanted"));
        let count = written.load(Ordering::Relaxed);
        let goes_on = support::eventually(|| written.load(Ordering::Relaxed) > count);
        is_over.store(true, Ordering::Relaxed);
        assert!(live && goes_on, "{count} writes\n{}", server.log());
    });
    let last = format!("name-{}", written.load(Ordering::Relaxed) - 1);
    assert!(promptly(|| kind.lets_in(to, &last)), "{}", server.log());
}

#[test]
fn a_writer_of_the_token_file_that_never_rests_postpones_nothing() {
    a_writer_that_never_rests_postpones_nothing(Kind::Tokens);
}

#[test]
fn a_writer_of_the_users_file_that_never_rests_postpones_nothing() {
    a_writer_that_never_rests_postpones_nothing(Kind::Users);
}
