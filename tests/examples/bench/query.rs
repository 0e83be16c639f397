//! What one query costs: the server with authentication, limits and audit on, beside bare servers
//! and beside other people's, all in one run.
//!
//! The servers take turns; what is shown is the median of the rounds, and each ratio is that of two
//! neighbours in the same round.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::Write;

use support::{Installation, query_message};

use crate::load::{Bare, check_equal, endpoint, list_request, start_bare};
use crate::micros;
use crate::millis;
use crate::peers::{Peer, start_all};
use crate::wrk::{Figures, Target, measure, renew, script};

const CONNECTIONS: u32 = 16;
const SECONDS: u32 = 2;
const ROUNDS: usize = 7;

/// What is asked, and what is aimed at: for each kind of other server, the least ratio to it.
struct Load {
    name: &'static str,
    /// `None`: `tools/list`.
    sql: Option<&'static str>,
    /// Whether each request is another text: `id = 7` with something behind it.
    renewed: bool,
    aims: &'static [(&'static str, f64)],
}

const ONE_ROW: &str = "SELECT id FROM bench WHERE id = 7";

const LOADS: [Load; 4] = [
    Load { name: "tools/list", sql: None, renewed: false, aims: &[] },
    Load {
        name: "one row",
        sql: Some(ONE_ROW),
        renewed: false,
        aims: &[(TRANSACTION, 1.1), (ALONE, 0.8), ("toolbox", 2.5), ("mcp-postgres", 1.0)],
    },
    Load { name: "one row, another text each time", sql: Some(ONE_ROW), renewed: true, aims: &[] },
    Load {
        name: "100 rows",
        sql: Some("SELECT id, name FROM bench"),
        renewed: false,
        aims: &[(TRANSACTION, 0.9), ("toolbox", 4.0)],
    },
];

const TRANSACTION: &str = "bare, BEGIN READ ONLY";
const ALONE: &str = "bare, no transaction";

/// What a bare server is started as, and called.
const BARE: [(&str, &str); 4] = [
    ("ordinary", TRANSACTION),
    ("alone", ALONE),
    ("typed", "bare, BEGIN READ ONLY, typed"),
    ("alone-typed", "bare, no transaction, typed"),
];

const FIXTURE: &str = "CREATE TABLE bench (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO bench SELECT n, 'customer number ' || n FROM generate_series(1, 100) AS n;
    ANALYZE bench;";

/// One server, in all rounds of one load.
struct Measured {
    name: &'static str,
    rounds: Vec<Figures>,
}

pub(crate) fn report(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let installation = Installation::new(FIXTURE);
    let server = installation.start();
    let address = server.address();
    let mut bare = Vec::new();
    for (way, name) in BARE {
        bare.push((name, start_bare(&installation, address, way)?));
    }
    let (peers, missing) = start_all(&installation)?;
    writeln!(
        out,
        "| load | server | requests/s | mcp-server to it | aim | p50 ms | p99 ms | CPU µs | mcp-server's above |"
    )?;
    writeln!(out, "|---|---|---:|---:|---:|---:|---:|---:|---:|")?;
    for load in &LOADS {
        let body = load.body();
        let script = script(&installation, "query", &body)?;
        let own = |address, pid| Target { url: endpoint(address), pid, script: script.clone() };
        let mut targets = vec![("mcp-server", own(address, server.pid()))];
        for (name, bare) in load.bare(&bare) {
            check_equal(&installation, &body, address, bare.address)?;
            targets.push((*name, own(bare.address, bare.pid())));
        }
        if let Some(sql) = load.sql {
            targets.extend(peer_targets(&installation, &peers, sql)?);
        }
        if load.renewed {
            renew_all(&targets)?;
        }
        write_load(out, load, &measure_all(&targets)?)?;
    }
    if !missing.is_empty() {
        writeln!(out, "\nNot installed there, and so not measured: {}.", missing.join(", "))?;
    }
    Ok(())
}

impl Load {
    fn body(&self) -> String {
        let message = |sql| query_message(&serde_json::json!({ "query": sql })).to_string();
        self.sql.map_or_else(list_request, message)
    }

    /// A list costs every bare server the same.
    fn bare<'b>(&self, bare: &'b [(&'static str, Bare)]) -> &'b [(&'static str, Bare)] {
        if self.sql.is_some() { bare } else { &bare[..1] }
    }

    fn aim(&self, name: &str) -> Option<f64> {
        self.aims.iter().find(|(of, _)| *of == name).map(|(_, aim)| *aim)
    }
}

/// The peers, each of which was seen to answer with the row: what fails fast is not compared.
fn peer_targets(
    installation: &Installation,
    peers: &[Peer],
    sql: &str,
) -> Result<Vec<(&'static str, Target)>, Box<dyn Error>> {
    let mut targets = Vec::new();
    for peer in peers {
        let target = peer.target(installation, sql)?;
        let answer = peer.answer(installation, &target)?;
        let is_refused = ["\"error\":", "\"isError\":true"].iter().any(|at| answer.contains(at));
        let is_good = answer.contains('7') && !is_refused;
        if !is_good {
            return Err(format!("{} answers {answer}", peer.name).into());
        }
        targets.push((peer.name, target));
    }
    Ok(targets)
}

fn renew_all(targets: &[(&'static str, Target)]) -> std::io::Result<()> {
    let scripts: BTreeSet<_> = targets.iter().map(|(_, target)| &target.script).collect();
    scripts.into_iter().try_for_each(|script| renew(script, "id = 7"))
}

fn measure_all(targets: &[(&'static str, Target)]) -> Result<Vec<Measured>, Box<dyn Error>> {
    let mut all: Vec<_> =
        targets.iter().map(|(name, _)| Measured { name, rounds: Vec::new() }).collect();
    for (_, target) in targets {
        // Not counted: pools fill, and caches.
        measure(target, CONNECTIONS, 1)?;
    }
    for _ in 0..ROUNDS {
        for (measured, (_, target)) in all.iter_mut().zip(targets) {
            measured.rounds.push(measure(target, CONNECTIONS, SECONDS)?);
        }
    }
    Ok(all)
}

fn write_load(out: &mut impl Write, load: &Load, all: &[Measured]) -> std::io::Result<()> {
    let Some(product) = all.first() else { return Ok(()) };
    for measured in all {
        let own = |figure: fn(&Figures) -> f64| median(measured.rounds.iter().map(figure));
        let both = || product.rounds.iter().zip(&measured.rounds);
        let ratio =
            median(both().map(|(own, other)| own.requests_per_second / other.requests_per_second));
        let above = median(both().map(|(own, other)| cpu(own) - cpu(other)));
        let aim = load.aim(measured.name).map_or_else(|| "–".into(), |aim| format!("{aim:.1}"));
        writeln!(
            out,
            "| {} | {} | {:.0} | {ratio:.2} | {aim} | {:.2} | {:.2} | {:.1} | {above:.1} |",
            load.name,
            measured.name,
            own(|figures| figures.requests_per_second),
            own(|figures| millis(figures.p50)),
            own(|figures| millis(figures.p99)),
            own(cpu),
        )?;
    }
    Ok(())
}

/// In µs per request.
fn cpu(figures: &Figures) -> f64 {
    micros(figures.cpu) / 1000.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
