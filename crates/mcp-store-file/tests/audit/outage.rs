//! A disk that takes nothing, or not everything.

use std::fs;
use std::process::Command;

use mcp_identity::AuditLog as _;
use rustix::process::{Resource, getrlimit};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_waits_and_nothing_is_lost() {
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    let running = tokio::spawn(writer.run(std::future::pending()));
    let mut lines = log.follow();
    audit.record(login(NOON, "before"));
    assert_eq!(users(&[lines.wait().await.unwrap()]), ["before"]);

    // A folder stands in its place: neither can the log be opened, nor made anew.
    fs::rename(log.current(), log.path("audit-2026-11-20.jsonl")).unwrap();
    fs::create_dir(log.current()).unwrap();
    for number in 0..100 {
        audit.record(login(NOON, &number.to_string()));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    fs::remove_dir(log.current()).unwrap();
    for number in 0..100 {
        assert_eq!(users(&[lines.wait().await.unwrap()]), [number.to_string()]);
    }
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ends_with_the_server_loses_nothing_either() {
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    fs::remove_file(log.current()).unwrap();
    fs::create_dir(log.current()).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(writer.run(async {
        let _ = stopped.await;
    }));
    audit.record(login(NOON, "tried"));
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    audit.record(login(NOON, "waiting"));
    fs::remove_dir(log.current()).unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(users(&log.lines()), ["tried", "waiting"]);
}

#[tokio::test]
async fn a_file_that_somebody_removed_is_made_anew() {
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    fs::remove_file(log.current()).unwrap();
    audit.record(login(NOON, "alice"));
    writer.run(async {}).await.unwrap();
    assert_eq!(users(&log.lines()), ["alice"]);
}

#[tokio::test]
async fn what_is_unwritten_at_the_end_is_told_with_its_number() {
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    audit.record(login(NOON, "alice"));
    audit.record(login(NOON, "bob"));
    fs::remove_file(log.current()).unwrap();
    fs::create_dir(log.current()).unwrap();
    let error = writer.run(async {}).await.unwrap_err();
    assert!(error.fault.ends_with("; 2 lines of the audit log are lost"), "{error}");
}

/// The limit on the size of files, which fails a write in the middle of a line as a full disk
/// does, is one of the process: the tests here run themselves again under it.
fn is_limited() -> bool {
    getrlimit(Resource::Fsize).current.is_some_and(|limit| limit < 100_000)
}

fn again_on_a_full_disk(test: &str) {
    let limited = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 16; exec "$@""#, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&limited.stdout);
    assert!(limited.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_tears_no_line_and_loses_none_when_there_is_room_again() {
    if !is_limited() {
        return again_on_a_full_disk(
            "outage::a_disk_that_is_full_tears_no_line_and_loses_none_when_there_is_room_again",
        );
    }
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    let running = tokio::spawn(writer.run(std::future::pending()));
    let mut lines = log.follow();
    for number in 0..60 {
        audit.record(login(NOON, &number.to_string()));
    }
    for number in 0..30 {
        assert_eq!(users(&[lines.wait().await.unwrap()]), [number.to_string()]);
    }
    assert!(log.text("audit.jsonl").len() <= 8_192);
    // The next day's file has room.
    log.clock.set("2026-11-22T00:00:00Z");
    for number in 30..60 {
        assert_eq!(users(&[lines.wait().await.unwrap()]), [number.to_string()]);
    }
    assert!(log.text("audit-2026-11-21.jsonl").ends_with("}\n"));
    running.abort();
}

#[tokio::test]
async fn a_disk_that_stays_full_holds_whole_lines_and_the_rest_is_counted() {
    if !is_limited() {
        return again_on_a_full_disk(
            "outage::a_disk_that_stays_full_holds_whole_lines_and_the_rest_is_counted",
        );
    }
    let log = Log::new();
    let (audit, writer) = log.open().unwrap();
    for number in 0..100 {
        audit.record(login(NOON, &number.to_string()));
    }
    let error = writer.run(async {}).await.unwrap_err();
    let written = log.lines().len();
    assert!((20..100).contains(&written));
    let lost = format!("; {} lines of the audit log are lost", 100 - written);
    assert!(error.fault.ends_with(&lost), "{error}");
}
