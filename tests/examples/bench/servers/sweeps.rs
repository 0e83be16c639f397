//! What logins notice of expired sessions being swept: the server sweeps once a minute, and a
//! moment before there are many.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Progress;
use super::crowd::Crowd;
use super::logins::Knocker;
use crate::millis;
use crate::probe::{Latencies, pause, runtime};

/// Sweeps that are watched.
const ROUNDS: u32 = 2;
/// How many sessions are swept in each, of a hundred that hold.
const SHARE: u32 = 10;
/// How often it is looked whether a sweep goes on.
const LOOK: Duration = Duration::from_millis(50);
/// What a sweep leaves to be done is part of it.
const AFTER: Duration = Duration::from_secs(2);
/// So long before a sweep, logins are compared with those in it.
const QUIET: Duration = Duration::from_secs(15);
/// A server sweeps once a minute.
const PATIENCE: Duration = Duration::from_mins(2);

/// When one login began, and how long it took.
type Login = (Instant, Duration);

/// From the first session that was swept to the last.
struct Sweep {
    begin: Instant,
    end: Instant,
}

pub(super) fn report(
    out: &mut impl Write,
    crowd: &Crowd,
    to: SocketAddr,
    progress: &Progress,
) -> Result<(), Box<dyn Error>> {
    let many = crowd.sessions() * SHARE / 100;
    writeln!(
        out,
        "| logins | p50 ms | p99 ms | longest ms | p99 to that before |\n|---|---:|---:|---:|---:|"
    )?;
    for round in 1..=ROUNDS {
        let (sweep, logins) = watch(crowd, to, round, many)?;
        let quiet = taken(&logins, sweep.begin.checked_sub(QUIET), sweep.begin);
        let swept = taken(&logins, Some(sweep.begin), sweep.end + AFTER);
        let ratio = swept.per_mille(990).as_secs_f64() / quiet.per_mille(990).as_secs_f64();
        let lasted = (sweep.end - sweep.begin).as_secs_f64();
        write_row(out, &format!("before a sweep ({})", quiet.count()), &quiet, "")?;
        let name = format!("while {many} sessions are swept, {lasted:.1} s ({})", swept.count());
        write_row(out, &name, &swept, &format!(" {ratio:.2}"))?;
        progress.say(&format!("watched sweep {round} of {ROUNDS}"));
    }
    writeln!(out)?;
    Ok(())
}

fn write_row(
    out: &mut impl Write,
    name: &str,
    times: &Latencies,
    ratio: &str,
) -> std::io::Result<()> {
    let [p50, p99] = [500, 990].map(|share| millis(times.per_mille(share)));
    writeln!(out, "| {name} | {p50:.2} | {p99:.2} | {:.2} |{ratio} |", millis(times.longest()))
}

fn taken(logins: &[Login], from: Option<Instant>, to: Instant) -> Latencies {
    let within = |login: &&Login| from.is_none_or(|from| login.0 >= from) && login.0 < to;
    Latencies::of(logins.iter().filter(within).map(|login| login.1).collect())
}

/// Somebody logs in all the time, until a sweep is over.
fn watch(
    crowd: &Crowd,
    to: SocketAddr,
    round: u32,
    many: u32,
) -> Result<(Sweep, Vec<Login>), Box<dyn Error>> {
    crowd.run(&expired(round, many))?;
    let over = Arc::new(AtomicBool::new(false));
    thread::scope(|scope| {
        let people = crowd.people();
        let told = Arc::clone(&over);
        let knocking = scope.spawn(move || runtime()?.block_on(knock(to, people, &told)));
        let sweep = await_sweep(crowd, round, many);
        pause(AFTER);
        over.store(true, Ordering::Relaxed);
        let logins = knocking.join().map_err(|_| "who logged in panicked")??;
        Ok((sweep?, logins))
    })
}

async fn knock(to: SocketAddr, people: u32, over: &AtomicBool) -> std::io::Result<Vec<Login>> {
    let mut knocker = Knocker::open(to).await?;
    let mut logins = Vec::new();
    for person in (0..people).cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        logins.push((Instant::now(), knocker.log_in(person).await?));
    }
    Ok(logins)
}

/// Sessions whose time was over an hour ago, one after the other: no server knows them.
fn expired(round: u32, many: u32) -> String {
    let place = format!("lpad(to_hex(n), 15, '0') || '{:x}'", round + 8);
    format!(
        "SET session_replication_role = 'replica';
         INSERT INTO user_sessions
           (user_id, token_jti, public_id, expires_at, created_at, last_used_at, ip_address, user_agent)
         SELECT (SELECT min(id) FROM users) + n, encode(sha256(('over-{round}-' || n)::bytea), 'hex'),
                'f' || substr({place}, 2), now() - interval '1 hour' + n * interval '1 millisecond',
                now() - interval '2 hours', now() - interval '2 hours', '192.0.2.1', 'agent/1.0'
         FROM generate_series(0, {many} - 1) AS n; ANALYZE user_sessions;"
    )
}

fn await_sweep(crowd: &Crowd, round: u32, many: u32) -> Result<Sweep, Box<dyn Error>> {
    let begin = await_end_of(crowd, round, 0)?;
    Ok(Sweep { begin, end: await_end_of(crowd, round, many - 1)? })
}

/// Waits until one of them is gone.
fn await_end_of(crowd: &Crowd, round: u32, number: u32) -> Result<Instant, Box<dyn Error>> {
    let name = format!("f{number:014x}{:x}", round + 8);
    let sql = format!("SELECT count(*) FROM user_sessions WHERE public_id = '{name}'");
    let begin = Instant::now();
    while crowd.run(&sql)?.trim() != "0" {
        if begin.elapsed() > PATIENCE {
            return Err("nothing was swept".into());
        }
        pause(LOOK);
    }
    Ok(Instant::now())
}
