//! What the suite found: one `checks.json` in a folder for each scenario.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::shell::Failure;

/// What the suite puts before a scenario in the name of its folder.
const BEFORE_NAME: &str = "server-";

/// What it puts behind: `-2026-11-21T08-22-16-807Z`.
const LENGTH_OF_TIME: usize = 25;

/// A scenario that was to be run.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// Empty when it could not be run.
    checks: Vec<Check>,
}

/// One thing that a scenario looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    id: String,
    outcome: Outcome,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// The server gave no occasion to look at it; whether it would pass is not known.
    Untested,
    /// A recommendation of the specification, not followed.
    Warned,
    /// A note for the reader.
    Noted,
}

/// The scenarios of one run, by name.
pub(super) struct Verdicts(HashMap<String, Vec<Check>>);

/// Reads what a run left in its folder.
pub(super) fn read(dir: &Path) -> Result<Verdicts, Failure> {
    let mut verdicts = HashMap::new();
    for entry in fs::read_dir(dir).map_err(Failure::file(dir))? {
        let folder = entry.map_err(Failure::file(dir))?;
        let file = folder.path().join("checks.json");
        if let Some(name) = scenario_of(&folder.file_name().to_string_lossy())
            && file.exists()
        {
            let text = fs::read_to_string(&file).map_err(Failure::file(&file))?;
            let checks = parse(&text)
                .ok_or_else(|| Failure::new(format!("{}: is no list of checks", file.display())))?;
            verdicts.insert(name.to_owned(), checks);
        }
    }
    Ok(Verdicts(verdicts))
}

impl Verdicts {
    pub(super) fn scenario(&self, name: &str) -> Scenario {
        let checks = self.0.get(name).cloned().unwrap_or_default();
        Scenario { name: name.to_owned(), checks }
    }
}

impl Scenario {
    /// Did it look at something, and find nothing amiss and nothing that it could not look at?
    pub(super) fn passed(&self) -> bool {
        self.checks.iter().any(|check| check.outcome == Outcome::Passed)
            && !self.checks.iter().any(|check| check.outcome.fails())
    }

    /// Why it did not pass, a line for each reason.
    pub(super) fn faults(&self) -> Vec<String> {
        let faults: Vec<String> = self.told(Outcome::fails);
        if faults.is_empty() && !self.passed() {
            return vec!["it did not run to its end".to_owned()];
        }
        faults
    }

    /// The recommendations that were not followed.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.told(|outcome| outcome == Outcome::Warned)
    }

    fn told(&self, which: impl Fn(Outcome) -> bool) -> Vec<String> {
        let told = self.checks.iter().filter(|check| which(check.outcome));
        told.map(|check| {
            let untested = if check.outcome == Outcome::Untested { " (not tested)" } else { "" };
            format!("{}{untested}: {}", check.id, check.message)
        })
        .collect()
    }
}

impl Outcome {
    fn fails(self) -> bool {
        match self {
            Self::Failed | Self::Untested => true,
            Self::Passed | Self::Warned | Self::Noted => false,
        }
    }

    /// A warning says either that a recommendation is not followed, or that nothing was learnt:
    /// the suite marks it, or a probe itself went wrong.
    fn of(status: &str, message: &str, untestable: bool) -> Option<Self> {
        match status {
            "SUCCESS" => Some(Self::Passed),
            "FAILURE" => Some(Self::Failed),
            "SKIPPED" => Some(Self::Untested),
            "WARNING" if untestable || message.starts_with("Failed: ") => Some(Self::Untested),
            "WARNING" => Some(Self::Warned),
            "INFO" => Some(Self::Noted),
            _ => None,
        }
    }
}

/// `server-tools-list-2026-11-21T08-22-16-827Z` is `tools-list`.
fn scenario_of(folder: &str) -> Option<&str> {
    let name_and_time = folder.strip_prefix(BEFORE_NAME)?;
    let (name, time) =
        name_and_time.split_at_checked(name_and_time.len().checked_sub(LENGTH_OF_TIME)?)?;
    (time.starts_with('-') && time.ends_with('Z')).then_some(name)
}

/// `None` for what is no list of checks, or has an outcome that nobody here knows.
fn parse(text: &str) -> Option<Vec<Check>> {
    let checks: Value = serde_json::from_str(text).ok()?;
    checks.as_array()?.iter().map(check).collect()
}

fn check(check: &Value) -> Option<Check> {
    let message = ["errorMessage", "description"].iter().find_map(|key| check[key].as_str());
    let message = message.unwrap_or_default().to_owned();
    let untestable = check["details"]["untestable"] == true;
    let outcome = Outcome::of(check["status"].as_str()?, &message, untestable)?;
    Some(Check { id: check["id"].as_str()?.to_owned(), outcome, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(checks: &str) -> Scenario {
        Scenario { name: "a".to_owned(), checks: parse(checks).unwrap() }
    }

    #[test]
    fn a_folder_is_named_for_its_scenario() {
        let folder = "server-json-schema-2020-12-2026-11-21T08-22-17-689Z";
        assert_eq!(scenario_of(folder), Some("json-schema-2020-12"));
        let folder = "server-server-stateless-2026-11-21T08-22-17-689Z";
        assert_eq!(scenario_of(folder), Some("server-stateless"));
        assert_eq!(scenario_of("said.txt"), None);
        assert_eq!(scenario_of("server-é"), None);
    }

    #[test]
    fn a_scenario_passes_by_its_checks() {
        let passed = scenario(
            r#"[{"id": "a", "status": "SUCCESS"}, {"id": "b", "status": "INFO"},
                {"id": "c", "status": "WARNING", "errorMessage": "No retry field."}]"#,
        );
        assert!(passed.passed());
        assert!(passed.faults().is_empty());
        assert_eq!(passed.warnings(), ["c: No retry field."]);
    }

    #[test]
    fn a_failed_check_is_named_with_its_message() {
        let failed = scenario(
            r#"[{"id": "a", "status": "SUCCESS"},
                {"id": "b", "status": "FAILURE", "description": "It must", "errorMessage": "no"}]"#,
        );
        assert!(!failed.passed());
        assert_eq!(failed.faults(), ["b: no"]);
    }

    #[test]
    fn what_could_not_be_tested_has_not_passed() {
        for check in [
            r#"{"id": "b", "status": "SKIPPED", "description": "x"}"#,
            r#"{"id": "b", "status": "WARNING", "description": "x",
                "details": {"untestable": true}}"#,
        ] {
            let scenario = scenario(&format!(r#"[{{"id": "a", "status": "SUCCESS"}}, {check}]"#));
            assert!(!scenario.passed());
            assert_eq!(scenario.faults(), ["b (not tested): x"]);
            assert!(scenario.warnings().is_empty());
        }
        let probe = r#"[{"id": "a", "status": "SUCCESS"},
            {"id": "b", "status": "WARNING", "errorMessage": "Failed: socket closed"}]"#;
        assert!(!scenario(probe).passed());
    }

    #[test]
    fn a_scenario_that_looked_at_nothing_has_not_passed() {
        for checks in ["[]", r#"[{"id": "a", "status": "INFO"}]"#] {
            assert!(!scenario(checks).passed());
            assert_eq!(scenario(checks).faults(), ["it did not run to its end"]);
        }
    }

    #[test]
    fn an_outcome_that_nobody_knows_is_not_taken_for_a_pass() {
        assert!(parse(r#"[{"id": "a", "status": "MAYBE"}]"#).is_none());
        assert!(parse("{}").is_none());
    }
}
