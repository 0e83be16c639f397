//! `mcp-admin tokens rotate`: a new secret, and an end for the old one.

use std::fs;

use insta::assert_snapshot;
use mcp_store::TokenRecord;
use mcp_store_file::TokenFile;
use serde_json::Value;

use crate::admin_folder::{Admin, transcript};

/// One that never ends, with a line and keys of the operator's own.
const FILE: &str = "\
# Tokens of the shop.
tokens:
  # the website
  - id: token-1234567890   # ask Alice first
    hash: b3f805a4c2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Production API
    database: staging
    created_at: \"2024-10-30T10:15:30Z\"
    expires_at: null
    read_only: true
    pager: {team: ops, number: 5}   # ours
  - id: token-9876543210
    hash: b3f805a4d4e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Development
    created_at: \"2024-10-15T14:20:15Z\"
    expires_at: \"2024-10-16T14:20:15Z\"
contact: alice
";

const ID: &str = "token-1234567890";

fn steady(check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"Token: [\w-]{43}=", "Token: [TOKEN]");
    settings.add_filter(r"ID: token-\d{9,}(-\d+)?", "ID: token-[UNIX]");
    settings.add_filter(r"chars\): [0-9a-f]{9}\.\.\.", "chars): [9 DIGITS]...");
    settings.add_filter(r"ends \d{4}-\d{2}-\d{2} \d\d:\d\d:\d\d", "ends [TIME]");
    settings.bind(check);
}

