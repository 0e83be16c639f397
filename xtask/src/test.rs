//! `cargo xtask test`: every test, and one last line that says how many.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use crate::setup::{self, Extent};
use crate::shell::{self, Failure, say};

/// `Summary [ 4.031s] 12 tests run: 9 passed (1 slow), 2 failed, 1 timed out, 3 skipped`.
const NEXTEST: &str = "Summary [";

/// `test result: ok. 4 passed; 0 failed; 1 ignored; …`. Only where libtest speaks for itself:
/// nextest repeats what it said about each test that failed.
const LIBTEST: &str = "test result:";

/// Runs the tests, or those that `selection` names: arguments of `cargo nextest run`. The
/// examples in the documentation run with all tests and with no selection of them.
pub(crate) fn run(selection: &[String]) -> Result<(), Failure> {
    setup::run(Extent::Testing)?;
    // The behaviour tests start the binaries as a user would, from the target directory.
    shell::run(&mut shell::command("cargo", &["build", "--workspace", "--bins"]))?;
    let mut nextest = shell::command("cargo", &["nextest", "run", "--workspace"]);
    let unit = counted(nextest.args(selection), NEXTEST);
    let documented = selection.is_empty().then(|| {
        counted(
            &mut shell::command("cargo", &["test", "--doc", "--workspace", "--no-fail-fast"]),
            LIBTEST,
        )
    });
    report(unit, documented)
}

/// Tells the sum of both runs. A run that ended badly without a count did not build.
fn report(unit: Run, documented: Option<Run>) -> Result<(), Failure> {
    let runs = [Some(unit), documented];
    let runs = || runs.iter().flatten();
    if let Some(broken) = runs().find(|run| !run.ended_well && run.count.failed == 0) {
        return Err(Failure::new(format!("`{}` ended before its tests did", broken.name)));
    }
    let count = runs().fold(Count::default(), |sum, run| sum.plus(run.count));
    say(format!("\n{count}"));
    if count.failed == 0 {
        return Ok(());
    }
    let failed = runs().filter(|run| run.count.failed > 0).map(|run| format!("`{}`", run.name));
    let names: Vec<_> = failed.collect();
    Err(Failure::new(format!("tests failed in {}", names.join(" and "))))
}

/// One command that ran tests.
struct Run {
    name: String,
    ended_well: bool,
    count: Count,
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// Reads a line that begins with `summary`; any other counts nothing.
    fn of_line(line: &str, summary: &str) -> Self {
        if !line.trim_start().starts_with(summary) {
            return Self::default();
        }
        let words: Vec<&str> =
            line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let mut count = Self::default();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => count.passed += number,
                // A test that ran out of time, or that could not even be started, has failed.
                "failed" | "timed" | "exec" => count.failed += number,
                "skipped" | "ignored" => count.skipped += number,
                _ => {}
            }
        }
        count
    }
}

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(out, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Runs a command, passes its words on as they come, and counts what its summaries tell.
fn counted(command: &mut Command, summary: &str) -> Run {
    let name = shell::shown(command);
    // One channel for both: nextest tells its summary on standard error, cargo on standard output.
    let Ok((reader, writer)) = std::io::pipe() else {
        return Run { name, ended_well: false, count: Count::default() };
    };
    let piped = writer.try_clone().map(|copy| command.stdout(copy).stderr(writer).spawn());
    // The command keeps its own copies of the writing end; while they stand, reading never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(Ok(mut child)) = piped else {
        return Run { name, ended_well: false, count: Count::default() };
    };
    let mut count = Count::default();
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        let _ = std::io::stderr().write_all(&[&line[..], b"\n"].concat());
        count = count.plus(Count::of_line(&String::from_utf8_lossy(&line), summary));
    }
    let ended_well = child.wait().is_ok_and(|status| status.success());
    Run { name, ended_well, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_nextest_is_counted() {
        let line = "     Summary [   4.031s] 15/20 tests run: 9 passed (1 slow), 3 failed, \
                    2 timed out, 1 exec failed, 4 skipped";
        assert_eq!(Count::of_line(line, NEXTEST), Count { passed: 9, failed: 6, skipped: 4 });
    }

    #[test]
    fn a_result_of_a_documentation_test_is_counted() {
        let line = "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out";
        assert_eq!(Count::of_line(line, LIBTEST), Count { passed: 4, failed: 0, skipped: 1 });
    }

    #[test]
    fn what_a_test_prints_is_not_counted() {
        assert_eq!(Count::of_line("it said: 3 passed", NEXTEST), Count::default());
    }

    #[test]
    fn a_command_that_fails_without_a_count_is_not_a_success() {
        let run = counted(&mut shell::command("sh", &["-c", "echo building; exit 1"]), NEXTEST);
        assert!(!run.ended_well);
        assert!(report(run, None).is_err());
    }

    #[test]
    fn both_channels_are_counted() {
        let script = "echo 'Summary [1s] 1 passed'; echo 'Summary [1s] 2 passed' >&2";
        let run = counted(&mut shell::command("sh", &["-c", script]), NEXTEST);
        assert!(run.ended_well);
        assert_eq!(run.count, Count { passed: 3, failed: 0, skipped: 0 });
    }

    #[test]
    fn a_failed_test_that_is_quoted_is_counted_once() {
        let quoted = "    test result: FAILED. 0 passed; 1 failed; 0 ignored";
        assert_eq!(Count::of_line(quoted, NEXTEST), Count::default());
    }
}
