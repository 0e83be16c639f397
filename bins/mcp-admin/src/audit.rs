//! `audit`: what happened to credentials and accounts, and which statements ran.

use std::io;
use std::ops::ControlFlow;

use mcp_store::StoreError;
use mcp_store_file::{AuditFilter, AuditLine, AuditLines, AuditReader};
use mcp_store_postgres::PostgresAuditLines;
use serde_json::{Value, json};

use crate::cli::AuditArgs;
use crate::desk::Desk;
use crate::output::{Fault, escaped, warn};
use crate::{accounts, dsn, when};

pub(crate) fn run(arguments: &AuditArgs, desk: &Desk) -> Result<(), Fault> {
    let since = arguments.since.as_deref().map(|text| {
        when::since(text, desk.now).ok_or_else(|| {
            Fault::refused("--since takes how long ago, as in 30m, 1h, 7d or 2w, or a time")
                .hint("a time is written as 2026-01-31T08:00:00Z")
        })
    });
    let filter = AuditFilter {
        since: since.transpose()?,
        user: arguments.user.as_deref().map(accounts::name).transpose()?,
    };
    let lines = Lines::of(filter, desk)?;
    if arguments.follow { follow(lines, desk) } else { list(lines, desk) }
}

/// The record, wherever it is kept.
pub(crate) enum Lines {
    Files(AuditLines),
    Rows(PostgresAuditLines),
}

impl Lines {
    /// The lines that `filter` wants.
    pub(crate) fn of(filter: AuditFilter, desk: &Desk) -> Result<Self, Fault> {
        let config = desk.config()?;
        if config.records_in_database() {
            return Ok(Self::Rows(dsn::open(desk)?.audit_lines(filter)));
        }
        let path = config.audit.file.as_ref().unwrap_or(&config.state.directory);
        Ok(Self::Files(AuditReader::new(path).lines(filter)?))
    }

    /// The next line that was written so far.
    pub(crate) fn next(&mut self, desk: &Desk) -> Option<Result<AuditLine, StoreError>> {
        match self {
            Self::Files(lines) => lines.next(),
            Self::Rows(lines) => desk.wait(lines.next()),
        }
    }

    fn wait(&mut self, desk: &Desk) -> Result<AuditLine, StoreError> {
        match self {
            Self::Files(lines) => desk.wait(lines.wait()),
            Self::Rows(lines) => desk.wait(lines.wait()),
        }
    }
}

/// Everything up to now. A line that cannot be read is told, and hides none of the others.
fn list(mut lines: Lines, desk: &Desk) -> Result<(), Fault> {
    let mut text = String::new();
    let mut events = Vec::new();
    let mut broken = None;
    while let Some(line) = lines.next(desk) {
        match line {
            Ok(line) => {
                text.push_str(&told(&line));
                events.push(document(&line)?);
            }
            Err(error) => broken = Some(unread(error)),
        }
    }
    desk.output.show(&text, &json!({ "events": events, "total": events.len() }))?;
    broken.map_or(Ok(()), |error| Err(error.into()))
}

/// Line for line, for ever. Ctrl-C ends it, and so does a reader that goes away. What goes on to be
/// wrong is told once.
fn follow(mut lines: Lines, desk: &Desk) -> Result<(), Fault> {
    let mut told_of = None;
    loop {
        let line = match lines.wait(desk) {
            Ok(line) => line,
            Err(error) => {
                if told_of.as_ref() != Some(&error) {
                    told_of = Some(unread(error));
                }
                continue;
            }
        };
        told_of = None;
        if one_more(&line, desk)?.is_break() {
            return Ok(());
        }
    }
}

fn one_more(line: &AuditLine, desk: &Desk) -> Result<ControlFlow<()>, Fault> {
    match desk.output.stream(&told(line), &document(line)?) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Fault::ours(format!("cannot write to standard output: {error}"))),
    }
}

fn unread(error: StoreError) -> StoreError {
    warn(&error.to_string());
    error
}

/// One event on one line.
fn told(line: &AuditLine) -> String {
    let reason = line.reason.as_deref().unwrap_or_default();
    let address = line.address.map(|address| address.to_string());
    let count = (line.count > 1).then(|| line.count.to_string());
    let user = if line.known { line.user.clone() } else { Some("(unknown)".to_owned()) };
    let fields = [
        ("user", user),
        ("token", line.token.clone()),
        ("session", line.session.clone()),
        ("database", line.database.clone()),
        ("command", line.command.clone()),
        ("from", address),
        ("by", line.operator.clone().or_else(|| line.principal.clone())),
        ("agent", line.agent.clone()),
        ("request", line.request_id.clone()),
        ("count", count),
    ];
    let mut words = vec![
        when::second(line.time),
        format!("{:<12}", escaped(&line.action)),
        format!("{:<7}", escaped(&line.outcome)),
    ];
    words.extend((!reason.is_empty()).then(|| escaped(reason)));
    words.extend(
        fields.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", word(&value?)))),
    );
    words.join(" ").trim_end().to_owned() + "\n"
}

/// A value that ends where it seems to end.
fn word(text: &str) -> String {
    let shown = escaped(text);
    if shown.is_empty() || shown.contains([' ', '"', '=']) {
        return format!("\"{}\"", shown.replace('"', "\\\""));
    }
    shown
}

fn document(line: &AuditLine) -> Result<Value, Fault> {
    serde_json::to_value(line).map_err(Fault::from_failure)
}
