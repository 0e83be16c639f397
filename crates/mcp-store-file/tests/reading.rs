//! What is read as a token file, and what is refused, in which words.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a failed test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mcp_store::{StoreError, StoreErrorKind, TokenRecord};
use mcp_store_file::TokenFile;
use tempfile::TempDir;

const HASH: &str = "b3f805a4c2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2";

struct Kept {
    folder: TempDir,
    path: PathBuf,
}

fn kept(text: impl AsRef<[u8]>) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    Kept { folder, path }
}

fn read(text: &str) -> Result<Vec<TokenRecord>, StoreError> {
    TokenFile::open(kept(text).path).read()
}

/// The one line that an operator reads, without the folder.
fn said(text: impl AsRef<[u8]>) -> String {
    let kept = kept(text);
    let error = TokenFile::open(&kept.path).read().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    let hint = error.hint.clone().expect("each fault has a way out");
    let folder = format!("{}/", kept.folder.path().display());
    format!("{error} ({hint})").replace(&folder, "")
}

fn entry(more: &str) -> String {
    format!("tokens:\n  - id: a\n    hash: {HASH}\n    created_at: 2024-10-30T10:15:30Z\n{more}")
}

#[test]
fn the_documented_layout_is_read_as_printed() {
    let text = format!(
        "tokens:\n  - id: token-1234567890\n    hash: {HASH}\n    note: Production API\n    \
         created_at: \"2024-10-30T10:15:30Z\"\n    expires_at: \"2025-10-30T10:15:30Z\"\n"
    );
    let records = read(&text).unwrap();
    let [record] = records.as_slice() else { panic!("one record, not {records:?}") };
    assert_eq!(record.id.as_str(), "token-1234567890");
    assert_eq!(record.hash.to_hex(), HASH);
    assert_eq!(record.note, "Production API");
    let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_730_283_330);
    assert_eq!(record.created_at, made);
    assert_eq!(record.expires_at, Some(made + Duration::from_hours(365 * 24)));
}

#[test]
fn the_layout_of_pgedge_is_read_with_its_annotation_and_its_fractions_of_a_second() {
    let text = format!(
        "tokens:\n    token-1:\n        hash: {HASH}\n        expires_at: null\n        \
         annotation: Production API\n        created_at: 2024-10-30T12:15:30.5+02:00\n        \
         database: staging\n"
    );
    let records = read(&text).unwrap();
    assert_eq!(records[0].id.as_str(), "token-1");
    assert_eq!(records[0].note, "Production API");
    assert_eq!(records[0].database.as_ref().unwrap().as_str(), "staging");
    assert_eq!(records[0].expires_at, None);
    let made = SystemTime::UNIX_EPOCH + Duration::from_millis(1_730_283_330_500);
    assert_eq!(records[0].created_at, made);
}

#[test]
fn scalars_are_text_whatever_yaml_takes_them_for() {
    let digits = "1".repeat(64);
    let text = format!(
        "tokens:\n  - id: 0x10\n    hash: {digits}\n    note: 1e3\n    created_at: \
         2024-10-30T10:15:30Z\n"
    );
    let records = read(&text).unwrap();
    assert_eq!((records[0].id.as_str(), records[0].note.as_str()), ("0x10", "1e3"));
    assert_eq!(records[0].hash.to_hex(), digits);
}

#[test]
fn only_a_file_that_says_so_has_no_tokens() {
    for text in ["tokens: []\n", "tokens: {}\n", "{}\n", "# none\ntokens: [] # yet\n"] {
        assert_eq!(read(text), Ok(vec![]), "{text:?}");
    }
    for text in
        ["", "\n", "# nothing\n", "---\n", "null\n", "tokens:\n", "tokens: null\n", "a: 1\n"]
    {
        assert!(said(text).contains("`tokens: []`"), "{text:?}: {}", said(text));
    }
}

#[test]
fn a_fault_is_named_with_file_line_and_key_and_a_way_out() {
    let second = "  - id: b\n    hash: ";
    let cases = [
        (entry("    hash: x\n"), "tokens.yaml:5: "),
        (
            entry(&format!("{second}{HASH}\n")),
            "tokens.yaml:6: tokens[1].hash: this hash appears twice",
        ),
        (entry("  - id: a\n"), "tokens.yaml:5: tokens[1].id: the id `a` appears twice"),
        (entry("  - id: b\n"), "tokens.yaml:5: tokens[1]: `hash` is missing"),
        (
            entry("    expires_at: tomorrow\n"),
            "tokens.yaml:5: tokens[0].expires_at: expected a time",
        ),
        (entry("    expires_at: [1]\n"), "tokens.yaml:5: tokens[0].expires_at: expected "),
        (entry("    read_only: yes\n"), "tokens[0].read_only: expected true or false"),
        (entry("    roles: admin\n"), "tokens[0].roles: expected a list of names"),
        (entry("    database: \"a b\"\n"), "tokens[0].database: a database name must not hold"),
        (entry("    mine: {x: 1, x: 2}\n"), "tokens.yaml:5: tokens[0].mine: duplicate"),
        (entry("    mine: 1\n    mine: 2\n"), "`mine` appears twice"),
        (entry("    mine: {<<: {a: 1}}\n"), "tokens[0]: a merge key is not accepted"),
        (entry("other: 1\ntokens: []\n"), "`tokens` appears twice"),
        (entry("    note: a\n    annotation: b\n"), "`note` appears twice"),
        ("tokens: 5\n".to_owned(), "tokens.yaml:1: tokens: expected a list of tokens"),
        ("tokens:\n  - id: [\n".to_owned(), "tokens.yaml:"),
        (entry("---\ntokens: []\n"), "more than one document"),
    ];
    for (text, expected) in cases {
        let said = said(&text);
        assert!(said.contains(expected), "expected {expected:?} in {said:?} for\n{text}");
    }
}

