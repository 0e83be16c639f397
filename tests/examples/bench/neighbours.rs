//! What the work of one principal leaves to another, what its first request takes, and how much
//! memory a large result does.

use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::json;
use support::{Installation, ServerProcess, query_message};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::{Connection, Streamed, post};
use crate::load::start_bare;
use crate::millis;
use crate::probe::{Latencies, Probe, Seen, runtime};
use crate::process::{forget_peak, peak, resident};

/// How long a neighbour is asked, alone and beside somebody who works, in each round.
const QUIET: Duration = Duration::from_secs(2);
const BUSY: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
/// Principals whose first request is measured.
const NEWCOMERS: usize = 40;
/// Connections on which somebody works: more than a principal has to PostgreSQL.
const WORKERS: usize = 6;

const ONE_ROW: &str = "SELECT id FROM bench WHERE id = 7";
const FIXTURE: &str = "CREATE TABLE bench (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO bench SELECT n, 'customer number ' || n FROM generate_series(1, 10000) AS n;
    ANALYZE bench;
    CREATE FUNCTION slow() RETURNS int LANGUAGE plpgsql VOLATILE AS
        $$ BEGIN PERFORM pg_sleep(0.3); RETURN 1; END $$;";

/// Somebody who works, again and again, while a neighbour asks for one row.
struct Work {
    name: &'static str,
    database: &'static str,
    arguments: serde_json::Value,
}

/// The installation, with two more databases: one that is slow, and one that does not answer.
struct Street {
    installation: Installation,
    server: ServerProcess,
    /// Whoever connects there waits: nobody accepts.
    _dead: TcpListener,
}

pub(crate) fn report(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let street = Street::build()?;
    report_first_requests(out, &street)?;
    report_memory(out, &street)?;
    report_neighbours(out, &street)
}

impl Street {
    fn build() -> Result<Self, Box<dyn Error>> {
        let installation = Installation::new(FIXTURE);
        let dead = TcpListener::bind("127.0.0.1:0")?;
        let postgres = installation.postgres();
        installation.write_config(&format!(
            "    max_rows: 1000000\n    max_result_bytes: 1GiB\n  - name: slow\n    host: {}\n    \
             port: {}\n    database: shop\n    user: agent\n  - name: dead\n    url: \
             \"postgresql://agent@{}/shop?sslmode=disable&connect_timeout=2\"\n",
            postgres.socket_dir().display(),
            postgres.port(),
            dead.local_addr()?,
        ));
        let server = installation.start();
        Ok(Self { installation, server, _dead: dead })
    }

    fn to(&self) -> SocketAddr {
        self.server.address()
    }

    /// A token for that database which the server knows already.
    fn token(&self, database: &str) -> Result<String, Box<dyn Error>> {
        let token = self.installation.add_token(&["--database", database]);
        let to = self.to();
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let is_known = || {
            let asked = support::Request::mcp(&list).bearer(&token).send(to);
            asked.status == 200
        };
        if support::eventually(is_known) { Ok(token) } else { Err("the token is not taken".into()) }
    }
}

fn report_first_requests(out: &mut impl Write, street: &Street) -> Result<(), Box<dyn Error>> {
    let mut tokens = Vec::new();
    for _ in 0..NEWCOMERS {
        tokens.push(street.token("shop")?);
    }
    let (first, second) = runtime()?.block_on(first_requests(street.to(), &tokens))?;
    let (first, second) = (Latencies::of(first), Latencies::of(second));
    writeln!(
        out,
        "| {NEWCOMERS} principals, one after the other | p50 ms | longest ms | aim ms |"
    )?;
    writeln!(out, "|---|---:|---:|---:|")?;
    for (name, seen, aim) in
        [("first request, empty pool", first, "15"), ("second request", second, "–")]
    {
        let (half, longest) = (millis(seen.per_mille(500)), millis(seen.longest()));
        writeln!(out, "| {name} | {half:.2} | {longest:.2} | {aim} |")?;
    }
    writeln!(out)?;
    Ok(())
}

type Times = Vec<Duration>;

async fn first_requests(to: SocketAddr, tokens: &[String]) -> std::io::Result<(Times, Times)> {
    let body = query_message(&json!({ "query": ONE_ROW })).to_string();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for token in tokens {
        let mut connection = Connection::open(Ipv4Addr::LOCALHOST.into(), to).await?;
        let request = post(to, Some(token), &body);
        for times in [&mut first, &mut second] {
            let begin = Instant::now();
            let answer = connection.ask(&request).await?;
            times.push(begin.elapsed());
            if !answer.body.windows(5).any(|at| at == b"1 row") {
                return Err(std::io::Error::other("no row"));
            }
        }
    }
    Ok((first, second))
}

