//! `cargo xtask bench`: what the server costs, beside the least that could do the same; the table
//! goes into `docs/performance.md`. A measurement, not a test: nothing fails on a figure.

use std::fs;

use crate::setup::{self, Extent};
use crate::shell::{self, Failure};

const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- measured: cargo xtask bench -->";
const END: &str = "<!-- end -->";

/// Builds what is compared, measures it, and writes the table.
pub(crate) fn run() -> Result<(), Failure> {
    setup::run(Extent::Testing)?;
    let build = ["build", "--release", "--package", "mcp-server", "--package", "mcp-admin"];
    shell::run(&mut shell::command("cargo", &build))?;
    let build = ["build", "--release", "--package", "mcp-tests", "--examples"];
    shell::run(&mut shell::command("cargo", &build))?;
    shell::say("measuring; this takes some minutes");
    let bench = shell::root().join("target/release/examples/bench");
    let output = shell::command(&bench, &[])
        .output()
        .map_err(|error| Failure::new(format!("{}: {error}", bench.display())))?;
    let measured = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("the measurement stopped:\n{measured}{said}")));
    }
    shell::say(&measured);
    write(&measured)
}

/// Puts the table between its marks; what people wrote around it stays.
fn write(measured: &str) -> Result<(), Failure> {
    let path = shell::root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(Failure::file(&path))?;
    let marked = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let (before, after) = marked
        .ok_or_else(|| Failure::new(format!("{PAGE} has lost its marks {BEGIN} and {END}")))?;
    let machine = machine();
    let text = format!("{before}{BEGIN}\n\n{machine}\n\n{}\n\n{END}{after}", measured.trim());
    fs::write(&path, text).map_err(Failure::file(&path))
}

/// What was measured on, in a line.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let system = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Machine: {model}, {cores} cores, Linux {}.", system.trim())
}
