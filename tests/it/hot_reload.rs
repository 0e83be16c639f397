//! Credential files that change while the server runs, in whatever way, and what follows from it.

mod by_hand;
mod faults;
mod holders;
mod saving;
mod starting;
mod storms;

use std::time::{Duration, Instant};

use support::ServerProcess;

use crate::served_folder::Kind;

/// Is it so well before the poll, which comes every 5 s, would have found it?
fn promptly(is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    support::eventually(is_so) && begun.elapsed() < Duration::from_secs(3)
}

/// How often the log says that this file was read anew.
fn reloads(server: &ServerProcess, kind: Kind) -> usize {
    let file = format!("/{}", kind.file());
    let log = server.log();
    log.lines().filter(|line| line.contains("[AUTH] Reloaded ") && line.ends_with(&file)).count()
}
