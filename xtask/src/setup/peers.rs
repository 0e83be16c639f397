//! Other people's servers, which `cargo xtask bench query` measures beside ours. They are compared,
//! not needed: one that cannot be installed is left out, and the table says so.

use std::fs;
use std::path::Path;

use super::clients::{clear, is_installed, npm, write_stamp};
use crate::shell::{self, Failure, command, find_program, say};

const TOOLBOX: &str = "@toolbox-sdk/server@1.12.0";
const MCP_POSTGRES: &str = "mcp-postgres@5.4.0";

/// Installs those that are missing under `target/peers`, where the benchmark looks for them.
pub(super) fn install(into: &Path) {
    type Install = fn(&Path) -> Result<(), Failure>;
    let wanted: [(&str, &str, Install); 2] =
        [("toolbox", TOOLBOX, toolbox), ("mcp-postgres", MCP_POSTGRES, mcp_postgres)];
    for (name, version, install) in wanted {
        let into = into.join(name);
        if is_installed(&into, version) {
            continue;
        }
        say(format!("setup: installing {version} (minutes, once)"));
        let installed = clear(&into)
            .and_then(|()| fs::create_dir_all(&into).map_err(Failure::file(&into)))
            .and_then(|()| install(&into))
            .and_then(|()| write_stamp(&into, version));
        if let Err(failure) = installed {
            say(format!("{failure}\nsetup: measuring without {name}"));
        }
    }
}

fn toolbox(into: &Path) -> Result<(), Failure> {
    let node = find_program("node").ok_or_else(|| Failure::new("node is missing"))?;
    let install = ["install", "--no-save", "--ignore-scripts", "--prefix", ".", TOOLBOX];
    shell::run(npm(&node, &install).current_dir(into))
}

fn mcp_postgres(into: &Path) -> Result<(), Failure> {
    let install = ["install", "--quiet", "--locked", MCP_POSTGRES, "--root"];
    shell::run(command("cargo", &install).arg(into))
}
