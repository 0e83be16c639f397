//! People: what the check of a signed session costs beside that of an opaque one, whether logins
//! come as fast as their hashes can be computed, and what the time of an answer tells of an account:
//! of a failed login, and of a letter that was asked for.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_auth::{Accounts, Attempt, Auth, Issue, JwtSettings, Keeper, LoginSettings};
use mcp_identity::{
    Caller, Clock as _, Password, PlainToken, RequestId, SigningSecret, SystemClock, SystemEntropy,
    UserName,
};
use mcp_password::{Algorithm, Asker, Hasher, PasswordHash, Settings};
use mcp_store::{AccountStore as _, MemoryAccounts, MemoryTokens, StoredHash, UserRecord};
use serde_json::{Value, json};
use support::Installation;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::connection::{Connection, post};
use crate::load::list_request;
use crate::probe::runtime;
use crate::process::cpu;
use crate::{micros, millis};

const PASSWORD: &str = "Measured Password 7";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Checks of one session, in process.
const CHECKS: u32 = 400_000;
/// Requests with one session, to a server.
const REQUESTS: u32 = 20_000;
/// People who log in at once.
const PEOPLE: u8 = 4;
const THROUGHPUT: Duration = Duration::from_secs(12);
/// Failed logins that are timed, of each of four kinds in turn.
const TIMED: usize = 100;
/// Clients that ask for letters, and how many each asks for: no more are taken from one address.
const CLIENTS: u8 = 20;
const LETTERS_EACH: u8 = 20;
/// One hash at a time, no login that waits for the clock, and none that is sent away because others
/// keep the processors busy.
const UNHELD: &str = "  hash_workers: 1\n  min_response_ms: 0\n  queue_wait: 60s\n";
const UNLIMITED: &str = "    rate_limit_max_attempts: 10000\n";
/// Letters go somewhere, and as many as are asked for.
const LETTERS: &str = "mail:\n  outbox: directory:letters\npassword_reset:\n  rate_limit: 1000\n";

const BCRYPT: Algorithm = Algorithm::Bcrypt { cost: 12 };

pub(crate) fn report(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    report_checks(out)?;
    report_requests(out)?;
    report_throughput(out)?;
    writeln!(out, "| asked, in turn | of whom | median ms | from nobody |")?;
    writeln!(out, "|---|---|---:|---:|")?;
    report_logins(out)?;
    report_letters(out)
}

/// An `Auth` that signs, and what holds it; nobody else is there.
async fn signing() -> Result<(Auth, Keeper), Box<dyn Error>> {
    let (store, hasher) = (Arc::new(MemoryAccounts::new()), Arc::new(hasher(CHEAP)?));
    let hash = hash(&hasher).await?;
    let alice = UserName::parse("alice")?;
    store.add_account(UserRecord::new(alice, StoredHash::new(hash.expose()), now())).await?;
    let settings = LoginSettings { min_response: Duration::ZERO, ..LoginSettings::default() };
    let jwt = JwtSettings {
        secret: SigningSecret::parse(&"s".repeat(32))?,
        issuer: "https://mcp.example.com".to_owned(),
        audience: "mcp-server".to_owned(),
    };
    let builder = Auth::builder(Arc::new(MemoryTokens::new()));
    Ok(builder.accounts(Accounts { store, hasher, settings }).jwt(&jwt).open().await?)
}

const CHEAP: Algorithm = Algorithm::Bcrypt { cost: 4 };

fn now() -> std::time::SystemTime {
    SystemClock.now()
}

fn hasher(algorithm: Algorithm) -> Result<Hasher, Box<dyn Error>> {
    let (workers, queue_wait) = (NonZeroUsize::MIN, Duration::from_mins(1));
    let settings = Settings { workers, queue_wait, ..Settings::new(algorithm) };
    Ok(Hasher::start(&settings, Arc::new(SystemEntropy))?)
}

async fn hash(hasher: &Hasher) -> Result<PasswordHash, Box<dyn Error>> {
    let password = Password::presented(PASSWORD.to_owned());
    Ok(hasher.hash(&Asker::new("alice", HERE), &password).await?)
}

fn report_checks(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // The keeper is on a thread of its own, and asleep while sessions are checked on this one.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (auth, keeper) = runtime.block_on(signing())?;
    let keeping = runtime.spawn(keeper.run(std::future::pending()));
    let session = |issue| runtime.block_on(log_in(&auth, issue));
    let (opaque, signed) = (session(Issue::Opaque)?, session(Issue::Configured)?);
    let [opaque, signed] = [check(&auth, &opaque)?, check(&auth, &signed)?];
    keeping.abort();
    writeln!(out, "| check of a session (`Auth::bearer`) | CPU |\n|---|---:|")?;
    writeln!(out, "| opaque | {:.2} µs |", micros(opaque))?;
    writeln!(out, "| signed (JWT) | {:.2} µs |\n", micros(signed))?;
    Ok(())
}