#[test]
fn references_and_tags_are_refused_with_their_line_and_plain_text_that_looks_alike_is_not() {
    for (more, what) in [
        ("    note: &x a\n", "an anchor"),
        ("    note: *x\n", "an alias"),
        ("    note: !!str a\n", "a tag"),
        ("    <<: {a: 1}\n", "a merge key"),
    ] {
        let said = said(entry(more));
        assert!(said.starts_with("tokens.yaml:5: "), "{said}");
        assert!(said.contains(&format!("{what} is not accepted")), "{said}");
    }
    for note in ["R&D *and* more!", "'&x'", "\"*x\"", "|\n      * a\n      & b\n      !c"] {
        assert!(read(&entry(&format!("    note: {note}\n"))).is_ok(), "{note}");
    }
}

#[test]
fn no_error_repeats_a_value() {
    let secret = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=";
    for text in [
        format!("tokens:\n  - id: a\n    hash: {secret}\n"),
        format!("tokens:\n  - {secret}\n"),
        format!("tokens: {secret}\n"),
        format!("{secret}\n"),
        format!("tokens:\n  a: {secret}\n"),
        format!("tokens:\n  a:\n    roles: {secret}\n"),
        format!("tokens:\n  a:\n    expires_at: {secret}\n"),
        format!("tokens:\n  a:\n    read_only: {secret}\n"),
        format!("tokens:\n  a:\n    hash: \"{secret}\n"),
        format!("tokens:\n  a:\n    hash: \"x, expected {secret}\"\n  b: [{secret}]\n"),
    ] {
        assert!(!said(&text).contains("O9ms"), "{}", said(&text));
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let mut bytes = entry("    note: ").into_bytes();
    bytes.extend(b"\xff\n");
    assert!(said(bytes).starts_with("tokens.yaml:5: it is not UTF-8"));
}

#[test]
fn a_file_over_the_limit_is_refused_unread() {
    let kept = kept("tokens: []\n");
    let file = fs::OpenOptions::new().write(true).open(&kept.path).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    let error = TokenFile::open(&kept.path).read().unwrap_err();
    assert!(error.to_string().ends_with("it is larger than 64 MiB"), "{error}");
}

#[test]
fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
    let kept = kept("tokens: []\n");
    for mode in [0o640, 0o604, 0o610, 0o666] {
        fs::set_permissions(&kept.path, Permissions::from_mode(mode)).unwrap();
        let error = TokenFile::open(&kept.path).read().unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Refused);
        assert_eq!(error.hint.unwrap(), format!("chmod 600 {}", kept.path.display()));
    }
    fs::set_permissions(&kept.path, Permissions::from_mode(0o400)).unwrap();
    assert_eq!(TokenFile::open(&kept.path).read(), Ok(vec![]));
}

#[test]
fn what_is_no_regular_file_is_refused_and_not_waited_for() {
    let kept = kept("tokens: []\n");
    let pipe = kept.folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [kept.folder.path().to_owned(), pipe] {
        let error = TokenFile::open(path).read().unwrap_err();
        assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
    }
}

#[test]
fn a_link_is_followed_and_one_into_nothing_is_a_missing_file() {
    let kept = kept("tokens: []\n");
    let link = kept.folder.path().join("link.yaml");
    symlink("tokens.yaml", &link).unwrap();
    assert_eq!(TokenFile::open(&link).read(), Ok(vec![]));
    fs::remove_file(&kept.path).unwrap();
    let error = TokenFile::open(&link).read().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Missing);
}

#[test]
fn an_error_is_one_line_whatever_the_file_holds() {
    for key in ["\"\\e[31m\"", "\"a\\nb\"", "\"\\u202E\""] {
        let said = said(entry(&format!("    {key}: 1\n    {key}: 2\n")));
        assert!(!said.chars().any(|c| c.is_control() || c == '\u{202e}'), "{said:?}");
    }
}
