//! Credentials in PostgreSQL: what a person, an operator and a hand at psql do, as servers see it.

mod admin;
mod first_users;
mod last_admin;
mod outage;
mod outage_rest;
pub(crate) mod printed;
mod servers;
mod tls;

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::{Installation, Request, Response, ServerProcess, eventually};

pub(crate) const PASSWORD: &str = "SecurePassword123!";
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;

/// Cheap hashes, and no floor under the time of an answer: nothing here measures time.
pub(crate) const QUICK: &str =
    "passwords:\n  argon2_memory_kib: 8192\n  argon2_time: 1\n  min_response_ms: 0\n";

/// An installation whose credentials are in a database `people` of their own, which the login
/// `keeper` may fill. `users` goes under `users` in the configuration.
pub(crate) fn installed(users: &str) -> Installation {
    let installation = Installation::new("CREATE TABLE t (id int); INSERT INTO t VALUES (7)");
    let postgres = installation.postgres();
    postgres.execute("postgres", "CREATE ROLE keeper LOGIN").unwrap();
    postgres.execute("postgres", "CREATE DATABASE people").unwrap();
    postgres.execute("people", "GRANT USAGE, CREATE ON SCHEMA public TO keeper").unwrap();
    let dsn = postgres.dsn_as("keeper", "people");
    installation.write_config(&format!("{QUICK}users:\n  database_dsn: \"{dsn}\"\n{users}"));
    installation
}

fn log_in(to: SocketAddr, name: &str, password: &str) -> Response {
    let arguments = json!({ "username": name, "password": password });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    Request::mcp(&message).send(to)
}