async fn log_in(auth: &Auth, issue: Issue) -> Result<PlainToken, Box<dyn Error>> {
    let request_id = RequestId::from_bytes([7; 16]);
    let caller = Caller { address: HERE, agent: None, request_id };
    let password = Password::presented(PASSWORD.to_owned());
    let attempt = Attempt { name: "alice".to_owned(), password, caller };
    Ok(auth.log_in_for(&attempt, issue).await?.token)
}

fn check(auth: &Auth, token: &PlainToken) -> Result<Duration, Box<dyn Error>> {
    let (now, token) = (now(), token.expose().as_bytes());
    auth.bearer(token, now)?;
    let before = cpu(std::process::id())?;
    for _ in 0..CHECKS {
        black_box(auth.bearer(black_box(token), now).is_ok());
    }
    Ok(cpu(std::process::id())?.saturating_sub(before) / CHECKS)
}

/// People of a server, with hashes of that algorithm.
fn people(installation: &Installation, algorithm: &str, names: &str) {
    installation.write_config_with_users("", &passwords(algorithm, ""));
    for number in 0..PEOPLE {
        installation.add_user(&format!("{names}-{number}"), PASSWORD);
    }
}

fn passwords(algorithm: &str, more: &str) -> String {
    format!("passwords:\n  algorithm: {algorithm}\n{more}")
}

fn report_requests(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let installation = Installation::new("");
    people(&installation, "bcrypt", "user");
    installation.write_config_with_users("", &passwords("bcrypt", UNHELD));
    let server = installation.start();
    let to = server.address();
    let session = runtime()?.block_on(session(to))?;
    let list = post(to, Some(&session), &list_request());
    let me =
        format!("GET /auth/me HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {session}\r\n\r\n");
    writeln!(out, "| one request with a session | CPU of the server |\n|---|---:|")?;
    for (name, request) in [("`tools/list`", list), ("`GET /auth/me`", me.into_bytes())] {
        let before = cpu(server.pid())?;
        // What this server does not serve is not measured.
        if runtime()?.block_on(ask_again(to, &request))? {
            let spent = cpu(server.pid())?.saturating_sub(before) / REQUESTS;
            writeln!(out, "| {name} | {:.1} µs |", micros(spent))?;
        }
    }
    writeln!(out)?;
    Ok(())
}

async fn session(to: SocketAddr) -> Result<String, Box<dyn Error>> {
    let mut connection = Connection::open(HERE, to).await?;
    let answer = connection.ask(&post(to, None, &login("user-0", PASSWORD))).await?;
    let answer: Value = serde_json::from_slice(&answer.body)?;
    let text = answer["result"]["content"][0]["text"].as_str().ok_or("no session")?;
    let said: Value = serde_json::from_str(text)?;
    Ok(said["session_token"].as_str().ok_or("no token")?.to_owned())
}

async fn ask_again(to: SocketAddr, request: &[u8]) -> Result<bool, Box<dyn Error>> {
    let mut connection = Connection::open(HERE, to).await?;
    for _ in 0..REQUESTS {
        match connection.ask(request).await?.status {
            200 => {}
            404 => return Ok(false),
            other => return Err(format!("answered with {other}").into()),
        }
    }
    Ok(true)
}

fn report_throughput(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    writeln!(out, "| logins, one hash at a time | hashes alone per s | logins per s | ratio |")?;
    writeln!(out, "|---|---:|---:|---:|")?;
    for (name, algorithm) in [("bcrypt", BCRYPT), ("argon2id", Algorithm::ARGON2ID)] {
        let installation = Installation::new("");
        people(&installation, name, "user");
        installation.write_config_with_users("", &passwords(name, UNHELD));
        let server = installation.start();
        let to = server.address();
        // The machine is shared: half of the one before the other, half after.
        let first = runtime()?.block_on(hashes_alone(algorithm))?;
        let logins = runtime()?.block_on(logins(to))?;
        let alone = f64::midpoint(first, runtime()?.block_on(hashes_alone(algorithm))?);
        writeln!(out, "| {name} | {alone:.2} | {logins:.2} | {:.2} |", logins / alone)?;
    }
    writeln!(out)?;
    Ok(())
}

/// Verifications in a second, on a thread of the same kind as the server's.
async fn hashes_alone(algorithm: Algorithm) -> Result<f64, Box<dyn Error>> {
    let hasher = hasher(algorithm)?;
    let (stored, password) = (hash(&hasher).await?, Password::presented(PASSWORD.to_owned()));
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed() < THROUGHPUT / 2 {
        let _ = hasher.verify(&Asker::new("alice", HERE), &password, Some(&stored)).await?;
        done += 1;
    }
    Ok(f64::from(done) / begin.elapsed().as_secs_f64())
}

/// Logins in a second, of people who never wait for each other but in the queue.
async fn logins(to: SocketAddr) -> Result<f64, Box<dyn Error>> {
    let begin = Instant::now();
    let mut all = JoinSet::new();
    for number in 0..PEOPLE {
        all.spawn(async move {
            let mut connection = Connection::open(HERE, to).await?;
            let request = post(to, None, &login(&format!("user-{number}"), PASSWORD));
            let mut done = 0;
            while begin.elapsed() < THROUGHPUT {
                if connection.ask(&request).await?.status != 200 {
                    return Err(std::io::Error::other("a login was sent away"));
                }
                done += 1;
            }
            Ok(done)
        });
    }
    let mut done = 0;
    while let Some(logins) = all.join_next().await {
        done += logins??;
    }
    Ok(f64::from(done) / begin.elapsed().as_secs_f64())
}

