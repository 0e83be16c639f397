//! The MCP clients of other people, as `cargo xtask setup` installed them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::binaries::profile_dir;

/// Runs a script of `tests/clients/python` with the packages of that environment.
#[must_use]
pub fn python(environment: &str, script: &str) -> Command {
    let mut command = Command::new(installed().join(environment).join("bin/python"));
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python");
    command.arg(scripts.join(script));
    command
}

/// Runs a script of `tests/clients`, by its path there.
#[must_use]
pub fn node(script: &str) -> Command {
    let mut command = Command::new(installed().join("bin/node"));
    command.arg(installed().join(script));
    command
}

/// Runs a client to its end and reads the one line that it prints.
///
/// # Panics
/// When it prints anything else; shows that.
#[must_use]
pub fn said(client: &mut Command) -> Value {
    let output = client.output().expect("the client runs");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim())
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn installed() -> PathBuf {
    let clients = profile_dir().parent().expect("a target directory").join("clients");
    assert!(clients.exists(), "the clients are not installed: run `cargo xtask setup`");
    clients
}
