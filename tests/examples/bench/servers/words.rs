//! How long a session that was ended at one server is good at another.

use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use support::ServerProcess;

use super::crowd::Crowd;
use crate::connection::{Connection, post};
use crate::load::list_request;
use crate::millis;
use crate::probe::{Latencies, runtime};

const SESSIONS: u32 = 300;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Far more than any bound: then it is not heard of at all.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn report(
    out: &mut impl Write,
    crowd: &Crowd,
    servers: &[ServerProcess; 3],
) -> Result<(), Box<dyn Error>> {
    let [here, _, there] = servers.each_ref().map(ServerProcess::address);
    let times = runtime()?.block_on(end_sessions(here, there))?;
    writeln!(
        out,
        "| logged out at one of three servers, at {} sessions | p50 ms | p99 ms | longest ms |",
        crowd.sessions()
    )?;
    writeln!(out, "|---|---:|---:|---:|")?;
    let [p50, p99] = [500, 990].map(|share| millis(times.per_mille(share)));
    let longest = millis(times.longest());
    writeln!(
        out,
        "| refused at another, after the answer ({SESSIONS}) | {p50:.2} | {p99:.2} | {longest:.2} |"
    )?;
    Ok(())
}

async fn end_sessions(here: SocketAddr, there: SocketAddr) -> Result<Latencies, Box<dyn Error>> {
    let mut at_one = Connection::open(HERE, here).await?;
    let mut at_other = Connection::open(HERE, there).await?;
    let mut times = Vec::new();
    for number in 0..SESSIONS {
        let session = Crowd::session(number);
        let list = post(there, Some(&session), &list_request());
        expect(at_other.ask(&list).await?.status, &[200])?;
        let logout = format!(
            "POST /auth/logout HTTP/1.1\r\nHost: {here}\r\nAuthorization: Bearer {session}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        expect(at_one.ask(logout.as_bytes()).await?.status, &[200])?;
        times.push(until_refused(&mut at_other, &list).await?);
    }
    Ok(Latencies::of(times))
}

/// From now until an answer refuses.
async fn until_refused(
    connection: &mut Connection,
    request: &[u8],
) -> Result<Duration, Box<dyn Error>> {
    let begin = Instant::now();
    loop {
        let status = connection.ask(request).await?.status;
        if status == 401 {
            return Ok(begin.elapsed());
        }
        expect(status, &[200])?;
        if begin.elapsed() > PATIENCE {
            return Err("a session is good that was ended elsewhere".into());
        }
    }
}

fn expect(status: u16, good: &[u16]) -> Result<(), Box<dyn Error>> {
    if good.contains(&status) { Ok(()) } else { Err(format!("answered with {status}").into()) }
}
