//! `cargo xtask faults`: each system call fails in turn of what changes a file.
//!
//! Every command of the table runs once in peace under strace, which writes down its calls. Then
//! it runs again for each call and each way in which that can go wrong, in a folder of its own:
//! killed there, failing there, failing from there on; and with room for so many bytes only. What
//! lies in the folder afterwards, and what was said, is held to what was promised. At the end many
//! writers work at once, and some are killed.
//!
//! The calls before the first one that names the folder belong to the loader and are left alone.
//! Of the server, which removes expired tokens when it starts, those calls fail that its first
//! thread makes about the folder; what its other threads do comes in another order each time.

#![expect(clippy::expect_used, reason = "a step that fails is a failed run")]

mod case;
mod fault;
mod start;
mod table;
mod trace;
mod verdict;
mod writers;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::case::Ground;
use crate::fault::Fault;
use crate::table::{Program, ROWS, Row};
use crate::verdict::Reference;

/// How many faults are named that led to the same failure.
const TOLD: usize = 3;

/// How often a run is repeated that went another way than the first and did not meet its fault.
const ATTEMPTS: usize = 8;

/// What became of one command.
#[derive(Default)]
struct Tally {
    calls: usize,
    faults: usize,
    /// In the order of the faults.
    failures: Vec<Failed>,
}

/// What was not as it should be.
struct Failed {
    fault: String,
    /// The first line is the same for all of one kind.
    what: String,
}

fn main() -> ExitCode {
    let begun = Instant::now();
    let ground = Ground::new();
    let probed = ground.program(Program::Admin);
    if let Some(obstacle) = trace::obstacle(&probed, &ground.path().join("probe")) {
        say(format!("error: {obstacle}"));
        return ExitCode::FAILURE;
    }
    let (mut calls, mut faults, mut failed) = (0, 0, 0);
    for row in ROWS {
        let tally = try_all(&ground, row);
        report(row.name, &tally);
        calls += tally.calls;
        faults += tally.faults;
        failed += tally.failures.len();
    }
    match writers::run(&ground) {
        Ok(told) => say(format!("passed  {told}")),
        Err(fault) => {
            failed += 1;
            say(format!("FAILED  writers at once: {fault}"));
        }
    }
    let (commands, seconds) = (ROWS.len(), begun.elapsed().as_secs_f32());
    say(format!(
        "{commands} commands, {calls} calls, {faults} faults in {seconds:.0} s: {failed} failed"
    ));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One command with every fault, on as many threads as there are processors.
fn try_all(ground: &Ground, row: &Row) -> Tally {
    let reference = match Reference::of(ground, row) {
        Ok(reference) => reference,
        Err(what) => {
            let failed = Failed { fault: Fault::None.to_string(), what };
            return Tally { failures: vec![failed], ..Tally::default() };
        }
    };
    let sites = trace::sites(row.program, &reference.trace, &reference.folder);
    let faults = fault::all(row.program, &sites, reference.after.text.len());
    let waiting = Mutex::new(faults.iter().enumerate());
    let next = || waiting.lock().expect("no worker panics").next();
    let work = || {
        let mut failures = Vec::new();
        while let Some((turn, fault)) = next() {
            let what = try_one(ground, row, &reference, *fault).err();
            failures.extend(what.map(|what| (turn, Failed { fault: fault.to_string(), what })));
        }
        failures
    };
    let workers = thread::available_parallelism().map_or(2, NonZero::get);
    let failures: BTreeMap<usize, Failed> = thread::scope(|scope| {
        let working: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        working.into_iter().flat_map(|one| one.join().expect("no worker panics")).collect()
    });
    let failures = failures.into_values().collect();
    Tally { calls: sites.len(), faults: faults.len(), failures }
}

fn try_one(
    ground: &Ground,
    row: &Row,
    reference: &Reference,
    fault: Fault<'_>,
) -> Result<(), String> {
    let mut moved = None;
    for _ in 0..ATTEMPTS {
        let case = ground.case(row);
        let folder = case.path().to_string_lossy();
        let fault = moved.as_ref().map_or(fault, |site| fault.at(site));
        let (ran, traced) = case.run(fault);
        if fault.happened(&traced, &folder) {
            let judged = verdict::judge(&case, row, reference, fault, &ran);
            return judged.map_err(|what| what.replace(&*folder, "…"));
        }
        let found = fault.site().and_then(|site| trace::again(&traced, &folder, site));
        moved = found.or(moved);
    }
    Err(format!("in {ATTEMPTS} runs the fault was never met where it was meant to be"))
}

fn report(name: &str, tally: &Tally) {
    let verdict = if tally.failures.is_empty() { "passed" } else { "FAILED" };
    let (calls, faults, failed) = (tally.calls, tally.faults, tally.failures.len());
    say(format!("{verdict}  {name}: {calls} calls, {faults} faults, {failed} failed"));
    let mut kinds: BTreeMap<&str, Vec<&Failed>> = BTreeMap::new();
    for failed in &tally.failures {
        kinds.entry(failed.what.lines().next().unwrap_or_default()).or_default().push(failed);
    }
    for alike in kinds.into_values() {
        say(format!("  {}", alike[0].what.trim().replace('\n', "\n  | ")));
        for failed in alike.iter().take(TOLD) {
            say(format!("    - {}", failed.fault));
        }
        if alike.len() > TOLD {
            say(format!("    - and {} more", alike.len() - TOLD));
        }
    }
}

/// A line for the person who waits.
fn say(text: impl AsRef<str>) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}
