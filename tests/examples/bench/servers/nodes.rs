//! What requests with a token cost one server, and three on the same store.

use std::error::Error;
use std::io::Write;
use std::thread;
use std::time::Duration;

use support::ServerProcess;

use super::crowd::Crowd;
use super::median;
use crate::load::{endpoint, list_request};
use crate::micros;
use crate::wrk::{Figures, Target, measure, script_of};

const ROUNDS: usize = 3;
const SECONDS: u32 = 3;
/// To all servers together.
const CONNECTIONS: u32 = 48;

pub(super) fn report(
    out: &mut impl Write,
    crowd: &Crowd,
    servers: &[ServerProcess; 3],
) -> Result<(), Box<dyn Error>> {
    let script = script_of(&crowd.installation, "list", &crowd.token, &list_request())?;
    let target = |server: &ServerProcess| Target {
        url: endpoint(server.address()),
        pid: server.pid(),
        script: script.clone(),
    };
    let targets = servers.each_ref().map(target);
    let (mut one, mut three, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let alone = together(&targets[..1])?;
        let shared = together(&targets)?;
        one.push(alone);
        three.push(shared);
        ratios.push(3.0 * alone.as_secs_f64() / shared.as_secs_f64());
    }
    let [one, three] = [one, three].map(|mut times| median(&mut times).unwrap_or_default());
    writeln!(out, "| `tools/list` with a token | CPU of the servers per request |\n|---|---:|")?;
    writeln!(out, "| one server | {:.1} µs |", micros(one))?;
    writeln!(out, "| three servers | {:.1} µs |", micros(three))?;
    let ratio = median(&mut ratios).unwrap_or_default();
    writeln!(
        out,
        "| three servers with three times the CPU, to one | {ratio:.2} times the requests |\n"
    )?;
    Ok(())
}

/// The CPU time of all of them for one request, asked at the same time.
fn together(targets: &[Target]) -> Result<Duration, Box<dyn Error>> {
    let connections = CONNECTIONS / u32::try_from(targets.len())?;
    let ask =
        |target: &Target| measure(target, connections, SECONDS).map_err(|error| error.to_string());
    let asked: Vec<Result<Figures, String>> = thread::scope(|scope| {
        let asking: Vec<_> =
            targets.iter().map(|target| scope.spawn(move || ask(target))).collect();
        let panicked = |_| Err("wrk could not be run".to_owned());
        asking.into_iter().map(|asking| asking.join().unwrap_or_else(panicked)).collect()
    });
    let (mut requests, mut used) = (0.0, Duration::ZERO);
    for figures in asked {
        let figures = figures?;
        requests += figures.requests_per_second;
        // Of a thousand requests each.
        used += figures.cpu.mul_f64(figures.requests_per_second / 1000.0);
    }
    Ok(used.div_f64(requests))
}
