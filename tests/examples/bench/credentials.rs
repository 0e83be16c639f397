//! A hundred thousand tokens: what the check of one costs, what loading them takes, and what a
//! reload does to requests that come meanwhile.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_auth::{Auth, Keeper};
use mcp_identity::{
    Caller, Clock as _, PlainToken, RequestId, SystemClock, SystemEntropy, TokenHash,
};
use mcp_store_file::{TokenFile, UserFile};
use support::{Installation, ServerProcess};

use crate::load::start_bare;
use crate::probe::{Latencies, Probe, Seen, pause, runtime};
use crate::process::{cpu, forget_peak, peak, resident};
use crate::{micros, millis};

const TOKENS: usize = 100_000;
/// Of all tokens, in the measurement of a check.
const ROUNDS: u32 = 30;
/// Rounds of a quiet server and of one that reloads, in turn.
const RELOADS: usize = 9;
/// How much longer the probe asks a quiet server: about as long as a reload takes.
const QUIET: Duration = Duration::from_secs(1);
/// How long it asks before a change of the file, and after word of the reload.
const AROUND: Duration = Duration::from_secs(1);
/// How long a reload may take until it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn report(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let installation = Installation::new("");
    let tokens = fill(&installation.token_file())?;
    report_checks(out, &installation.token_file(), &tokens)?;
    report_loading(out, &installation)?;
    report_users(out)?;
    report_reloads(out, &installation)
}

/// Adds tokens to the file until there are as many as are measured with. The tokens.
fn fill(path: &Path) -> Result<Vec<PlainToken>, Box<dyn Error>> {
    let mut text = fs::read_to_string(path)?;
    let mut tokens = Vec::with_capacity(TOKENS);
    for number in 1..TOKENS {
        let token = PlainToken::generate(&SystemEntropy)?;
        writeln!(
            text,
            "  - id: token-{:010}\n    hash: {}\n    note: The agent of team {number:06}, production\n    \
             created_at: \"2025-10-30T10:15:30Z\"\n    expires_at: null",
            1_761_819_330 + number,
            TokenHash::of(&token).to_hex(),
        )?;
        tokens.push(token);
    }
    fs::write(path, text)?;
    Ok(tokens)
}

fn report_checks(
    out: &mut impl Write,
    path: &Path,
    good: &[PlainToken],
) -> Result<(), Box<dyn Error>> {
    let bad = (0..good.len()).map(|_| PlainToken::generate(&SystemEntropy));
    let bad = bad.collect::<Result<Vec<_>, _>>()?;
    // Held, not run: nothing changes, and nobody is put out.
    let (auth, _keeper): (Auth, Keeper) =
        runtime()?.block_on(Auth::builder(Arc::new(TokenFile::open(path))).open())?;
    let request_id = RequestId::from_bytes([7; 16]);
    let caller = Caller { address: Ipv4Addr::LOCALHOST.into(), agent: None, request_id };
    let now = SystemClock.now();
    let bearer = |token: &[u8]| auth.bearer(token, now).is_ok();
    let admit = |token: &[u8]| auth.admit(token, &caller, now).is_ok();
    writeln!(out, "| check of one token among {TOKENS} | good | bad |\n|---|---:|---:|")?;
    for (name, [good, bad]) in [
        ("alone (`Auth::bearer`)", [check(good, bearer)?, check(&bad, bearer)?]),
        ("at the door (`Auth::admit`)", [check(good, admit)?, check(&bad, admit)?]),
    ] {
        let (good, bad) = (micros(good), micros(bad));
        writeln!(out, "| {name} | {good:.2} µs | {bad:.2} µs |")?;
    }
    writeln!(out)?;
    Ok(())
}

/// The time on a processor that the check of one token takes, over all of them.
fn check(
    tokens: &[PlainToken],
    is_good: impl Fn(&[u8]) -> bool,
) -> Result<Duration, Box<dyn Error>> {
    let before = cpu(std::process::id())?;
    let mut checked = 0;
    for _ in 0..ROUNDS {
        for token in tokens {
            black_box(is_good(black_box(token.expose().as_bytes())));
            checked += 1;
        }
    }
    Ok(cpu(std::process::id())?.saturating_sub(before) / checked)
}

fn report_loading(out: &mut impl Write, installation: &Installation) -> Result<(), Box<dyn Error>> {
    let path = installation.token_file();
    let size = fs::metadata(&path)?.len() / 1024;
    let file = TokenFile::open(&path);
    let (begin, before) = (Instant::now(), cpu(std::process::id())?);
    let read = file.read()?.len();
    let (time, used) = (begin.elapsed(), cpu(std::process::id())?.saturating_sub(before));
    let begin = Instant::now();
    let server = installation.start();
    let _ = server.address();
    let started = begin.elapsed();
    let size = f64::from(u32::try_from(size)?) / 1024.0;
    writeln!(out, "| {read} tokens, {size:.1} MiB | value |\n|---|---:|")?;
    writeln!(out, "| reading the file once | {:.0} ms |", millis(time))?;
    writeln!(out, "| CPU of that | {:.0} ms |", millis(used))?;
    writeln!(out, "| start of the server, until it listens | {:.0} ms |", millis(started))?;
    writeln!(out, "| CPU of that | {:.0} ms |", millis(cpu(server.pid())?))?;
    writeln!(out, "| peak RSS of that | {:.0} MiB |", peak(server.pid())?)?;
    writeln!(out, "| RSS after it | {:.0} MiB |\n", resident(server.pid())?)?;
    Ok(())
}

