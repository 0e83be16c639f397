//! Reading the log back, while it grows and over its files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use mcp_store::StoreErrorKind;
use mcp_store_file::{AuditFilter, AuditLine, AuditLines, AuditReader};

use crate::support::*;

const DAYS: [&str; 4] = ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"];

fn noon(day: &str) -> String {
    format!("{day}T12:00:00Z")
}

/// A login of alice and one of bob at noon of each day.
async fn four_days() -> Log {
    let log = Log::new();
    for day in DAYS {
        log.clock.set(&noon(day));
        log.write([login(&noon(day), "Alice"), login(&noon(day), "bob")]).await;
    }
    log
}

fn append(log: &Log, text: &str) {
    let mut file = OpenOptions::new().append(true).open(log.current()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn text_of(name: &str) -> String {
    format!(
        "{{\"v\":1,\"time\":\"{NOON}\",\"action\":\"login\",\"outcome\":\"done\",\"user\":\"{name}\"}}\n"
    )
}

fn next_users(lines: &mut AuditLines) -> Vec<String> {
    lines.map(|line| line.unwrap().user.unwrap()).collect()
}

#[tokio::test]
async fn lines_come_in_order_over_all_files_since_a_time() {
    let log = four_days().await;
    let times: Vec<_> = log.lines().iter().map(|line| line.time).collect();
    assert_eq!(times.len(), 8);
    assert!(times.is_sorted());
    let since = Some(at("2026-11-20T12:00:00Z"));
    let lines = log.reader().lines(AuditFilter { since, user: None }).unwrap();
    let days: Vec<_> = lines.map(|line| line.unwrap().time).collect();
    let (third, fourth) = (at(&noon(DAYS[2])), at(&noon(DAYS[3])));
    assert_eq!(days, [third, third, fourth, fourth]);
}

#[tokio::test]
async fn a_user_is_found_however_his_name_is_spelt() {
    let log = four_days().await;
    let filter = AuditFilter { user: Some(user("aLICE")), since: None };
    let lines: Vec<AuditLine> = log.reader().lines(filter).unwrap().map(Result::unwrap).collect();
    assert_eq!(users(&lines), ["Alice"; 4]);
}

#[tokio::test]
async fn a_broken_line_and_one_of_another_version_are_told_with_their_place_and_skipped() {
    let log = four_days().await;
    append(&log, "{\"v\":7,\"when\":\"later\"}\nnonsense\n\u{0}\n");
    append(&log, &text_of("carol"));
    let told: Vec<_> = log.follow().skip(8).collect();
    let [Err(newer), Err(nonsense), Err(zero), Ok(carol)] = told.as_slice() else {
        panic!("{told:?}")
    };
    let folder = format!("{}/", log.folder.path().display());
    let said = |error: &mcp_store::StoreError| error.to_string().replace(&folder, "");
    assert_eq!(said(newer), "audit.jsonl:3: its version is 7, and only 1 is known");
    assert_eq!(said(nonsense), "audit.jsonl:4: no line of an audit log, from column 2 on");
    assert!(said(zero).starts_with("audit.jsonl:5: "));
    assert_eq!(carol.user.as_deref(), Some("carol"));
}

#[tokio::test]
async fn a_line_without_end_is_broken_and_bounded() {
    let log = four_days().await;
    append(&log, &format!("{}\n{}", "x".repeat(1_000_000), text_of("carol")));
    let told: Vec<_> = log.follow().skip(8).collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].is_err());
    assert_eq!(told[1].as_ref().unwrap().user.as_deref(), Some("carol"));
}

#[tokio::test]
async fn a_line_that_is_being_written_is_returned_when_it_is_whole() {
    let log = four_days().await;
    let mut lines = log.follow();
    assert_eq!(next_users(&mut lines).len(), 8);
    let line = text_of("carol");
    append(&log, &line[..20]);
    assert!(lines.next().is_none());
    append(&log, &line[20..]);
    assert_eq!(next_users(&mut lines), ["carol"]);
    assert!(lines.next().is_none());
}

#[tokio::test]
async fn a_reader_that_slept_for_days_misses_none() {
    let log = Log::new();
    log.clock.set(&noon(DAYS[0]));
    log.write([login(&noon(DAYS[0]), "zero")]).await;
    let mut lines = log.follow();
    assert_eq!(next_users(&mut lines), ["zero"]);
    append(&log, &text_of("late").replace("2026-11-21", DAYS[0]));
    for (day, name) in DAYS[1..].iter().zip(["one", "two", "three"]) {
        log.clock.set(&noon(day));
        log.write([login(&noon(day), name)]).await;
    }
    assert_eq!(next_users(&mut lines), ["late", "one", "two", "three"]);
}

#[tokio::test]
async fn a_file_that_is_removed_or_moved_while_it_is_read_does_not_lose_the_place() {
    let log = four_days().await;
    let mut lines = log.follow();
    lines.next();
    fs::remove_file(log.path("audit-2026-11-18.jsonl")).unwrap();
    assert_eq!(next_users(&mut lines).len(), 7);
    fs::rename(log.current(), log.path("audit.jsonl.1")).unwrap();
    log.write([login(NOON, "carol")]).await;
    assert_eq!(next_users(&mut lines), ["carol"]);
}

#[tokio::test]
async fn a_file_that_was_emptied_is_read_from_its_start_and_that_is_told() {
    let log = four_days().await;
    let mut lines = log.follow();
    assert_eq!(next_users(&mut lines).len(), 8);
    fs::write(log.current(), text_of("carol")).unwrap();
    assert_eq!(lines.next().unwrap().unwrap_err().kind, StoreErrorKind::Refused);
    assert!(lines.next().is_none(), "it ends for now");
    assert_eq!(next_users(&mut lines), ["carol"]);
}

#[tokio::test]
async fn a_log_that_is_not_there_yet_has_no_lines_and_a_folder_that_is_not_is_an_error() {
    let log = Log::new();
    let mut lines = log.follow();
    assert!(lines.next().is_none());
    log.write([login(NOON, "alice")]).await;
    assert_eq!(next_users(&mut lines), ["alice"]);
    let nowhere = AuditReader::new(log.path("nowhere/audit.jsonl"));
    let error = nowhere.lines(AuditFilter::default()).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Missing);
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for() {
    let log = Log::new();
    let pipe = std::process::Command::new("mkfifo").arg(log.current()).status().unwrap();
    assert!(pipe.success());
    let mut lines = log.follow();
    assert_eq!(lines.next().unwrap().unwrap_err().kind, StoreErrorKind::Refused);
    assert!(lines.next().is_none());
}
