//! `cargo xtask fuzz`: what strangers may send, at random: each target of `fuzz/` over its corpus,
//! and some seconds more.
//!
//! The targets are a workspace of their own, built with libFuzzer's instruments into a target
//! directory of their own. No sanitizer: the crates under attack hold no unsafe code, so what is
//! looked for is a panic, a hang, or a rule that does not hold; and the pinned toolchain will do.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::setup;
use crate::shell::{self, Failure, command, say};

const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// Where the targets, their corpora and libFuzzer's words for them are.
const TARGETS: &str = "fuzz/targets";
const CORPUS: &str = "fuzz/corpus";
const DICTIONARY: &str = "fuzz/dictionaries/protocol.dict";

/// Inputs that reached something new on this machine. The next run goes on from there; those worth
/// keeping for everybody are merged into the corpus by hand.
const FOUND: &str = "target/fuzz/found";

/// What to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// `None`: every target.
    target: Option<String>,
    /// How long each is run.
    seconds: u32,
}

impl Default for Options {
    /// Long enough for the corpus and a look around; what `ci` runs.
    fn default() -> Self {
        Self { target: None, seconds: 5 }
    }
}

impl Options {
    /// Reads `[TARGET] [--seconds N]`; `None` if it is anything else.
    pub(crate) fn read(arguments: &[String]) -> Option<Self> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word == "--seconds" {
                options.seconds = words.next()?.parse().ok().filter(|seconds| *seconds > 0)?;
            } else if word.starts_with('-') || options.target.is_some() {
                return None;
            } else {
                options.target = Some(word.clone());
            }
        }
        Some(options)
    }
}

/// The task. One target that finds something does not keep the others from running.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let targets = chosen(options.target.as_deref(), targets()?)?;
    setup::cargo_tool("cargo-fuzz", CARGO_FUZZ_VERSION)?;
    // Not a member of the workspace, so nobody else looks at its format.
    let manifest = ["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"];
    shell::run(&mut command("cargo", &manifest))?;
    shell::run(&mut cargo_fuzz("build"))?;
    let mut failed = Vec::new();
    for target in &targets {
        match attack(target, options.seconds) {
            Ok(told) => say(format!("fuzz: {target}: {told}")),
            Err(failure) => {
                say(failure.to_string());
                failed.push(target.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("something was found by {}", failed.join(", "))).hint(
        "write a test from the input named above, mend the fault, add the input to fuzz/corpus",
    ))
}

/// The names of the targets: a file each.
fn targets() -> Result<Vec<String>, Failure> {
    let dir = shell::root().join(TARGETS);
    let entries = fs::read_dir(&dir).map_err(Failure::file(&dir))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn chosen(name: Option<&str>, targets: Vec<String>) -> Result<Vec<String>, Failure> {
    match name {
        None => Ok(targets),
        Some(name) if targets.iter().any(|target| target == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(Failure::new(format!("there is no target `{name}`"))
            .hint(format!("the targets are {}", targets.join(", ")))),
    }
}

fn cargo_fuzz(verb: &str) -> Command {
    let directories = ["--fuzz-dir", "fuzz", "--target-dir", "target/fuzz"];
    let mut fuzz = command("cargo", &["fuzz", verb, "--sanitizer", "none"]);
    fuzz.args(directories);
    fuzz
}

/// Runs one target; how much it did, if it found nothing.
fn attack(target: &str, seconds: u32) -> Result<String, Failure> {
    let (found, corpus) = (Path::new(FOUND).join(target), Path::new(CORPUS).join(target));
    let made = shell::root().join(&found);
    fs::create_dir_all(&made).map_err(Failure::file(&made))?;
    let mut fuzz = cargo_fuzz("run");
    // What is new goes into the first folder, so that a run changes nothing that is checked in.
    fuzz.arg(target).args([found, corpus]).arg("--").args([
        format!("-dict={DICTIONARY}"),
        format!("-max_total_time={seconds}"),
        "-max_len=4096".to_owned(),
        // Seconds for one input; all take milliseconds, so one that does not is a finding.
        "-timeout=10".to_owned(),
    ]);
    let ran = fuzz.output();
    let ran = ran.map_err(|error| Failure::new(format!("cargo fuzz: {error}")))?;
    let log = String::from_utf8_lossy(&ran.stderr);
    if ran.status.success() {
        return Ok(summary(&log));
    }
    Err(Failure::new(format!("{target} found something\n{}", finding(&log))))
}

/// What libFuzzer says of a run that ended well: how many inputs, and how much they reached.
fn summary(log: &str) -> String {
    let done = log.lines().rev().find_map(|line| line.strip_prefix("Done "));
    let reached = log.lines().rev().find_map(|line| line.split_once("cov: "));
    let reached = reached.and_then(|(_, rest)| rest.split(' ').next());
    format!("{}, {} edges reached", done.unwrap_or("no runs"), reached.unwrap_or("no"))
}

/// What libFuzzer says of an input that it stopped at, from the panic on.
fn finding(log: &str) -> &str {
    log.find("panicked at").or_else(|| log.find("ERROR: ")).map_or(log, |place| {
        let begin = log[..place].rfind('\n').map_or(0, |end| end + 1);
        &log[begin..]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::read(&words)
    }

    #[test]
    fn a_target_and_a_time_are_read_in_either_order() {
        let both = Some(Options { target: Some("headers".to_owned()), seconds: 60 });
        assert_eq!(read("headers --seconds 60"), both);
        assert_eq!(read("--seconds 60 headers"), both);
        assert_eq!(read(""), Some(Options::default()));
    }

    #[test]
    fn anything_else_is_a_misuse() {
        for wrong in ["--seconds", "--seconds x", "--seconds 0", "--forever", "headers envelope"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_target_that_does_not_exist_is_answered_with_those_that_do() {
        let failure = chosen(Some("header"), vec!["headers".to_owned()]).unwrap_err();
        assert!(failure.to_string().contains("hint: the targets are headers"));
    }

    #[test]
    fn every_target_has_a_corpus() {
        for target in targets().unwrap() {
            let dir = shell::root().join(CORPUS).join(&target);
            assert!(fs::read_dir(&dir).unwrap().count() > 0, "{target}");
        }
    }

    #[test]
    fn the_end_of_a_run_is_told_in_a_line() {
        let log = "#2\tINITED cov: 12 ft: 13 corp: 1/1b\n#9\tNEW    cov: 40 ft: 60\n\
                   Done 812 runs in 6 second(s)\n";
        assert_eq!(summary(log), "812 runs in 6 second(s), 40 edges reached");
    }

    #[test]
    fn a_finding_is_told_from_its_panic_on() {
        let log = "#9\tNEW cov: 4\nthread '<unnamed>' panicked at a.rs:1\nTest unit written\n";
        assert_eq!(finding(log), "thread '<unnamed>' panicked at a.rs:1\nTest unit written\n");
        assert_eq!(finding("no crate\n"), "no crate\n");
    }
}
