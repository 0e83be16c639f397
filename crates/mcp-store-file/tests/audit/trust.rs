//! Which file is taken for the log, and how a new one is made.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

use mcp_store::StoreErrorKind;
use mcp_store_file::{AuditFile, AuditFileSettings};
use rustix::fs::Mode;

use crate::support::*;

fn mode(log: &Log, name: &str) -> u32 {
    fs::metadata(log.path(name)).unwrap().mode() & 0o7777
}

/// The line that an operator reads, without the folder.
fn refusal(log: &Log) -> String {
    let error = log.open().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    let hint = error.hint.clone().expect("each fault has a way out");
    format!("{error} ({hint})").replace(&format!("{}/", log.folder.path().display()), "")
}

#[tokio::test]
async fn every_file_is_0600_though_the_umask_takes_nothing_away() {
    let log = Log::new();
    let before = rustix::process::umask(Mode::empty());
    log.write([login(NOON, "alice")]).await;
    log.clock.set("2026-11-22T00:00:00Z");
    log.write([login("2026-11-22T00:00:00Z", "bob")]).await;
    rustix::process::umask(before);
    let files = log.files();
    assert_eq!(files.len(), 2);
    for name in files {
        assert_eq!(mode(&log, &name), 0o600, "{name}");
    }
}

#[test]
fn a_link_is_not_followed_even_to_a_file_of_ours() {
    let log = Log::new();
    fs::write(log.path("target"), "").unwrap();
    fs::set_permissions(log.path("target"), Permissions::from_mode(0o600)).unwrap();
    symlink("target", log.current()).unwrap();
    assert_eq!(refusal(&log), "audit.jsonl: it is a link (name the file itself in audit.file)");
    fs::remove_file(log.path("target")).unwrap();
    assert!(refusal(&log).contains("it is a link"), "nor is one that leads nowhere");
}

#[test]
fn a_file_that_others_may_read_or_that_has_a_second_name_is_refused() {
    let log = Log::new();
    fs::write(log.current(), "").unwrap();
    fs::set_permissions(log.current(), Permissions::from_mode(0o640)).unwrap();
    assert!(refusal(&log).contains("its mode is 0640"));
    fs::set_permissions(log.current(), Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(log.current(), log.path("second")).unwrap();
    assert!(refusal(&log).contains("not a regular file with one name"));
    fs::remove_file(log.path("second")).unwrap();
    assert!(log.open().is_ok());
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused() {
    let log = Log::new();
    fs::create_dir(log.current()).unwrap();
    assert_eq!(log.open().unwrap_err().kind, StoreErrorKind::Down);
}

#[tokio::test]
async fn the_file_of_another_user_is_refused_but_to_the_tool_of_root_which_leaves_it_to_him() {
    const SERVICE: u32 = 4242;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let log = Log::new();
    chown(log.folder.path(), Some(SERVICE), Some(SERVICE)).unwrap();
    let for_its_owner =
        AuditFileSettings { for_its_owner: true, ..AuditFileSettings::new(log.folder.path()) };
    let (_, writer) = AuditFile::open(for_its_owner.clone(), log.clock.clone()).unwrap();
    writer.run(async {}).await.unwrap();
    assert_eq!(fs::metadata(log.current()).unwrap().uid(), SERVICE);
    assert!(refusal(&log).contains("owns it: whoever owns it can rewrite it"));
    assert!(AuditFile::open(for_its_owner, log.clock.clone()).is_ok());
}

#[tokio::test]
async fn a_log_may_lie_elsewhere_under_another_name() {
    let log = Log::new();
    let settings = AuditFileSettings::new(log.path("who-was-it.log"));
    let (_, writer) = AuditFile::open(settings, log.clock.clone()).unwrap();
    writer.run(async {}).await.unwrap();
    assert_eq!(log.files(), ["who-was-it.log"]);
}
