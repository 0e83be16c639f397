//! Two hundred clients try to log in, again and again, while somebody with a token works on.

use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::ops::AddAssign;
use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::json;
use support::Installation;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::connection::{Connection, post};
use crate::load::start_bare;
use crate::millis;
use crate::probe::{Latencies, Probe, Seen, runtime};
use crate::process::{forget_peak, peak, resident};

const CLIENTS: u8 = 200;
const USERS: u8 = 5;
const PASSWORD: &str = "Thunderstorm Warning 7";
const IDLE: Duration = Duration::from_secs(4);
const STORM: Duration = Duration::from_secs(8);

/// How long a client that was told to come back later stays away. Far less than it was told, and
/// enough that the storm is one of logins and not of whatever the loopback device can carry.
const PAUSE: Duration = Duration::from_millis(100);

/// Where a storm comes from, and what it meets.
struct Weather {
    name: &'static str,
    /// What stands under `http.auth`.
    settings: &'static str,
    /// Does each client come from an address of its own?
    spread: bool,
}

const WEATHERS: [Weather; 3] = [
    Weather { name: "one address, default limits", settings: "", spread: false },
    Weather {
        name: "one address, 10,000 failures allowed",
        settings: "    rate_limit_max_attempts: 10000\n",
        spread: false,
    },
    Weather { name: "200 addresses, default limits", settings: "", spread: true },
];

/// What passwords are hashed with, at its default strength.
struct Hashing {
    algorithm: &'static str,
    /// What one hash takes, in MiB.
    memory: f64,
}

const HASHINGS: [Hashing; 2] = [
    Hashing { algorithm: "bcrypt", memory: 4.0 / 1024.0 },
    Hashing { algorithm: "argon2id", memory: 64.0 },
];

/// What the server may hold besides the hashes, in MiB.
const ALLOWANCE: f64 = 32.0;

/// How many attempts ended in which way.
#[derive(Clone, Copy, Default)]
struct Answers {
    let_in: u32,
    refused: u32,
    too_many: u32,
    busy: u32,
    other: u32,
}

/// One storm, as those with a token, the machine and the clients saw it.
struct Storm {
    before: Seen,
    during: Seen,
    /// The most that the server held above what it held before, in MiB.
    growth: f64,
    answers: Answers,
}

pub(crate) fn report(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    writeln!(
        out,
        "| passwords | storm from | p99 idle ms | p99 ms | longest ms | control: p99 idle ms \
         | p99 ms | RSS growth MiB | allowed | let in | refused | 429 | 503 | other |"
    )?;
    writeln!(out, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    for hashing in &HASHINGS {
        let installation = Installation::new("");
        installation.write_config_with_users("", &hashing.settings());
        for user in 0..USERS {
            installation.add_user(&format!("user-{user}"), PASSWORD);
        }
        for weather in &WEATHERS {
            let storm = watch(&installation, hashing, weather)?;
            write_storm(out, hashing, weather, &storm)?;
        }
    }
    Ok(())
}

fn write_storm(
    out: &mut impl Write,
    hashing: &Hashing,
    weather: &Weather,
    storm: &Storm,
) -> std::io::Result<()> {
    let Answers { let_in, refused, too_many, busy, other } = storm.answers;
    let p99 = |latencies: &Latencies| millis(latencies.per_mille(990));
    writeln!(
        out,
        "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} \
         | {let_in} | {refused} | {too_many} | {busy} | {other} |",
        hashing.algorithm,
        weather.name,
        p99(&storm.before.server),
        p99(&storm.during.server),
        millis(storm.during.server.longest()),
        p99(&storm.before.control),
        p99(&storm.during.control),
        storm.growth,
        hashing.memory * workers() + ALLOWANCE,
    )
}

/// How many threads hash, unless the configuration says otherwise: all cores but one.
fn workers() -> f64 {
    let cores = available_parallelism().map_or(1, NonZero::get);
    f64::from(u32::try_from(cores.saturating_sub(1).max(1)).unwrap_or(u32::MAX))
}

impl Hashing {
    fn settings(&self) -> String {
        format!("passwords:\n  algorithm: {}\n", self.algorithm)
    }
}

fn watch(
    installation: &Installation,
    hashing: &Hashing,
    weather: &Weather,
) -> Result<Storm, Box<dyn Error>> {
    installation.write_config_with_users(weather.settings, &hashing.settings());
    let server = installation.start();
    let address = server.address();
    let bare = start_bare(installation, address, "ordinary")?;
    let probe = Probe::new(address, bare.address, installation.token());
    let before = probe.ask_for(IDLE)?;
    forget_peak(server.pid())?;
    let held = resident(server.pid())?;
    let raging = || runtime()?.block_on(rage(address, weather.spread));
    let (answers, during) = probe.ask_while(raging)?;
    Ok(Storm { before, during, growth: peak(server.pid())? - held, answers })
}

async fn rage(to: SocketAddr, spread: bool) -> Result<Answers, Box<dyn Error>> {
    let end = Instant::now() + STORM;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let from = if spread { [127, 0, 1, client + 1].into() } else { Ipv4Addr::LOCALHOST };
        clients.spawn(insist(client, from.into(), to, end));
    }
    let mut all = Answers::default();
    while let Some(answers) = clients.join_next().await {
        all += answers??;
    }
    Ok(all)
}

/// Tries until the end, and counts.
async fn insist(
    client: u8,
    from: IpAddr,
    to: SocketAddr,
    end: Instant,
) -> std::io::Result<Answers> {
    let mut connection = Connection::open(from, to).await?;
    let mut answers = Answers::default();
    for attempt in 0_u32.. {
        if Instant::now() >= end {
            break;
        }
        let answer = connection.ask(&post(to, None, &login(client, attempt))).await?;
        match answer.status {
            200 if has(&answer.body, b"\"result\"") => answers.let_in += 1,
            200 => answers.refused += 1,
            429 => answers.too_many += 1,
            503 => answers.busy += 1,
            _ => answers.other += 1,
        }
        if answer.status != 200 {
            sleep(PAUSE).await;
        }
    }
    Ok(answers)
}

/// Of four clients one knows the password, one tries a new one each time for the same account,
/// and two do that for names that nobody has, one of them with a new name each time.
fn login(client: u8, attempt: u32) -> String {
    let user = client % USERS;
    let guess = || format!("guess {client} {attempt}");
    let (name, password) = match client % 4 {
        0 => (format!("user-{user}"), PASSWORD.to_owned()),
        1 => (format!("user-{user}"), guess()),
        2 => (format!("nobody-{client}"), guess()),
        _ => (format!("nobody-{client}-{attempt}"), guess()),
    };
    let arguments = json!({ "username": name, "password": password });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

fn has(body: &[u8], words: &[u8]) -> bool {
    body.windows(words.len()).any(|at| at == words)
}

impl AddAssign for Answers {
    fn add_assign(&mut self, other: Self) {
        self.let_in += other.let_in;
        self.refused += other.refused;
        self.too_many += other.too_many;
        self.busy += other.busy;
        self.other += other.other;
    }
}