/// As many accounts, for comparison: their hashes are read and not computed.
fn report_users(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let installation = Installation::new("");
    installation.write_config_with_users("", "");
    installation.add_user("first", "Thunderstorm Warning 7");
    let path = installation.path().join("users.yaml");
    let kept = UserFile::open(&path).read()?;
    let hash = kept.first().ok_or("no account")?.record.password.expose().to_owned();
    let mut text = fs::read_to_string(&path)?;
    for number in 1..TOKENS {
        writeln!(
            text,
            "  user-{number:06}:\n    username: user-{number:06}\n    password_hash: {hash}\n    \
             created_at: \"2025-10-30T10:15:30Z\"\n    annotation: Of team {number:06}\n    \
             enabled: true"
        )?;
    }
    fs::write(&path, text)?;
    let before = cpu(std::process::id())?;
    let read = UserFile::open(&path).read()?.len();
    let used = cpu(std::process::id())?.saturating_sub(before);
    let server = installation.start();
    let _ = server.address();
    writeln!(out, "| {read} accounts | value |\n|---|---:|")?;
    writeln!(out, "| CPU of reading the file once | {:.0} ms |", millis(used))?;
    writeln!(out, "| CPU of the start of the server | {:.0} ms |", millis(cpu(server.pid())?))?;
    writeln!(out, "| RSS after it | {:.0} MiB |\n", resident(server.pid())?)?;
    Ok(())
}

fn report_reloads(out: &mut impl Write, installation: &Installation) -> Result<(), Box<dyn Error>> {
    let server = installation.start();
    let bare = start_bare(installation, server.address(), "ordinary")?;
    let probe = Probe::new(server.address(), bare.address, installation.token());
    forget_peak(server.pid())?;
    let (mut quiet, mut reloads) = (Vec::new(), Vec::new());
    for _ in 0..RELOADS {
        quiet.push(probe.ask_for(AROUND + QUIET + AROUND)?);
        reloads.push(around(installation, &server, &probe)?);
    }
    writeln!(
        out,
        "| meanwhile | asked | p50 ms | p99 ms | p99.9 ms | longest of a round ms: least | median \
         | most |"
    )?;
    writeln!(out, "|---|---|---:|---:|---:|---:|---:|---:|")?;
    for (name, rounds) in [("nothing", quiet), ("a reload", reloads)] {
        let (server, control): (Vec<_>, Vec<_>) =
            rounds.into_iter().map(|seen| (seen.server, seen.control)).unzip();
        write_rounds(out, (name, "mcp-server"), server)?;
        write_rounds(out, (name, "control"), control)?;
    }
    writeln!(out, "\nPeak RSS of the server in these reloads: {:.0} MiB.", peak(server.pid())?)?;
    Ok(())
}

fn write_rounds(
    out: &mut impl Write,
    (meanwhile, asked): (&str, &str),
    rounds: Vec<Latencies>,
) -> Result<(), Box<dyn Error>> {
    let mut longest: Vec<_> = rounds.iter().map(Latencies::longest).collect();
    longest.sort_unstable();
    let all = rounds.into_iter().fold(Latencies::default(), Latencies::and);
    write!(out, "| {meanwhile} | {asked} |")?;
    let shares = [500, 990, 999].map(|share| all.per_mille(share));
    let rounds = [longest[0], longest[RELOADS / 2], longest[RELOADS - 1]];
    for time in shares.into_iter().chain(rounds) {
        write!(out, " {:.2} |", millis(time))?;
    }
    writeln!(out)?;
    Ok(())
}

/// What the probe sees around one reload: the file is replaced by another that was made before.
fn around(
    installation: &Installation,
    server: &ServerProcess,
    probe: &Probe,
) -> Result<Seen, Box<dyn Error>> {
    let reloads = || server.log().matches("[AUTH] Reloaded").count();
    let (before, other) = (reloads(), prepare(installation)?);
    let ((), seen) = probe.ask_while(|| {
        pause(AROUND);
        fs::rename(&other, installation.token_file())?;
        let begin = Instant::now();
        while reloads() == before {
            if begin.elapsed() > PATIENCE {
                return Err(format!("no reload in time:\n{}", server.log()).into());
            }
            pause(Duration::from_millis(5));
        }
        pause(AROUND);
        Ok(())
    })?;
    Ok(seen)
}

/// Another file with a token fewer, so that there is something to reload.
fn prepare(installation: &Installation) -> Result<PathBuf, Box<dyn Error>> {
    let path = installation.path().join("other.yaml");
    // The copy has the mode of the file.
    fs::copy(installation.token_file(), &path)?;
    let text = fs::read_to_string(&path)?;
    let (rest, _) = text.rsplit_once("  - id:").ok_or("a file without tokens")?;
    fs::write(&path, rest)?;
    Ok(path)
}