fn login(name: &str, password: &str) -> String {
    let arguments = json!({ "username": name, "password": password });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

fn report_logins(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let installation = Installation::new("");
    for algorithm in ["bcrypt", "argon2id"] {
        people(&installation, algorithm, algorithm);
    }
    installation.write_config_with_users(UNLIMITED, &passwords("argon2id", ""));
    let server = installation.start();
    let [nobody, bcrypt, argon2id] = runtime()?.block_on(failures(server.address()))?;
    let known = [("an account with bcrypt", bcrypt), ("an account with argon2id", argon2id)];
    write_times(out, "a failed login", nobody, known)
}

/// Beside the answers that people get, which none gets early, those that come as soon as they can.
fn report_letters(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let installation = Installation::new("");
    people(&installation, "bcrypt", "user");
    for number in 0..PEOPLE {
        let name = format!("user-{number}");
        let _ = installation.admin(&["users", "update", &name, "--email", &address(&name)]);
    }
    std::fs::create_dir(installation.path().join("letters"))?;
    for (asked, floor) in
        [("a letter", ""), ("a letter, without `min_response_ms`", "  min_response_ms: 0\n")]
    {
        let more = format!("{}{LETTERS}{floor}", passwords("bcrypt", ""));
        installation.write_config_with_users("", &more);
        let server = installation.start();
        let [nobody, somebody] = runtime()?.block_on(letters(server.address()))?;
        write_times(out, asked, nobody, [("an account", somebody)])?;
    }
    Ok(())
}

fn write_times<const N: usize>(
    out: &mut impl Write,
    asked: &str,
    nobody: Vec<Duration>,
    known: [(&str, Vec<Duration>); N],
) -> Result<(), Box<dyn Error>> {
    let nobody = median(nobody);
    writeln!(out, "| {asked} | nobody | {:.2} | |", millis(nobody))?;
    for (whom, times) in known {
        let known = median(times);
        let apart = 100.0 * (known.as_secs_f64() / nobody.as_secs_f64() - 1.0);
        writeln!(out, "| {asked} | {whom} | {:.2} | {apart:+.2} % |", millis(known))?;
    }
    Ok(())
}

fn address(name: &str) -> String {
    format!("{name}@example.com")
}

/// How long it takes to ask for a letter, to nobody and to somebody, in turn; some clients at once.
async fn letters(to: SocketAddr) -> Result<[Vec<Duration>; 2], Box<dyn Error>> {
    let mut times = [const { Vec::new() }; 2];
    for first in (0..CLIENTS).step_by(PEOPLE.into()) {
        let mut all = JoinSet::new();
        for client in first..first + PEOPLE {
            all.spawn(letters_of(client, to));
        }
        while let Some(asked) = all.join_next().await {
            let [nobody, somebody] = asked??;
            times[0].extend(nobody);
            times[1].extend(somebody);
        }
    }
    Ok(times)
}

async fn letters_of(client: u8, to: SocketAddr) -> std::io::Result<[Vec<Duration>; 2]> {
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 1, client));
    let mut connection = Connection::open(from, to).await?;
    let mut times = [const { Vec::new() }; 2];
    for round in 0..LETTERS_EACH / 2 {
        let number = round % PEOPLE;
        for (name, kind) in [("nobody", 0), ("user", 1)] {
            let request = forgot(to, &address(&format!("{name}-{number}")));
            let begin = Instant::now();
            let status = connection.ask(&request).await?.status;
            times[kind].push(begin.elapsed());
            if status != 200 {
                return Err(std::io::Error::other(format!("answered with {status}")));
            }
        }
    }
    Ok(times)
}

fn forgot(to: SocketAddr, email: &str) -> Vec<u8> {
    let body = json!({ "email": email }).to_string();
    let length = body.len();
    format!(
        "POST /auth/email/forgot-password HTTP/1.1\r\nHost: {to}\r\nContent-Type: \
         application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// How long wrong passwords take, of nobody and of both kinds of accounts, in turn.
async fn failures(to: SocketAddr) -> Result<[Vec<Duration>; 3], Box<dyn Error>> {
    let mut connection = Connection::open(HERE, to).await?;
    let mut times = [const { Vec::new() }; 3];
    for round in 0..TIMED {
        let number = round % usize::from(PEOPLE);
        let names = ["nobody", "bcrypt", "nobody", "argon2id"];
        for (name, kind) in names.into_iter().zip([0, 1, 0, 2]) {
            let request = post(to, None, &login(&format!("{name}-{number}"), &format!("W{round}")));
            let begin = Instant::now();
            let status = connection.ask(&request).await?.status;
            times[kind].push(begin.elapsed());
            if status != 200 {
                return Err(format!("answered with {status}").into());
            }
        }
    }
    Ok(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