/// The session token of a login that works.
pub(crate) fn session(to: SocketAddr, name: &str, password: &str) -> String {
    let answer = log_in(to, name, password).json();
    let text = answer["result"]["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("no session: {answer}"));
    let said: Value = serde_json::from_str(text).unwrap();
    said["session_token"].as_str().unwrap().to_owned()
}

pub(crate) fn logs_in(to: SocketAddr, name: &str, password: &str) -> bool {
    log_in(to, name, password).json()["result"].is_object()
}

/// The status of a request with this token.
pub(crate) fn status(to: SocketAddr, token: &str) -> u16 {
    Request::raw_mcp(LIST).bearer(token).send(to).status
}

pub(crate) fn opens(to: SocketAddr, token: &str) -> bool {
    status(to, token) == 200
}

/// Waits until a token is refused; word of a change takes a moment.
pub(crate) fn closes(to: SocketAddr, token: &str) -> bool {
    eventually(|| status(to, token) == 401)
}

/// Runs SQL as somebody at psql would, in the database of the credentials.
pub(crate) fn by_hand(installation: &Installation, sql: &str) -> String {
    installation.postgres().execute("people", sql).unwrap()
}

fn said(server: &ServerProcess, words: &str) -> bool {
    server.log().contains(words)
}

#[test]
fn a_login_and_a_token_open_the_door_until_they_are_ended() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let token = installation.add_token(&[]);
    let server = installation.start();
    let to = server.address();
    let (one, two) = (session(to, "alice", PASSWORD), session(to, "ALICE", PASSWORD));
    assert!(opens(to, &one) && opens(to, &two) && opens(to, &token));
    assert_eq!(status(to, installation.token()), 401, "the file of tokens is not read");

    let logout = Request::new("POST", "/auth/logout").bearer(&one).send(to);
    assert_eq!((logout.status, logout.text()), (200, r#"{"message":"Logged out successfully"}"#));
    assert!(!opens(to, &one), "the very next request is refused");
    assert!(opens(to, &two), "the other session goes on");
    let id = installation.newest_id();
    assert!(installation.admin(&["tokens", "remove", &id]).status.success());
    assert!(closes(to, &token));
}

#[test]
fn the_start_says_what_is_in_force_and_shows_no_password() {
    let installation = installed("");
    let postgres = installation.postgres();
    let (host, port) = (postgres.socket_dir(), postgres.port());
    let dsn =
        format!("host={} port={port} user=keeper password=sesame dbname=people", host.display());
    installation.write_config(&format!("{QUICK}users:\n  database_dsn: \"{dsn}\"\n"));
    installation.add_user("alice", PASSWORD);
    let server = installation.start();
    let _ = server.address();
    for words in [
        "Loaded 0 API token(s) from postgresql://keeper:***@",
        "Loaded 1 user(s) from postgresql://keeper:***@",
        "Nobody is admin yet: mcp-admin users add NAME --role admin",
        "User store: at most 25 connections, 5 of them idle",
        "While the user store is down, who was known last is let in for 300 s",
        "Account lockout: after 5 failed logins, for 15 minutes",
        "http.auth.token_file is not read: users.store is postgres",
        "Hearing of changes from other servers",
        "Authentication is on: API tokens and user accounts",
    ] {
        assert!(said(&server, words), "no {words:?} in:\n{}", server.log());
    }
    assert!(!said(&server, "sesame"));
    let hash = by_hand(&installation, "SELECT password_hash FROM users");
    assert!(hash.starts_with("$argon2id$"), "{hash}");
}

#[test]
fn a_session_ends_with_the_account_whoever_disables_it() {
    let installation = installed("");
    let server = {
        installation.add_user("alice", PASSWORD);
        installation.start()
    };
    let to = server.address();
    let first = session(to, "alice", PASSWORD);
    assert!(installation.admin(&["users", "disable", "alice"]).status.success());
    assert!(closes(to, &first));
    assert!(installation.admin(&["users", "enable", "alice"]).status.success());
    assert!(eventually(|| logs_in(to, "alice", PASSWORD)));
    assert!(!opens(to, &first), "who is enabled again logs in again");

    let second = session(to, "alice", PASSWORD);
    by_hand(&installation, "UPDATE users SET active = false WHERE username = 'alice'");
    assert!(closes(to, &second));
    assert!(!logs_in(to, "alice", PASSWORD));
}

#[test]
fn a_hash_that_is_pasted_by_hand_logs_in_and_ends_the_sessions_of_the_old_one() {
    let installation = installed("");
    let server = installation.start();
    let to = server.address();
    let hash = |password: &str| {
        let hashed = installation.admin_reading(&["hash-password"], &format!("{password}\n"));
        String::from_utf8(hashed.stdout).unwrap().trim().to_owned()
    };
    by_hand(
        &installation,
        &format!(
            "INSERT INTO users (username, password_hash, roles, active) \
             VALUES ('admin', '{}', '[\"admin\"]'::jsonb, true)",
            hash(PASSWORD)
        ),
    );
    let old = session(to, "admin", PASSWORD);
    let set = format!("UPDATE users SET password_hash = '{}'", hash("NewPassword456!"));
    by_hand(&installation, &format!("{set} WHERE username = 'admin'"));
    assert!(closes(to, &old));
    assert!(logs_in(to, "admin", "NewPassword456!") && !logs_in(to, "admin", PASSWORD));
}

#[test]
fn five_failures_lock_and_the_documented_statement_unlocks() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let server = installation.start();
    let to = server.address();
    let before = session(to, "alice", PASSWORD);
    for attempt in 0..5 {
        assert!(!logs_in(to, "alice", &format!("Wrong{attempt}Password")));
    }
    assert!(!logs_in(to, "alice", PASSWORD), "it is locked");
    assert!(opens(to, &before), "a lock refuses passwords, not sessions");
    let locked = "SELECT username, locked_until, failed_login_attempts FROM users \
                  WHERE locked_until IS NOT NULL AND locked_until > NOW()";
    assert!(by_hand(&installation, locked).contains("alice"));
    by_hand(&installation, "UPDATE users SET locked_until = NULL WHERE username = 'alice'");
    assert!(logs_in(to, "alice", PASSWORD));
}
