//! A new file each day, and old ones removed.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;

use mcp_identity::AuditLog as _;
use mcp_store_file::{AuditFile, AuditFileSettings};

use crate::support::*;

const EVE: &str = "2026-11-21T23:59:59.900Z";
const MORNING: &str = "2026-11-22T00:00:00.100Z";

fn leave(log: &Log, name: &str, text: &str) {
    fs::write(log.path(name), text).unwrap();
    fs::set_permissions(log.path(name), Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn at_midnight_the_file_gets_its_day_and_a_reader_follows() {
    let log = Log::new();
    log.clock.set(EVE);
    let (audit, writer) = log.open().unwrap();
    let running = tokio::spawn(writer.run(std::future::pending()));
    let mut lines = log.follow();
    audit.record(login(EVE, "alice"));
    assert_eq!(users(&[lines.wait().await.unwrap()]), ["alice"]);

    log.clock.set(MORNING);
    audit.record(login(MORNING, "bob"));
    assert_eq!(users(&[lines.wait().await.unwrap()]), ["bob"]);
    assert_eq!(log.files(), ["audit-2026-11-21.jsonl", "audit.jsonl"]);
    assert!(log.text("audit-2026-11-21.jsonl").contains("alice"));
    assert!(!log.text("audit.jsonl").contains("alice"));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_day_on_which_nothing_more_happens_is_ended_as_well() {
    let log = Log::new();
    log.clock.set(EVE);
    let (audit, writer) = log.open().unwrap();
    audit.record(login(EVE, "alice"));
    let running = tokio::spawn(writer.run(std::future::pending()));
    log.follow().wait().await.unwrap();
    log.clock.set(MORNING);
    // Time is held: the writer's own timer is what makes it go on.
    while log.files().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(log.files(), ["audit-2026-11-21.jsonl", "audit.jsonl"]);
    running.abort();
}

#[tokio::test]
async fn what_an_earlier_day_left_is_ended_at_start() {
    let log = Log::new();
    log.write([login(NOON, "alice")]).await;
    log.clock.set("2026-11-25T08:00:00Z");
    log.write([login("2026-11-25T08:00:00Z", "bob")]).await;
    assert_eq!(log.files(), ["audit-2026-11-21.jsonl", "audit.jsonl"]);
    assert_eq!(users(&log.lines()), ["alice", "bob"]);
}

#[tokio::test]
async fn an_empty_file_is_not_kept_as_a_day() {
    let log = Log::new();
    log.write([]).await;
    log.clock.set(MORNING);
    log.write([]).await;
    assert_eq!(log.files(), ["audit.jsonl"]);
}

#[tokio::test]
async fn a_clock_that_jumps_overwrites_no_day_and_leaves_none_of_the_future() {
    let log = Log::new();
    log.clock.set("2036-01-01T00:00:00Z");
    log.write([login("2036-01-01T00:00:00Z", "ahead")]).await;
    log.clock.set(NOON);
    log.write([login(NOON, "alice")]).await;
    log.clock.set(MORNING);
    log.write([login(MORNING, "bob")]).await;
    let files = ["audit-2026-11-21.1.jsonl", "audit-2026-11-21.jsonl", "audit.jsonl"];
    assert_eq!(log.files(), files);
    assert_eq!(users(&log.lines()), ["ahead", "alice", "bob"]);
}

#[tokio::test]
async fn files_go_when_their_time_is_over_and_nothing_else_does() {
    let log = Log::new();
    for name in [
        "audit-2025-01-01.jsonl",
        "audit-2026-11-10.jsonl",
        "audit-2026-11-11.jsonl",
        "audit-2026-11-20.jsonl",
        "audit-2025-01-01.jsonl.gz",
        "audit-notes.jsonl",
        "tokens.yaml",
    ] {
        leave(&log, name, "");
    }
    let retention_days = NonZeroU32::new(10);
    let settings =
        AuditFileSettings { retention_days, ..AuditFileSettings::new(log.folder.path()) };
    let (_, writer) = AuditFile::open(settings.clone(), log.clock.clone()).unwrap();
    writer.run(async {}).await.unwrap();
    let kept = [
        "audit-2025-01-01.jsonl.gz",
        "audit-2026-11-11.jsonl",
        "audit-2026-11-20.jsonl",
        "audit-notes.jsonl",
        "audit.jsonl",
        "tokens.yaml",
    ];
    assert_eq!(log.files(), kept);

    let for_ever = AuditFileSettings { retention_days: None, ..settings };
    log.clock.set("2036-01-01T00:00:00Z");
    let (_, writer) = AuditFile::open(for_ever, log.clock.clone()).unwrap();
    writer.run(async {}).await.unwrap();
    assert_eq!(log.files(), kept);
}

#[tokio::test]
async fn a_torn_last_line_is_ended_before_the_next_one() {
    let log = Log::new();
    log.write([login(NOON, "alice")]).await;
    let mut file = OpenOptions::new().append(true).open(log.current()).unwrap();
    file.write_all(br#"{"v":1,"time":"2026-11-21T12:00"#).unwrap();
    log.write([login(NOON, "bob")]).await;

    let read: Vec<_> = log.follow().collect();
    let [Ok(alice), Err(torn), Ok(bob)] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(users(&[alice.clone(), bob.clone()]), ["alice", "bob"]);
    assert!(torn.place.ends_with("audit.jsonl:2"), "{torn}");
}

#[tokio::test(start_paused = true)]
async fn two_processes_write_one_log_also_over_midnight() {
    let log = Log::new();
    log.clock.set(EVE);
    let (server, of_server) = log.open().unwrap();
    let (tool, of_tool) = log.open().unwrap();
    let running = tokio::spawn(of_server.run(std::future::pending()));
    let mut lines = log.follow();
    server.record(login(EVE, "first"));
    assert_eq!(users(&[lines.wait().await.unwrap()]), ["first"]);

    // The tool, whose file is that of yesterday by now, writes first.
    log.clock.set(MORNING);
    tool.record(login(MORNING, "second"));
    of_tool.run(async {}).await.unwrap();
    server.record(login(MORNING, "third"));
    assert_eq!(users(&[lines.wait().await.unwrap()]), ["second"]);
    assert_eq!(users(&[lines.wait().await.unwrap()]), ["third"]);
    assert_eq!(log.files(), ["audit-2026-11-21.jsonl", "audit.jsonl"]);
    running.abort();
}
