//! The table at the end, and what is behind its numbers.

use super::Run;
use super::checks::Scenario;
use crate::shell::{Failure, say};

/// Tells the table and every fault. Fails when a required scenario did not pass.
pub(super) fn tell(runs: &[Run]) -> Result<(), Failure> {
    for run in runs {
        tell_findings(run);
    }
    say("\nrevision    server                 required  not scored  warnings");
    for run in runs {
        say(row(run));
    }
    let failed: usize = runs.iter().map(|run| run.scored.len() - passed(&run.scored)).sum();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(format!("{failed} required scenarios did not pass")))
}

fn tell_findings(run: &Run) {
    let place = format!("{} {}", run.revision, run.protection);
    for (scenarios, verdict) in [(&run.scored, "FAILED"), (&run.unscored, "failed, not scored")] {
        for scenario in scenarios {
            for fault in scenario.faults() {
                say(format!("{verdict}: {place}: {}: {fault}", scenario.name));
            }
            for warning in scenario.warnings() {
                say(format!("warning: {place}: {}: {warning}", scenario.name));
            }
        }
    }
    if passed(&run.scored) < run.scored.len() {
        say(format!("hint: what the suite saw is in {}", run.dir.display()));
    }
}

fn row(run: &Run) -> String {
    let share = |scenarios: &[Scenario]| format!("{}/{}", passed(scenarios), scenarios.len());
    let all = run.scored.iter().chain(&run.unscored);
    let warnings: usize = all.map(|scenario| scenario.warnings().len()).sum();
    let (required, unscored) = (share(&run.scored), share(&run.unscored));
    format!("{}  {:21}  {required:>8}  {unscored:>10}  {warnings:>8}", run.revision, run.protection)
}

fn passed(scenarios: &[Scenario]) -> usize {
    scenarios.iter().filter(|scenario| scenario.passed()).count()
}
