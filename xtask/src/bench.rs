//! `cargo xtask bench`: what the server costs, and what becomes of requests while it is busy; each
//! part's tables go between that part's marks in `docs/performance.md`. A measurement, not a test:
//! nothing fails on a figure.

use std::fs;
use std::process::Stdio;

use crate::setup::{self, Extent};
use crate::shell::{self, Failure};

const PAGE: &str = "docs/performance.md";
const END: &str = "<!-- end -->";

/// What is measured by itself, by the names that the measuring program knows.
const PARTS: [&str; 8] =
    ["load", "query", "neighbours", "dispatch", "credentials", "storm", "accounts", "servers"];

/// The parts that the arguments name; all of them where there is none. `None`: there is no such
/// part.
pub(crate) fn parts(arguments: &[String]) -> Option<Vec<&'static str>> {
    if arguments.is_empty() {
        return Some(PARTS.to_vec());
    }
    let known = |given: &String| PARTS.into_iter().find(|part| part == given);
    arguments.iter().map(known).collect()
}

/// Builds what is measured, measures each part, and writes its tables as soon as there are some.
pub(crate) fn run(parts: &[&str]) -> Result<(), Failure> {
    if parts.contains(&"query") { setup::peers() } else { setup::run(Extent::Testing) }?;
    let build = ["build", "--release", "--package", "mcp-server", "--package", "mcp-admin"];
    shell::run(&mut shell::command("cargo", &build))?;
    let build = ["build", "--release", "--package", "mcp-tests", "--examples"];
    shell::run(&mut shell::command("cargo", &build))?;
    for part in parts {
        shell::say(format!("measuring {part}; this takes some minutes"));
        let measured = measure(part)?;
        shell::say(&measured);
        write(part, &measured)?;
    }
    Ok(())
}

fn measure(part: &str) -> Result<String, Failure> {
    let bench = shell::root().join("target/release/examples/bench");
    let output = shell::command(&bench, &[part])
        // A part that takes long says how far it is, and each why it stopped.
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::new(format!("{}: {error}", bench.display())))?;
    let measured = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(Failure::new(format!("the measurement stopped:\n{measured}")));
    }
    Ok(measured)
}

/// Puts the tables between the marks of their part; what people wrote around it stays.
fn write(part: &str, measured: &str) -> Result<(), Failure> {
    let path = shell::root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(Failure::file(&path))?;
    let begin = format!("<!-- measured: cargo xtask bench {part} -->");
    let marked = page
        .split_once(&begin)
        .and_then(|(before, rest)| rest.split_once(END).map(|(_, after)| (before, after)));
    let (before, after) = marked
        .ok_or_else(|| Failure::new(format!("{PAGE} has lost its marks {begin} and {END}")))?;
    let machine = machine();
    let text = format!("{before}{begin}\n\n{machine}\n\n{}\n\n{END}{after}", measured.trim());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_place_on_the_page() {
        let page = fs::read_to_string(shell::root().join(PAGE)).unwrap();
        for part in PARTS {
            let begin = format!("<!-- measured: cargo xtask bench {part} -->");
            let (_, rest) = page.split_once(&begin).unwrap();
            assert!(rest.contains(END), "{part}");
        }
    }
}
