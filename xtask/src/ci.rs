//! `cargo xtask ci`: all that a change must pass, each step named and timed.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::conformance;
use crate::faults;
use crate::fuzz;
use crate::schema;
use crate::setup;
use crate::shell::{self, Failure, command, say};
use crate::{test, tidy};

/// What to run besides the steps that always run.
pub(crate) struct Options {
    /// The tests ran already.
    pub(crate) skip_test: bool,
    /// Also ask the advisory database, which needs a network.
    pub(crate) advisories: bool,
}

/// Runs every step, also after one that failed, and ends with one line for each.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let mut done = Vec::new();
    for step in steps(options) {
        say(format!("\n──── {} ────", step.name));
        let begun = Instant::now();
        let result = (step.act)();
        if let Err(failure) = &result {
            say(failure.to_string());
        }
        done.push(Done { name: step.name, passed: result.is_ok(), took: begun.elapsed() });
    }
    summarise(&done)
}

struct Step {
    name: &'static str,
    act: Box<dyn Fn() -> Result<(), Failure>>,
}

impl Step {
    fn new(name: &'static str, act: impl Fn() -> Result<(), Failure> + 'static) -> Self {
        Self { name, act: Box::new(act) }
    }
}

struct Done {
    name: &'static str,
    passed: bool,
    took: Duration,
}

fn steps(options: &Options) -> Vec<Step> {
    let advisories = options.advisories;
    let mut steps = vec![
        // The quick ones first: who waits hears of a stray space before the tests are built.
        Step::new("format", || cargo(&["fmt", "--all", "--check"])),
        Step::new("tidy", tidy::run),
        Step::new("clippy", || {
            cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
        }),
        Step::new("test", || test::run(&[])),
        Step::new("faults", faults::run),
        Step::new("conformance", conformance::run),
        Step::new("fuzz", || fuzz::run(&fuzz::Options::default())),
        Step::new("documentation", documentation),
        Step::new("generated files", || schema::run(schema::Mode::Check)),
        Step::new("features", features),
        Step::new("dependencies", move || dependencies(advisories)),
    ];
    if options.skip_test {
        steps.retain(|step| step.name != "test");
    }
    steps
}

fn cargo(arguments: &[&str]) -> Result<(), Failure> {
    shell::run(&mut command("cargo", arguments))
}

/// With all features: a page may link to what only one of them brings.
fn documentation() -> Result<(), Failure> {
    let mut doc = command("cargo", &["doc", "--workspace", "--no-deps", "--all-features"]);
    shell::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
}

/// The crates that others build with features of their choice: none, the default, and all.
/// A crate without features has one form, and the other steps build it.
fn features() -> Result<(), Failure> {
    let tree = tidy::tree()?;
    for package in tidy::public_crates_with_features(&tree)? {
        for choice in [Some("--no-default-features"), None, Some("--all-features")] {
            let mut check = command("cargo", &["check", "--quiet", "--package", &package]);
            check.args(choice);
            say(shell::shown(&check));
            shell::run(&mut check)?;
        }
    }
    Ok(())
}

fn dependencies(advisories: bool) -> Result<(), Failure> {
    setup::cargo_tool("cargo-deny", setup::CARGO_DENY_VERSION)?;
    let mut deny: Command = command("cargo", &["deny", "--all-features", "check"]);
    // Warnings are for whoever looks; a second version of a crate is not a reason to stop.
    deny.args(["--hide-inclusion-graph", "bans", "licenses", "sources"]);
    deny.args(advisories.then_some("advisories"));
    shell::run(&mut deny)
}

fn summarise(done: &[Done]) -> Result<(), Failure> {
    say("\n──── summary ────");
    for step in done {
        let verdict = if step.passed { "passed" } else { "FAILED" };
        say(format!("{verdict}  {:>7.1} s  {}", step.took.as_secs_f32(), step.name));
    }
    let failed: Vec<&str> = done.iter().filter(|step| !step.passed).map(|step| step.name).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} of {} steps failed: {}",
        failed.len(),
        done.len(),
        failed.join(", ")
    )))
}