fn report_memory(out: &mut impl Write, street: &Street) -> Result<(), Box<dyn Error>> {
    let token = street.token("shop")?;
    writeln!(out, "| rows | format | MiB | RSS growth MiB | aim | first byte ms | last byte ms |")?;
    writeln!(out, "|---:|---|---:|---:|---:|---:|---:|")?;
    for (rows, aim) in [(10_000, 4), (1_000_000, 16)] {
        for format in ["tsv", "json"] {
            // The connection to PostgreSQL is there, and everything has been paged in once.
            fetch(street, &token, 2_000, format)?;
            let held = resident(street.server.pid())?;
            forget_peak(street.server.pid())?;
            let streamed = fetch(street, &token, rows, format)?;
            let growth = peak(street.server.pid())? - held;
            let mebibytes = f64::from(u32::try_from(streamed.bytes)?) / f64::from(1 << 20);
            writeln!(
                out,
                "| {rows} | {format} | {mebibytes:.1} | {growth:.1} | {aim} | {:.2} | {:.2} |",
                millis(streamed.first),
                millis(streamed.last),
            )?;
        }
    }
    writeln!(out)?;
    Ok(())
}

/// Fetches so many rows, and sees to it that they were all sent.
fn fetch(
    street: &Street,
    token: &str,
    rows: u32,
    format: &str,
) -> Result<Streamed, Box<dyn Error>> {
    let query = format!(
        "SELECT n AS id, 'customer number ' || n AS name, now() AS seen, n / 7.0 AS share \
         FROM generate_series(1, {rows}) AS n"
    );
    let arguments = json!({ "query": query, "limit": rows, "format": format });
    let to = street.to();
    let request = post(to, Some(token), &query_message(&arguments).to_string());
    let streamed = runtime()?.block_on(async {
        let mut connection = Connection::open(Ipv4Addr::LOCALHOST.into(), to).await?;
        connection.ask_for_stream(&request).await
    })?;
    let end = String::from_utf8_lossy(&streamed.end).into_owned();
    if end.contains(&format!("-- {rows} rows of")) { Ok(streamed) } else { Err(end.into()) }
}

fn report_neighbours(out: &mut impl Write, street: &Street) -> Result<(), Box<dyn Error>> {
    let list = json!({ "query": "SELECT id, name FROM bench", "limit": 10_000 });
    let works = [
        Work { name: "10,000 rows each, same database", database: "shop", arguments: list },
        Work {
            name: "a slow database, 300 ms each",
            database: "slow",
            arguments: json!({ "query": "SELECT slow()" }),
        },
        Work {
            name: "a dead database",
            database: "dead",
            arguments: json!({ "query": "SELECT 1" }),
        },
    ];
    let bare = start_bare(&street.installation, street.to(), "ordinary")?;
    let body = query_message(&json!({ "query": ONE_ROW })).to_string();
    let probe = Probe::asking(street.to(), bare.address, street.installation.token(), &body);
    writeln!(
        out,
        "| neighbour's work | its answers | p99 alone ms | p99 beside ms | ratio | control: alone \
         | beside | ratio |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
    for work in &works {
        let (answers, alone, beside) = watch(street, &probe, work)?;
        let p99 = |seen: &Latencies| millis(seen.per_mille(990));
        let ratio = |alone: &Latencies, beside: &Latencies| p99(beside) / p99(alone);
        writeln!(
            out,
            "| {} | {answers} | {:.2} | {:.2} | {:.1} | {:.2} | {:.2} | {:.1} |",
            work.name,
            p99(&alone.server),
            p99(&beside.server),
            ratio(&alone.server, &beside.server),
            p99(&alone.control),
            p99(&beside.control),
            ratio(&alone.control, &beside.control),
        )?;
    }
    Ok(())
}

fn watch(
    street: &Street,
    probe: &Probe,
    work: &Work,
) -> Result<(usize, Seen, Seen), Box<dyn Error>> {
    let token = street.token(work.database)?;
    let request = post(street.to(), Some(&token), &query_message(&work.arguments).to_string());
    let (mut answers, mut alone, mut beside) = (0, Seen::default(), Seen::default());
    for _ in 0..ROUNDS {
        alone = alone.and(probe.ask_for(QUIET)?);
        let working = || runtime()?.block_on(work_on(street.to(), &request));
        let (answered, seen) = probe.ask_while(working)?;
        answers += answered;
        beside = beside.and(seen);
    }
    Ok((answers, alone, beside))
}

/// Works on several connections until the end. How many answers came.
async fn work_on(to: SocketAddr, request: &[u8]) -> Result<usize, Box<dyn Error>> {
    let end = Instant::now() + BUSY;
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let request = request.to_vec();
        workers.spawn(async move {
            let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let mut connection = Connection::open(from, to).await?;
            let mut answers = 0;
            while Instant::now() < end {
                connection.ask(&request).await?;
                answers += 1;
            }
            std::io::Result::Ok(answers)
        });
    }
    let mut all = 0;
    while let Some(answers) = workers.join_next().await {
        all += answers??;
    }
    Ok(all)
}
