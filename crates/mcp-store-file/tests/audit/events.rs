//! Looking back: the newest first, page by page, and no further than a request may cost.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::Duration;

use mcp_store::{AuditEvents as _, AuditFilter, AuditLine, AuditPage};
use mcp_store_file::FileEvents;

use crate::support::*;

const DAYS: [&str; 3] = ["2026-11-19", "2026-11-20", "2026-11-21"];

/// Alice and two of the day log in, on each of three days.
async fn three_days() -> Log {
    let log = Log::new();
    for (number, day) in DAYS.iter().enumerate() {
        let noon = format!("{day}T12:00:00Z");
        log.clock.set(&noon);
        let of_day = [format!("u{number}"), "Alice".to_owned(), format!("v{number}")];
        log.write(of_day.iter().map(|name| login(&noon, name))).await;
    }
    log
}

async fn look(log: &Log, filter: AuditFilter, limit: usize, offset: usize) -> Vec<AuditLine> {
    let events = FileEvents::new(log.folder.path());
    events.newest(AuditPage { filter, limit, offset }).await.unwrap()
}

async fn all(log: &Log) -> Vec<AuditLine> {
    look(log, AuditFilter::default(), 100, 0).await
}

fn append(log: &Log, text: &str) {
    let mut file = OpenOptions::new().append(true).open(log.current()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn line_of(name: &str) -> String {
    format!(
        "{{\"v\":1,\"time\":\"{NOON}\",\"action\":\"login\",\"outcome\":\"done\",\"user\":\"{name}\"}}\n"
    )
}

#[tokio::test]
async fn the_newest_come_first_over_all_files_and_in_pages() {
    let log = three_days().await;
    let newest = all(&log).await;
    let expected = ["v2", "Alice", "u2", "v1", "Alice", "u1", "v0", "Alice", "u0"];
    assert_eq!(users(&newest), expected);
    for limit in 1..=expected.len() {
        let mut paged = Vec::new();
        for offset in (0..expected.len()).step_by(limit) {
            paged.extend(look(&log, AuditFilter::default(), limit, offset).await);
        }
        assert_eq!(users(&paged), expected, "{limit} at once");
    }
    assert_eq!(look(&log, AuditFilter::default(), 5, 9).await, []);
}

#[tokio::test]
async fn the_lines_of_one_account_are_found_since_a_time_and_no_others() {
    let log = three_days().await;
    let of_alice = |since: Option<&str>| {
        let filter = AuditFilter { user: Some(user("aLiCe")), since: since.map(at) };
        look(&log, filter, 100, 0)
    };
    assert_eq!(users(&of_alice(None).await), ["Alice"; 3]);
    let since = of_alice(Some("2026-11-20T12:00:00Z")).await;
    assert_eq!(since.len(), 2);
    assert!(since.iter().all(|line| line.time >= at("2026-11-20T12:00:00Z")));
}

#[tokio::test]
async fn what_is_being_written_broken_or_too_long_is_passed_over() {
    let log = three_days().await;
    append(&log, "nonsense\n{\"v\":7}\n");
    // Its end alone would be a line of its own.
    append(&log, &format!("{}{}", " ".repeat(200_000), line_of("long")));
    append(&log, &line_of("carol"));
    append(&log, line_of("torn").trim_end());
    let newest = all(&log).await;
    assert_eq!(users(&newest)[..3], ["carol", "v2", "Alice"]);
    assert_eq!(newest.len(), 10);
    append(&log, "\n");
    assert_eq!(users(&all(&log).await)[..2], ["torn", "carol"]);
}

#[tokio::test]
async fn a_log_of_any_length_is_looked_back_8_mib_and_no_further() {
    let log = Log::new();
    log.write([login(NOON, "first")]).await;
    let other = line_of("other");
    append(&log, &other.repeat(9 * 1024 * 1024 / other.len()));
    let of_first = || AuditFilter { user: Some(user("first")), since: None };
    assert_eq!(look(&log, of_first(), 100, 0).await, []);
    let most = look(&log, AuditFilter::default(), 5_000, 0).await;
    assert_eq!(most.len(), 100, "whatever is asked for");
    let text = fs::read_to_string(log.current()).unwrap();
    fs::write(log.current(), &text[..7 * 1024 * 1024]).unwrap();
    assert_eq!(users(&look(&log, of_first(), 100, 0).await), ["first"]);
}

#[tokio::test]
async fn a_log_that_is_not_there_tells_nothing_and_a_folder_that_is_not_is_an_error() {
    let log = Log::new();
    assert_eq!(all(&log).await, []);
    let nowhere = FileEvents::new(log.path("nowhere/audit.jsonl"));
    let page = AuditPage { filter: AuditFilter::default(), limit: 1, offset: 0 };
    assert!(nowhere.newest(page).await.is_err());
}

#[tokio::test]
async fn who_does_not_wait_for_the_answer_holds_up_nobody() {
    let log = three_days().await;
    let events = FileEvents::new(log.folder.path());
    let page = || AuditPage { filter: AuditFilter::default(), limit: 1, offset: 0 };
    for _ in 0..20 {
        let _ = tokio::time::timeout(Duration::ZERO, events.newest(page())).await;
    }
    assert_eq!(users(&events.newest(page()).await.unwrap()), ["v2"]);
}
