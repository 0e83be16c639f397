//! The server and the bare one beside it, in one run on one machine.
//!
//! Both answer the same bytes to the same load (`wrk`, one thread). Each pair of rows is measured
//! one right after the other, three times in turn, and the median run is shown: the ratio of a
//! pair says more than either number.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Installation, Request, binary};

use crate::millis;
use crate::process::resident;
use crate::wrk::{Figures, Target, measure, script};

/// How long each measurement runs.
const SECONDS: u32 = 3;
const ROUNDS: usize = 3;
const QUERY: &str = "SELECT id FROM bench WHERE id = 7";

/// The bare server.
pub(crate) struct Bare {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Bare {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn report(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let installation = Installation::new(
        "CREATE TABLE bench (id int PRIMARY KEY); INSERT INTO bench SELECT generate_series(1, 100);",
    );
    let cold = cold_start(&installation);
    let server = installation.start();
    let address = server.address();
    let rss = resident(server.pid())?;
    let ordinary = start_bare(&installation, address, "ordinary")?;
    let typed = start_bare(&installation, address, "typed")?;
    writeln!(out, "| figure | value |\n|---|---|")?;
    writeln!(out, "| cold start to the first answer | {:.0} ms |", millis(cold))?;
    writeln!(out, "| idle RSS | {rss:.1} MiB |\n")?;
    writeln!(
        out,
        "| load | connections | server | requests/s | ratio | p50 ms | p99 ms | CPU ms per 1,000 |"
    )?;
    writeln!(out, "|---|---:|---|---:|---:|---:|---:|---:|")?;
    for (load, body, bare, name) in [
        ("tools/list", list_request(), &ordinary, "bare"),
        ("one-row query", query_request(), &ordinary, "bare"),
        ("one-row query", query_request(), &typed, "bare, typed"),
    ] {
        check_equal(&installation, &body, address, bare.address)?;
        let script = script(&installation, "load", &body)?;
        let product = Target { url: endpoint(address), pid: server.pid(), script: script.clone() };
        let bare = Target { url: endpoint(bare.address), pid: bare.pid(), script };
        for connections in [1, 16, 64] {
            let pair = measure_pair(&product, &bare, connections)?;
            write_pair(out, (load, name), connections, pair)?;
        }
    }
    Ok(())
}

fn write_pair(
    out: &mut impl Write,
    (load, yardstick): (&str, &str),
    connections: u32,
    (product, bare): (Figures, Figures),
) -> std::io::Result<()> {
    for (name, figures) in [("mcp-server", product), (yardstick, bare)] {
        writeln!(
            out,
            "| {load} | {connections} | {name} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} |",
            figures.requests_per_second,
            figures.requests_per_second / bare.requests_per_second,
            millis(figures.p50),
            millis(figures.p99),
            millis(figures.cpu),
        )?;
    }
    Ok(())
}

/// From the start of the process to its first answered query.
fn cold_start(installation: &Installation) -> Duration {
    let start = Instant::now();
    let server = installation.start();
    let (_, failed) = installation.query(server.address(), QUERY);
    assert!(!failed, "the first query is answered");
    start.elapsed()
}

/// What costs a server least.
pub(crate) fn list_request() -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} }).to_string()
}

fn query_request() -> String {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "query_database", "arguments": { "query": QUERY } },
    })
    .to_string()
}

fn list_answer(installation: &Installation, to: SocketAddr) -> Result<String, Box<dyn Error>> {
    let response = Request::raw_mcp(&list_request()).bearer(installation.token()).send(to);
    let path = installation.path().join("list.json");
    fs::write(&path, &response.body)?;
    Ok(path.to_string_lossy().into_owned())
}

/// Starts one that lists the same tools as the server at that address.
pub(crate) fn start_bare(
    installation: &Installation,
    listed_by: SocketAddr,
    way: &str,
) -> Result<Bare, Box<dyn Error>> {
    let list = list_answer(installation, listed_by)?;
    let dsn = installation.postgres().dsn_as("agent", "shop");
    let mut child = Command::new(binary("examples/bare_server"))
        .args([installation.token(), &dsn, &list, way])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let address = line.trim().parse()?;
    Ok(Bare { child, address })
}

/// Where this server and the bare one are asked.
pub(crate) fn endpoint(address: SocketAddr) -> String {
    format!("http://{address}/mcp/v1")
}

/// Two servers that answer different bytes are not compared.
pub(crate) fn check_equal(
    installation: &Installation,
    body: &str,
    product: SocketAddr,
    bare: SocketAddr,
) -> Result<(), Box<dyn Error>> {
    let ask = |to| Request::raw_mcp(body).bearer(installation.token()).send(to);
    let (product, bare) = (ask(product), ask(bare));
    if product.body == bare.body {
        return Ok(());
    }
    Err(format!("the answers differ:\n{}\n{}", product.text(), bare.text()).into())
}

type Pair = (Figures, Figures);

fn measure_pair(product: &Target, bare: &Target, connections: u32) -> Result<Pair, Box<dyn Error>> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let product = measure(product, connections, SECONDS)?;
        rounds.push((product, measure(bare, connections, SECONDS)?));
    }
    let ratio = |pair: &Pair| pair.0.requests_per_second / pair.1.requests_per_second;
    rounds.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    Ok(rounds[ROUNDS / 2])
}
