//! When a session ends by itself, and what is known of it until then. Sessions of the past are put
//! into the state of a running server as the server itself puts them there.

use std::time::{Duration, SystemTime};

use mcp_identity::{Clock as _, PlainToken, SystemClock, SystemEntropy, TokenHash};
use mcp_store::LoginSession;
use mcp_store_file::{FileAccounts, FileAccountsSettings};
use serde_json::{Value, json};
use support::{Installation, Request};

use crate::accounts::{PASSWORD, closes, opens, session, with_users};
use crate::admin_sessions::open_session;

const HOUR: Duration = Duration::from_hours(1);

/// Puts a session of alice into the state, changed from one that begins now and lasts a day.
fn put(installation: &Installation, change: impl FnOnce(&mut LoginSession)) -> String {
    let folder = installation.path();
    let settings = FileAccountsSettings::new(folder.join("users.yaml"), folder).for_its_owner();
    let store = FileAccounts::open(settings, SystemTime::UNIX_EPOCH).unwrap();
    let token = PlainToken::generate(&SystemEntropy).unwrap();
    open_session(&store, "alice", |session| {
        session.hash = TokenHash::of(&token);
        change(session);
    });
    token.expose().to_owned()
}

/// Moves the beginning of a session back, and its end with it.
fn ago(session: &mut LoginSession, age: Duration) {
    session.created_at -= age;
    session.last_used = session.created_at;
    session.expires_at -= age;
}

fn sessions(installation: &Installation) -> Vec<Value> {
    let output = installation.admin(&["sessions", "list", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list["sessions"].as_array().unwrap().clone()
}

#[test]
fn a_session_lasts_a_day_from_its_login_however_much_it_is_used() {
    let installation = with_users("");
    let server = installation.start();
    let to = server.address();
    let day = 24 * HOUR;
    let old = put(&installation, |session| ago(session, 23 * HOUR));
    let over = put(&installation, |session| {
        ago(session, day);
        session.last_used = SystemClock.now();
    });
    assert!(support::eventually(|| opens(to, &old)));
    assert!(!opens(to, &over));
}

#[test]
fn a_session_that_nobody_used_for_the_idle_time_is_over() {
    let installation = with_users("    session_idle_minutes: 60\n");
    let server = installation.start();
    let to = server.address();
    let used = put(&installation, |session| {
        ago(session, 3 * HOUR);
        session.last_used = SystemClock.now() - HOUR / 2;
    });
    let unused = put(&installation, |session| ago(session, 2 * HOUR));
    assert!(support::eventually(|| opens(to, &used)));
    assert!(!opens(to, &unused));
}

#[test]
fn one_session_too_many_ends_the_one_that_was_used_least_recently() {
    let installation = with_users("    max_sessions_per_user: 2\n");
    let server = installation.start();
    let to = server.address();
    let older = put(&installation, |session| ago(session, 2 * HOUR));
    let old = put(&installation, |session| ago(session, HOUR));
    assert!(support::eventually(|| opens(to, &older) && opens(to, &old)));
    let bobs = session(to, "bob", PASSWORD);
    let newest = session(to, "alice", PASSWORD);
    assert!(!opens(to, &older), "the very next request is refused");
    assert!(opens(to, &old) && opens(to, &newest) && opens(to, &bobs));
}

#[test]
fn a_session_is_listed_with_where_it_came_from_and_by_which_agent() {
    let installation = with_users("");
    let server = installation.start();
    let to = server.address();
    let arguments = json!({ "username": "alice", "password": PASSWORD });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    for agent in ["psql-agent/1.0 (ünïcode)", &"x".repeat(300)] {
        let login = Request::mcp(&message)
            .header("User-Agent", agent)
            .header("X-Forwarded-For", "203.0.113.9")
            .send(to);
        assert_eq!(login.status, 200);
    }
    let listed = sessions(&installation);
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|session| session["address"] == "127.0.0.1"), "{listed:?}");
    let long = "x".repeat(256);
    let of = |agent: &str| listed.iter().filter(|session| session["agent"] == agent).count();
    assert_eq!(of(&long), 1, "{listed:?}");
    assert!(listed.iter().any(|session| {
        session["agent"].as_str().is_some_and(|agent| agent.starts_with("psql-agent/1.0"))
    }));
}

#[test]
fn when_a_session_was_used_last_is_written_down_by_the_minute() {
    let installation = with_users("");
    let mut server = installation.start();
    let to = server.address();
    let token = put(&installation, |session| ago(session, HOUR));
    let before = sessions(&installation)[0]["last_used"].clone();
    assert!(support::eventually(|| opens(to, &token)));
    for _ in 0..20 {
        assert!(opens(to, &token));
    }
    server.signal("TERM");
    assert!(server.wait().success());
    let after = sessions(&installation)[0]["last_used"].clone();
    // RFC 3339 sorts by time.
    assert!(after.as_str() > before.as_str(), "{after} after {before}");
    assert!(after.as_str().unwrap().ends_with(":00Z"), "{after}");
}

#[test]
fn a_session_that_another_process_ends_is_refused() {
    let installation = with_users("");
    let server = installation.start();
    let to = server.address();
    let token = session(to, "alice", PASSWORD);
    let id = sessions(&installation)[0]["id"].as_str().unwrap().to_owned();
    assert!(installation.admin(&["sessions", "revoke", &id]).status.success());
    assert!(closes(to, &token));
}
