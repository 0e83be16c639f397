//! `cargo xtask setup`: finds or installs what running and testing need.
//!
//! Does nothing where nothing is missing, and a second run takes no time. What belongs to the
//! system comes from its package manager, as root or by a sudo that asks nothing; else the one
//! line to run is printed. What belongs to the project lands under `target/`.

mod clients;
mod peers;
mod system;

use std::fs::{self, File};
use std::path::Path;

pub(crate) use self::clients::Conformance;
use crate::shell::{self, Failure, command, say};

/// The versions that CI was last green with; the toolchain is pinned, so these are too.
const CARGO_NEXTEST_VERSION: &str = "0.9.143";
pub(crate) const CARGO_DENY_VERSION: &str = "0.20.2";

/// How much to set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What the demo needs.
    Running,
    /// That, and what the tests need.
    Testing,
}

impl Extent {
    pub(crate) fn of(run_only: bool) -> Self {
        if run_only { Self::Running } else { Self::Testing }
    }
}

/// The task.
pub(crate) fn run(extent: Extent) -> Result<(), Failure> {
    let target = shell::root().join("target");
    fs::create_dir_all(&target).map_err(Failure::file(&target))?;
    let _turn = turn(&target.join("setup.lock"))?;
    system::install(extent)?;
    if extent == Extent::Testing {
        cargo_tool("cargo-nextest", CARGO_NEXTEST_VERSION)?;
        clients::install(&target.join("clients"))?;
    }
    Ok(())
}

/// Installs the conformance suite as well, which nothing but its own task needs.
pub(crate) fn conformance() -> Result<Conformance, Failure> {
    run(Extent::Testing)?;
    let target = shell::root().join("target");
    let _turn = turn(&target.join("setup.lock"))?;
    clients::install_conformance(&target.join("clients"))
}

/// Installs the servers that the benchmark compares, as far as they can be.
pub(crate) fn peers() -> Result<(), Failure> {
    run(Extent::Testing)?;
    let target = shell::root().join("target");
    let _turn = turn(&target.join("setup.lock"))?;
    peers::install(&target.join("peers"));
    Ok(())
}

/// Installs a subcommand of cargo where it is missing. One that is there is taken as it is.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Result<(), Failure> {
    if shell::find_program(name).is_some() {
        return Ok(());
    }
    say(format!("setup: building {name} {version} (some minutes, once)"));
    shell::run(&mut command("cargo", &["install", "--locked", name, "--version", version]))
}

/// Waits until nobody else in this tree holds the lock of that name; over when the file is dropped.
pub(crate) fn turn(path: &Path) -> Result<File, Failure> {
    let lock = File::create(path).map_err(Failure::file(path))?;
    lock.lock().map_err(Failure::file(path))?;
    Ok(lock)
}
