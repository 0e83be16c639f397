//! `check`: is everything as the server needs it? It changes nothing, and goes on after a failure.

mod databases;
mod files;
mod settings;
mod users;

use std::fmt::Write as _;

use mcp_config::UserStore;
use mcp_store::StoreError;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::output::{Fault, escaped};

/// What one look came to.
struct Finding {
    what: &'static str,
    verdict: Verdict,
    detail: String,
    hint: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// The server starts, and somebody should know.
    Warn,
    /// The server could not use it.
    Fail,
}

pub(crate) fn run(with_databases: bool, desk: &Desk) -> Result<(), Fault> {
    let mut findings = Vec::new();
    match desk.loaded() {
        Ok(loaded) => {
            findings.extend(settings::check(loaded));
            findings.extend(match loaded.config.users.store {
                UserStore::File => files::check(&loaded.config, desk),
                UserStore::Postgres => {
                    let users = users::check(&loaded.config, desk);
                    users.into_iter().chain([files::audit_log(&loaded.config, desk)]).collect()
                }
            });
            if with_databases {
                findings.extend(databases::check(&loaded.config));
            }
        }
        // Nothing else is known then, not even where the files are.
        Err(fault) => findings.push(Finding::failed("configuration", &fault)),
    }
    let text: String = findings.iter().map(Finding::told).collect();
    let documents: Vec<Value> = findings.iter().map(Finding::document).collect();
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    desk.output.show(&text, &json!({ "checks": documents, "failed": failed }))?;
    match failed {
        0 => Ok(()),
        1 => Err(Fault::refused("1 check failed")),
        several => Err(Fault::refused(format!("{several} checks failed"))),
    }
}

impl Finding {
    fn new(what: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { what, verdict, detail: detail.into(), hint: None }
    }

    fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(what, Verdict::Ok, detail)
    }

    fn warn(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(what, Verdict::Warn, detail)
    }

    fn fail(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(what, Verdict::Fail, detail)
    }

    fn failed(what: &'static str, fault: &Fault) -> Self {
        Self { hint: fault.way_out().map(str::to_owned), ..Self::fail(what, fault.message()) }
    }

    fn refused(what: &'static str, error: &StoreError) -> Self {
        Self { hint: error.hint.clone(), ..Self::fail(what, error.to_string()) }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn told(&self) -> String {
        let verdict = self.verdict.word();
        let mut text = format!("{verdict:<5} {:<16} {}\n", self.what, escaped(&self.detail));
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "      hint: {}", escaped(hint));
        }
        text
    }

    fn document(&self) -> Value {
        let (verdict, detail, hint) = (self.verdict.word(), &self.detail, &self.hint);
        json!({ "check": self.what, "result": verdict, "detail": detail, "hint": hint })
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}
