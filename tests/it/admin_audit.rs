//! `mcp-admin audit`, and what the operator's own changes leave there.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::admin_folder::{Admin, Terminal, transcript};
use crate::admin_sessions::{lock, log_in};

fn events(admin: &Admin, arguments: &[&str]) -> Vec<Value> {
    let document = admin.json(&[&["audit"], arguments].concat());
    document["events"].as_array().unwrap().clone()
}

fn actions(admin: &Admin, arguments: &[&str]) -> Vec<String> {
    let action = |event: &Value| event["action"].as_str().unwrap().to_owned();
    events(admin, arguments).iter().map(action).collect()
}

#[test]
fn every_change_of_an_operator_is_recorded_once_with_who_made_it() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    admin.stdout(&["users", "update", "alice", "--note", "x"]);
    let update = ["users", "update", "alice", "--password-stdin", "--revoke-sessions"];
    assert!(admin.feed("NewPassword456!\n", &update).status.success());
    log_in(&admin, "alice", "a");
    admin.stdout(&["sessions", "revoke", "--all"]);
    lock(&admin, "alice", None);
    admin.stdout(&["users", "unlock", "alice"]);
    admin.stdout(&["users", "unlock", "alice"]);
    admin.stdout(&["users", "disable", "alice"]);
    admin.stdout(&["users", "enable", "alice"]);
    admin.stdout(&["users", "delete", "alice", "--yes"]);
    let made = admin.json(&["tokens", "add", "--note", "x"]);
    admin.stdout(&["tokens", "remove", made["id"].as_str().unwrap()]);
    let expected = [
        "add_user",
        "edit_user",
        "set_password",
        "end_session",
        "end_session",
        "unlock",
        "disable_user",
        "enable_user",
        "delete_user",
        "add_token",
        "remove_token",
    ];
    assert_eq!(actions(&admin, &[]), expected);
    for event in events(&admin, &[]) {
        assert_eq!(event["outcome"], "done");
        assert!(event["operator"].is_string(), "{event}");
    }
    let log = admin.text("audit.jsonl");
    assert!(!log.contains("Password") && !log.contains("$2b$"), "{log}");
    assert!(!log.contains(made["token"].as_str().unwrap()));
}

#[test]
fn what_changes_nothing_is_not_recorded() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    for refused in [
        ["users", "add", "alice", "--password-stdin"].as_slice(),
        &["users", "delete", "alice"],
        &["users", "update", "nobody", "--note", "x"],
        &["tokens", "remove", "token-1"],
        &["sessions", "revoke", "0123456789abcdef"],
    ] {
        assert_eq!(admin.run(refused).status.code(), Some(1), "{refused:?}");
    }
    admin.stdout(&["sessions", "revoke", "--user", "alice"]);
    assert_eq!(actions(&admin, &[]), ["add_user"]);
}

#[test]
fn events_are_told_one_a_line_and_chosen_by_user_and_by_time() {
    let admin = Admin::new();
    admin.write(
        "audit.jsonl",
        concat!(
            r#"{"v":1,"time":"2024-01-01T08:00:00.000Z","action":"login","outcome":"refused","#,
            r#""reason":"wrong_password","user":"alice","address":"192.0.2.1","#,
            r#""agent":"a\u001b[31m b\u202ec","request_id":"r-1"}"#,
            "\n",
            r#"{"v":1,"time":"2024-01-01T08:00:01.000Z","action":"login","outcome":"refused","#,
            r#""reason":"no_such_user","user":null,"known":false,"address":"192.0.2.1","count":7}"#,
            "\n",
            r#"{"v":1,"time":"2024-01-01T09:00:00.000Z","action":"remove_token","outcome":"done","#,
            r#""token":"token-1","operator":"root"}"#,
            "\n",
        ),
    );
    insta::assert_snapshot!(admin.transcript(&["audit"]), @r#"
    2024-01-01 08:00:00 login        refused wrong_password user=alice from=192.0.2.1 agent="a\u{1b}[31m b\u{202e}c" request=r-1
    2024-01-01 08:00:01 login        refused no_such_user user=(unknown) from=192.0.2.1 count=7
    2024-01-01 09:00:00 remove_token done    token=token-1 by=root
    exit 0
    "#);
    // Whoever writes next removes what is too old.
    admin.configure("audit:\n  retention_days: 36500\n");
    admin.add_user("alice", &[]);
    assert_eq!(actions(&admin, &["--user", "ALICE"]), ["login", "add_user"]);
    assert_eq!(actions(&admin, &["--since", "1h"]), ["add_user"]);
    assert_eq!(actions(&admin, &["--since", "2024-01-01T08:30:00Z"]), ["remove_token", "add_user"]);
    insta::assert_snapshot!(admin.transcript(&["audit", "--since", "-1h"]), @r"
    Error: --since takes how long ago, as in 30m, 1h, 7d or 2w, or a time
    hint: a time is written as 2026-01-31T08:00:00Z
    exit 1
    ");
}

#[test]
fn a_broken_line_is_named_and_hides_none_of_the_others() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    let log = admin.text("audit.jsonl");
    admin.write("audit.jsonl", &format!("{log}{{\"v\":1,\n{log}"));
    let read = admin.run(&["audit"]);
    let said = transcript(&read);
    assert_eq!(read.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("add_user").count(), 2, "{said}");
    assert!(said.contains("audit.jsonl:2: "), "{said}");
}

#[test]
fn following_goes_on_with_what_is_recorded_from_now_on() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    let mut command = admin.command(&["audit", "--follow", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["action"], "add_user");
    admin.stdout(&["users", "disable", "alice"]);
    assert_eq!(next()["action"], "disable_user");
    child.kill().unwrap();
    child.wait().unwrap();
    let mut terminal = Terminal::open(&admin, "audit --follow");
    terminal.wait_for(" disable_user done    user=alice");
    terminal.answer("\n", "\u{3}");
    assert_eq!(terminal.exit(), 130);
}

#[test]
fn a_log_that_cannot_be_written_keeps_no_stolen_token_alive() {
    let admin = Admin::new();
    let made = admin.json(&["tokens", "add", "--note", "x"]);
    admin.configure("audit:\n  file: missing/audit.jsonl\n");
    let removed = admin.run(&["tokens", "remove", made["id"].as_str().unwrap()]);
    let said = transcript(&removed);
    assert_eq!(removed.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: this is not in the audit log: missing"), "{said}");
    assert_eq!(admin.json(&["tokens", "list"])["total"], 0);
}
