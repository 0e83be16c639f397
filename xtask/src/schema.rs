//! `cargo xtask schema`: the files that are generated from the types of the configuration, from the
//! command line, and from the table of endpoints.
//!
//! They are checked in, so that an operator reads them without building anything; `ci` generates
//! them anew and compares. The generator of the configuration's files is a binary of its own
//! (`src/bin/config_reference.rs`) behind a feature: the other tasks need not build its
//! dependencies first. The command line describes itself.

use std::fs;

use crate::shell::{self, Failure, say};

/// Each generated file, and what `cargo run` runs to print it.
const GENERATED: [(&str, &[&str]); 4] = [
    ("docs/config.schema.json", &config_reference("schema")),
    ("docs/config.md", &config_reference("reference")),
    ("docs/openapi.json", &["--package", "mcp-accounts-http", "--example", "openapi"]),
    ("docs/cli.md", &["--package", "mcp-admin", "--", "man", "--markdown"]),
];

const fn config_reference(what: &str) -> [&str; 8] {
    ["--package", "xtask", "--features", "schema", "--bin", "config-reference", "--", what]
}

/// What to do with what was generated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

impl Mode {
    pub(crate) fn of(check: bool) -> Self {
        if check { Self::Check } else { Self::Write }
    }
}

/// Generates each file, then writes it or compares it with the one in the tree.
pub(crate) fn run(mode: Mode) -> Result<(), Failure> {
    let mut stale = Vec::new();
    for (file, what) in GENERATED {
        let path = shell::root().join(file);
        let fresh = generate(what)?;
        if fs::read_to_string(&path).is_ok_and(|kept| kept == fresh) {
            continue;
        }
        match mode {
            Mode::Check => stale.push(file),
            Mode::Write => {
                fs::write(&path, fresh).map_err(Failure::file(&path))?;
                say(format!("wrote {file}"));
            }
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    let message = format!("out of date: {}", stale.join(", "));
    Err(Failure::new(message).hint("run `cargo xtask schema` and commit what it wrote"))
}

fn generate(what: &[&str]) -> Result<String, Failure> {
    let mut command = shell::command("cargo", &["run", "--quiet"]);
    command.args(what).stderr(std::process::Stdio::inherit());
    let name = shell::shown(&command);
    let failed = |why: String| Failure::new(format!("`{name}` failed: {why}"));
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}
