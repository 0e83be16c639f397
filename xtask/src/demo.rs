//! `cargo xtask demo`: the server with a database made for it, in one command.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::setup::{self, Extent};
use crate::shell::{self, Failure};

/// Builds the server as it is delivered, and becomes it.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    setup::run(Extent::Running)?;
    shell::run(&mut shell::command("cargo", &["build", "--release", "--package", "mcp-server"]))?;
    let server = shell::root().join("target/release/mcp-server");
    // Not a child: Ctrl-C and signals reach the server itself, and its status is the task's.
    let error = Command::new(&server).arg("demo").args(arguments).exec();
    Err(Failure::file(&server)(error))
}
