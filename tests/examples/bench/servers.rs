//! Several servers and the PostgreSQL that their credentials are in: what a check costs, what a
//! login takes beside its hash, what many sessions and their sweeping do to that, and what a second
//! and a third server bring.

mod checks;
mod crowd;
mod logins;
mod nodes;
mod sweeps;
mod trips;
mod words;

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::millis;
use crate::process::{cpu, peak, resident};

use self::crowd::Crowd;

/// Sessions in the database, unless another number is named; a tenth as many people.
const SESSIONS: u32 = 1_000_000;

pub(crate) fn report(out: &mut impl Write, sessions: Option<&str>) -> Result<(), Box<dyn Error>> {
    let sessions = sessions.map_or(Ok(SESSIONS), str::parse)?;
    let progress = Progress(Instant::now());
    trips::report(out)?;
    progress.say("counted the round trips of logins");
    let crowd = Crowd::gather(sessions)?;
    progress.say(&format!("wrote {sessions} sessions"));
    checks::report(out, &crowd)?;
    progress.say("measured checks");
    let one = start(out, &crowd)?;
    progress.say("started a server");
    logins::report(out, &crowd, one.address())?;
    progress.say("measured logins");
    sweeps::report(out, &crowd, one.address(), &progress)?;
    let servers = [one, crowd.start(), crowd.start()];
    progress.say("started two more servers");
    nodes::report(out, &crowd, &servers)?;
    progress.say("measured requests at one and at three servers");
    words::report(out, &crowd, &servers)
}

/// Tells whoever waits how far it is.
struct Progress(Instant);

impl Progress {
    fn say(&self, done: &str) {
        // Nobody may be there to read it.
        let _ = writeln!(io::stderr(), "{:5.0} s: {done}", self.0.elapsed().as_secs_f64());
    }
}

fn start(out: &mut impl Write, crowd: &Crowd) -> Result<support::ServerProcess, Box<dyn Error>> {
    let begin = Instant::now();
    let server = crowd.start();
    let (people, sessions) = (crowd.people(), crowd.sessions());
    writeln!(out, "| a server with {people} people and {sessions} sessions | value |\n|---|---:|")?;
    writeln!(out, "| start, until it listens | {:.0} ms |", millis(begin.elapsed()))?;
    writeln!(out, "| CPU of that | {:.0} ms |", millis(cpu(server.pid())?))?;
    writeln!(out, "| peak RSS of that | {:.0} MiB |", peak(server.pid())?)?;
    writeln!(out, "| RSS after it | {:.0} MiB |\n", resident(server.pid())?)?;
    Ok(server)
}

fn median<T: Copy + PartialOrd>(values: &mut [T]) -> Option<T> {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied()
}

/// How much longer, in milliseconds; below zero: shorter.
fn beyond(longer: Duration, shorter: Duration) -> f64 {
    millis(longer) - millis(shorter)
}
