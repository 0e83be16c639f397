//! `cargo xtask faults`: the durable files while each system call of what changes them fails in turn.

use crate::setup::{self, Extent};
use crate::shell::{self, Failure, command, say};

/// Builds the programs and what makes them fail, and runs that. It tells by itself what it found.
pub(crate) fn run() -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        say("faults: passed over, since only Linux has strace; CI runs it");
        return Ok(());
    }
    setup::run(Extent::Testing)?;
    // Chosen by target and not by package: a dependency keeps the features that the tests built
    // it with, and is not built again.
    let programs = ["--bin", "mcp-admin", "--bin", "mcp-server"];
    let targets = [&["build", "--workspace", "--example", "faults"], &programs[..]].concat();
    shell::run(&mut command("cargo", &targets))?;
    shell::run(&mut command(shell::root().join("target/debug/examples/faults"), &[]))
}
