//! The project's own tasks: `cargo xtask TASK`.
//!
//! One file a task. Each says what it does on standard error, and ends with status 0 when all is
//! well, 1 when something is to be mended, and 64 when it was called wrongly. Nothing is asked:
//! every task runs without a terminal.

mod bench;
mod ci;
mod conformance;
mod demo;
mod faults;
mod fuzz;
mod schema;
mod setup;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use crate::shell::{Failure, say};

const USAGE: &str = "\
usage: cargo xtask TASK [ARGUMENTS]

  setup [--run-only]    install what running and testing need; --run-only leaves testing out
  demo [ARGUMENTS]      build the server and run its demo, on a database made for it
  test [ARGUMENTS]      every test; arguments select among them (they go to cargo nextest)
  ci [--skip-test] [--advisories]
                        all that a change must pass
  conformance           the protocol's own conformance suite, in both eras
  faults                the durable files while each system call that changes them fails
  fuzz [TARGET] [--seconds N]
                        what strangers may send, at random, against the protocol
  tidy                  the rules of docs/architecture.md and docs/style.md that can be checked
  bench [load|query|neighbours|dispatch|credentials|storm|accounts|servers]...
                        measure the release build, into docs/performance.md; without a part, all
  schema [--check]      write the generated files; --check only compares them
";

/// Called wrongly: sysexits' `EX_USAGE`.
const MISUSED: u8 = 64;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let task = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    match run(&task, &rest) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(failure)) => {
            say(failure.to_string());
            ExitCode::FAILURE
        }
        None => {
            say(USAGE);
            ExitCode::from(MISUSED)
        }
    }
}

/// Runs the task of that name; `None` when there is none, or when it knows no such argument.
fn run(task: &str, arguments: &[String]) -> Option<Result<(), Failure>> {
    let known = |flags: &[&str]| arguments.iter().all(|given| flags.contains(&given.as_str()));
    let has = |flag: &str| arguments.iter().any(|given| given == flag);
    match task {
        "setup" if known(&["--run-only"]) => Some(setup::run(setup::Extent::of(has("--run-only")))),
        "bench" => bench::parts(arguments).map(|parts| bench::run(&parts)),
        "conformance" if known(&[]) => Some(conformance::run()),
        "faults" if known(&[]) => Some(faults::run()),
        "fuzz" => fuzz::Options::read(arguments).map(|options| fuzz::run(&options)),
        "demo" => Some(demo::run(arguments)),
        "test" => Some(test::run(arguments)),
        "ci" if known(&["--skip-test", "--advisories"]) => Some(ci::run(&ci::Options {
            skip_test: has("--skip-test"),
            advisories: has("--advisories"),
        })),
        "tidy" if arguments.is_empty() => Some(tidy::run()),
        "schema" if known(&["--check"]) => Some(schema::run(schema::Mode::of(has("--check")))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_task_or_argument_is_a_misuse() {
        assert!(run("", &[]).is_none());
        assert!(run("tidy", &["--fast".to_owned()]).is_none());
        assert!(run("ci", &["--skip-tests".to_owned()]).is_none());
        assert!(run("bench", &["logins".to_owned()]).is_none());
    }
}
