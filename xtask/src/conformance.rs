//! `cargo xtask conformance`: the protocol's own conformance suite, for both eras, against the
//! fixture server of the tests: bare, and behind the product's authentication.
//!
//! The suite is a client that knows no credential; a small proxy adds it. What the suite saw is
//! kept in `target/conformance`, one folder for each run and scenario.

mod checks;
mod fixture;
mod report;
mod requirements;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use self::checks::Scenario;
use self::fixture::{Fixture, Protection};
use self::requirements::Requirements;
use crate::setup::{self, Conformance};
use crate::shell::{self, Failure, command, say};

const SUITE: &str = "node_modules/@modelcontextprotocol/conformance";

/// Each has a frozen list of the scenarios that it requires. The first has the handshake and
/// sessions, the second neither.
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// One revision's scenarios against one fixture.
struct Run {
    revision: &'static str,
    protection: Protection,
    /// What the revision requires.
    scored: Vec<Scenario>,
    /// What came too late to be required, and what the suite's own server cannot do yet.
    unscored: Vec<Scenario>,
    /// Where it left what the suite saw.
    dir: PathBuf,
}

/// The task.
pub(crate) fn run() -> Result<(), Failure> {
    let suite = setup::conformance()?;
    build()?;
    let results = shell::root().join("target/conformance");
    let _turn = setup::turn(&results.with_extension("lock"))?;
    clear(&results)?;
    let mut runs = Vec::new();
    for protection in [Protection::None, Protection::BearerToken] {
        let dir = results.join(protection.name());
        fs::create_dir_all(&dir).map_err(Failure::file(&dir))?;
        say(format!("conformance: {protection}"));
        let fixture = Fixture::start(protection, &suite, &dir)?;
        runs.extend(run_all(&suite, &fixture, protection, &dir)?);
    }
    report::tell(&runs)
}

fn build() -> Result<(), Failure> {
    // Chosen by target and not by package: a dependency keeps the features that the tests built
    // it with, and is not built again.
    let targets = ["build", "--workspace", "--example", "conformance_server", "--bin", "mcp-admin"];
    shell::run(&mut command("cargo", &targets))
}

fn clear(dir: &Path) -> Result<(), Failure> {
    if dir.exists() { fs::remove_dir_all(dir).map_err(Failure::file(dir)) } else { Ok(()) }
}

/// Both revisions at once: a server has to keep them apart.
fn run_all(
    suite: &Conformance,
    fixture: &Fixture,
    protection: Protection,
    dir: &Path,
) -> Result<Vec<Run>, Failure> {
    thread::scope(|scope| {
        let running = REVISIONS.map(|revision| {
            scope.spawn(move || {
                run_one(suite, fixture.url(), revision, protection, &dir.join(revision))
            })
        });
        let panicked = |_| Err(Failure::new("a run of the suite ended in a panic"));
        running.into_iter().map(|run| run.join().unwrap_or_else(panicked)).collect()
    })
}

fn run_one(
    suite: &Conformance,
    url: &str,
    revision: &'static str,
    protection: Protection,
    dir: &Path,
) -> Result<Run, Failure> {
    fs::create_dir_all(dir).map_err(Failure::file(dir))?;
    let required = read_requirements(suite, revision)?;
    let said = dir.join("said.txt");
    let output = File::create(&said).map_err(Failure::file(&said))?;
    let errors = output.try_clone().map_err(Failure::file(&said))?;
    let mut server = in_suite(suite, &format!("{SUITE}/dist/index.js"));
    server.args(["server", "--url", url, "--requirements", revision, "--output-dir"]).arg(dir);
    // Its exit status tells less than the verdicts that it writes: a scenario that could not even
    // be run leaves none.
    let started = server.stdout(output).stderr(errors).status();
    started.map_err(Failure::file(&suite.node))?;
    let verdicts = checks::read(dir)?;
    let of = |names: &[String]| names.iter().map(|name| verdicts.scenario(name)).collect();
    let (scored, unscored) = (of(&required.scored), of(&required.unscored));
    Ok(Run { revision, protection, scored, unscored, dir: dir.to_owned() })
}

fn read_requirements(suite: &Conformance, revision: &str) -> Result<Requirements, Failure> {
    let path = suite.dir.join(SUITE).join(format!("requirements/{revision}.yaml"));
    let text = fs::read_to_string(&path).map_err(Failure::file(&path))?;
    Requirements::parse(&text)
        .ok_or_else(|| Failure::new(format!("{}: names no scenario of a server", path.display())))
}

/// A script run by the suite's Node.js, in the folder of the suite.
fn in_suite(suite: &Conformance, script: &str) -> Command {
    let mut node = command(&suite.node, &[script]);
    node.current_dir(&suite.dir);
    node
}
