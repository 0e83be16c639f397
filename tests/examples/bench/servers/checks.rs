//! What the check of a session or a token costs, with the store of many servers behind.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use mcp_auth::{Accounts, Auth, Keeper, LoginSettings};
use mcp_connect::Target;
use mcp_identity::{Caller, Clock as _, RequestId, SystemClock, SystemEntropy};
use mcp_password::{Algorithm, Hasher, Settings};
use mcp_store_postgres::{PostgresKeeper, PostgresSettings, PostgresStore};
use tokio::runtime::Builder;

use super::crowd::Crowd;
use crate::micros;
use crate::process::cpu;

/// Checks of each kind, each of another credential as long as there are some.
const CHECKS: u32 = 1_000_000;
/// The steps in which sessions are gone through: without a factor in common with their number,
/// and far enough that no check finds what the one before it left in the processor's cache.
const STRIDE: u64 = 99_991;

pub(super) fn report(out: &mut impl Write, crowd: &Crowd) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // Held, not run: nothing changes, and nobody is put out.
    let (auth, _keeper, _store) = runtime.block_on(open(crowd))?;
    let number = |count: u32| u64::from(count) * STRIDE % u64::from(crowd.sessions());
    let sessions: Vec<_> =
        (0..CHECKS).map(|count| format!("session-{}", number(count)).into_bytes()).collect();
    let unknown: Vec<_> = (0..CHECKS).map(|count| format!("nobody-{count}").into_bytes()).collect();
    let token = vec![crowd.token.clone().into_bytes(); 1];
    let request_id = RequestId::from_bytes([7; 16]);
    let caller = Caller { address: Ipv4Addr::LOCALHOST.into(), agent: None, request_id };
    let now = SystemClock.now();
    let bearer = |presented: &[u8]| auth.bearer(presented, now).is_ok();
    let admit = |presented: &[u8]| auth.admit(presented, &caller, now).is_ok();
    writeln!(
        out,
        "| check with {} sessions | alone (`Auth::bearer`) | at the door (`Auth::admit`) |",
        crowd.sessions()
    )?;
    writeln!(out, "|---|---:|---:|")?;
    for (name, presented, good) in [
        ("of a session", &sessions, true),
        ("of a token", &token, true),
        ("of nobody's", &unknown, false),
    ] {
        let alone = micros(check(presented, good, bearer)?);
        let door = micros(check(presented, good, admit)?);
        writeln!(out, "| {name} | {alone:.2} µs | {door:.2} µs |")?;
    }
    writeln!(out)?;
    Ok(())
}

async fn open(crowd: &Crowd) -> Result<(Auth, Keeper, PostgresKeeper), Box<dyn Error>> {
    let target = Target::parse(&crowd.dsn())?;
    let (store, store_keeper) =
        Box::pin(PostgresStore::open(target, PostgresSettings::default())).await?;
    let hashing =
        Settings { workers: NonZeroUsize::MIN, ..Settings::new(Algorithm::Bcrypt { cost: 4 }) };
    let hasher = Arc::new(Hasher::start(&hashing, Arc::new(SystemEntropy))?);
    let settings = LoginSettings::default();
    let attempts = Arc::new(store.attempts(settings.attempt_limits()));
    let store = Arc::new(store);
    let builder = Auth::builder(Arc::clone(&store) as _).attempts(attempts);
    let (auth, keeper) = builder.accounts(Accounts { store, hasher, settings }).open().await?;
    Ok((auth, keeper, store_keeper))
}

/// The time on a processor of one of so many checks.
fn check(
    presented: &[Vec<u8>],
    good: bool,
    is_good: impl Fn(&[u8]) -> bool,
) -> Result<Duration, Box<dyn Error>> {
    let count = usize::try_from(CHECKS)?;
    // The first use of each is told the audit log once; that is not what is measured.
    let right = presented.iter().filter(|one| is_good(one) == good).count();
    if right < presented.len() {
        return Err(format!("{right} of {} checks came out right", presented.len()).into());
    }
    let before = cpu(std::process::id())?;
    for one in presented.iter().cycle().take(count) {
        black_box(is_good(black_box(one)));
    }
    Ok(cpu(std::process::id())?.saturating_sub(before) / CHECKS)
}