#[test]
fn a_new_secret_is_printed_once_with_the_end_of_the_old_one() {
    let admin = Admin::with_tokens(FILE);
    steady(|| {
        assert_snapshot!(admin.transcript(&["tokens", "rotate", ID]), @r"
        Token rotated successfully:
        Token: [TOKEN]
        ID: token-[UNIX]
        Note: Production API
        Database: staging
        Expiry: Never
        Hash (first 12 chars): [9 DIGITS]...
        Replaces: token-1234567890, which ends [TIME]

        Store this token securely. It cannot be retrieved later.
        exit 0
        ");
    });
    let said = admin.stdout(&["tokens", "rotate", "B3F805A4C2", "--overlap", "0"]);
    assert!(said.contains("\nReplaces: token-1234567890, which has ended\n"), "{said}");
    let list = admin.json(&["tokens", "list"]);
    let status: Vec<_> =
        list["tokens"].as_array().unwrap().iter().map(|token| &token["status"]).collect();
    assert_eq!(status, ["expired", "expired", "valid", "valid"]);
}

#[test]
fn a_successor_has_the_rights_and_the_life_of_the_old_token() {
    let admin = Admin::new();
    let more = ["--expiry", "90d", "--database", "staging", "--role", "admin"];
    let limits = ["--tool", "query_database", "--read-only", "--db-role", "app", "--note", "x"];
    let old = admin.json(&[&["tokens", "add"][..], &more, &limits].concat());
    let new = admin.json(&["tokens", "rotate", old["id"].as_str().unwrap(), "--overlap", "2w"]);
    for key in ["note", "database", "roles", "db_role", "tools", "read_only", "status"] {
        assert_eq!(new[key], old[key], "{key}");
    }
    for key in ["token", "id", "hash_prefix"] {
        assert_ne!(new[key], old[key], "{key}");
    }
    let kept = TokenFile::open(admin.path("tokens.yaml")).read().unwrap();
    let days = |record: &TokenRecord| {
        let life = record.expires_at.unwrap().duration_since(record.created_at).unwrap();
        life.as_secs() / (24 * 3_600)
    };
    // Both were made in this minute.
    assert_eq!(kept.iter().map(days).collect::<Vec<_>>(), [14, 90]);
    assert_eq!(new["replaces"]["id"], old["id"]);
    assert!(new["replaces"]["token"].is_null());
}

#[test]
fn comments_and_foreign_keys_survive_a_rotation_and_the_token_is_nowhere_but_on_the_terminal() {
    let admin = Admin::with_tokens(FILE);
    let new = admin.json(&["tokens", "rotate", ID]);
    let text = admin.text("tokens.yaml");
    let ending = format!("expires_at: \"{}\"", new["replaces"]["expires_at"].as_str().unwrap());
    let (before, after) = FILE.split_at(FILE.find("contact:").unwrap());
    let before = before.replacen("expires_at: null", &ending, 1);
    assert!(text.starts_with(&before), "{text}");
    assert!(text.ends_with(after), "{text}");
    let added = &text[before.len()..text.len() - after.len()];
    assert!(added.starts_with(&format!("  - id: {}\n", new["id"].as_str().unwrap())), "{added}");
    let secret = new["token"].as_str().unwrap();
    for file in fs::read_dir(admin.folder()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{}", path.display());
    }
}

#[test]
fn what_cannot_be_rotated_is_refused_with_the_way_out() {
    let admin = Admin::with_tokens(FILE);
    let refused =
        |arguments: &[&str]| admin.transcript(&[&["tokens", "rotate"], arguments].concat());
    assert_snapshot!(refused(&["token-9876543210"]), @r"
    Error: the token has expired: there is nothing to hand over
    hint: make a new one: mcp-admin tokens add
    exit 1
    ");
    assert_snapshot!(refused(&["token-1"]), @r"
    Error: Token not found
    hint: use at least 8 characters of the hash, or the id: mcp-admin tokens list
    exit 1
    ");
    assert_snapshot!(refused(&["b3f805a4"]), @r"
    Error: Token not found
    hint: 2 tokens begin like this: use more characters of the hash
    exit 1
    ");
    assert_snapshot!(refused(&[ID, "--overlap", "never"]), @r"
    Error: the overlap must end: rotating replaces the old token
    hint: use 24h, say, or 0 to end the old token at once
    exit 1
    ");
    assert_snapshot!(refused(&[ID, "--overlap", "6m"]), @r"
    Error: the overlap has no unit m: months differ in length
    hint: use 180d
    exit 1
    ");
    assert_snapshot!(refused(&[ID, "--overlap", "-1h"]), @r"
    Error: the overlap is a whole number and a unit, as in 1h, 24h or 7d, or 0
    hint: use 24h, say, or 0 to end the old token at once
    exit 1
    ");
    assert_snapshot!(refused(&[ID, "--overlap", "9000y"]), @r"
    Error: the overlap lies beyond the calendar
    hint: use 24h, say
    exit 1
    ");
    assert_eq!(admin.text("tokens.yaml"), FILE);
    assert_eq!(admin.run(&["tokens", "rotate"]).status.code(), Some(64));
}

#[test]
fn a_rotation_that_is_not_stored_prints_no_token_and_ends_none() {
    let admin = Admin::with_tokens(FILE);
    // The lock file fits into the limit, the token file does not.
    let line = "while [ $(stat -c %s tokens.yaml) -lt 2000 ]; do echo '# filler filler filler' >> \
                tokens.yaml; done; cp tokens.yaml before; trap '' XFSZ; ulimit -f 1; \"$ADMIN\" \
                --config mcp-server.yaml tokens rotate token-1234567890";
    let full = admin.shell(line);
    let said = transcript(&full);
    assert_eq!(full.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot write it anew") && !said.contains("Token:"), "{said}");
    assert_eq!(admin.text("tokens.yaml"), fs::read_to_string(admin.path("before")).unwrap());
}

#[test]
fn a_new_secret_that_nobody_could_read_is_named_so_that_it_can_be_removed() {
    let admin = Admin::with_tokens(FILE);
    let line = "\"$ADMIN\" --config mcp-server.yaml tokens rotate token-1234567890 > /dev/full";
    let said = transcript(&admin.shell(line));
    let id = said.lines().find_map(|line| line.split("tokens remove ").nth(1)).unwrap();
    assert_eq!(admin.run(&["tokens", "remove", id]).status.code(), Some(0));
}

#[test]
fn a_rotation_is_in_the_audit_log_under_both_ids() {
    let admin = Admin::with_tokens(FILE);
    let new = admin.json(&["tokens", "rotate", ID]);
    let events = admin.json(&["audit"])["events"].clone();
    let told: Vec<_> = events.as_array().unwrap().iter().collect();
    let of = |event: &Value| (event["action"].clone(), event["token"].clone());
    let told: Vec<_> = told.into_iter().map(of).collect();
    let expected = [("rotate_token".into(), ID.into()), ("add_token".into(), new["id"].clone())];
    assert_eq!(told, expected, "{events}");
}
