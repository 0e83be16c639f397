//! People with accounts: a name and a password for a session, and all that ends one.

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::{Installation, Request, Response};

pub(crate) const PASSWORD: &str = "SecurePassword123!";
pub(crate) const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;

/// Cheap hashes, and no floor under the time of an answer: nothing here measures time.
pub(crate) const QUICK: &str = "passwords:\n  bcrypt_cost: 4\n  min_response_ms: 0\n";

const LOCKS_AFTER_TWO: &str = "    max_failed_attempts_before_lockout: 2\n";

/// An installation with the users `alice` and `bob`.
/// `auth` goes under `http.auth`.
pub(crate) fn with_users(auth: &str) -> Installation {
    let installation = Installation::new("CREATE TABLE t (id int); INSERT INTO t VALUES (7)");
    installation.write_config_with_users(auth, QUICK);
    for name in ["alice", "bob"] {
        installation.add_user(name, PASSWORD);
    }
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
    let response = log_in(to, name, password);
    let answer = response.json();
    let text = answer["result"]["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("no session: {answer}"));
    let said: Value = serde_json::from_str(text).unwrap();
    assert_eq!(said["success"], true);
    assert_eq!(said["message"], "Authentication successful");
    said["session_token"].as_str().unwrap().to_owned()
}

pub(crate) fn opens(to: SocketAddr, token: &str) -> bool {
    Request::raw_mcp(LIST).bearer(token).send(to).status == 200
}

/// Waits until a token no longer opens anything; word of a change takes a moment.
pub(crate) fn closes(to: SocketAddr, token: &str) -> bool {
    support::eventually(|| !opens(to, token))
}

/// What a client can see of an answer, but for what is every request's own.
pub(crate) fn seen(response: &Response) -> (u16, String, Vec<(String, String)>) {
    let own = ["date", "x-request-id"];
    let headers = response.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    (response.status, response.text().to_owned(), headers.cloned().collect())
}

#[test]
fn a_name_and_a_password_give_a_session_that_opens_the_door_until_logout() {
    let installation = with_users("");
    let server = installation.start();
    let to = server.address();
    let (one, two) = (session(to, "alice", PASSWORD), session(to, "ALICE", PASSWORD));
    assert_eq!(one.len(), 44);
    assert!(opens(to, &one) && opens(to, &two));
    let call = json!({ "name": "query_database", "arguments": { "query": "SELECT id FROM t" } });
    let message = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call });
    let answer = Request::mcp(&message).bearer(&one).send(to).json();
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains('7'), "{answer}");

    let logout = Request::new("POST", "/auth/logout").bearer(&one).send(to);
    assert_eq!((logout.status, logout.text()), (200, r#"{"message":"Logged out successfully"}"#));
    assert!(!opens(to, &one), "the very next request is refused");
    assert!(opens(to, &two), "the other session goes on");
    let again = Request::new("POST", "/auth/logout").bearer(&one).send(to);
    assert_eq!((again.status, again.text()), (401, r#"{"detail":"Invalid or expired token"}"#));
}

#[test]
fn unknown_wrong_and_locked_look_alike_and_disabled_is_told_to_whoever_knows_the_password() {
    let installation = with_users(LOCKS_AFTER_TWO);
    let server = installation.start();
    let to = server.address();
    assert!(installation.admin(&["users", "disable", "bob"]).status.success());
    let wrong = log_in(to, "alice", "Wrong1Password");
    let unknown = log_in(to, "nobody", "Wrong1Password");
    let with_address = log_in(to, "alice@example.com", "Wrong1Password");
    let disabled = log_in(to, "bob", "Wrong1Password");
    let locks = log_in(to, "alice", "Wrong2Password");
    let locked = log_in(to, "alice", PASSWORD);
    let said = json!({
        "code": -32603,
        "message": "Tool execution error",
        "data": "authentication failed: invalid username or password",
    });
    assert_eq!(wrong.json()["error"], said);
    for other in [unknown, with_address, disabled, locks, locked] {
        assert_eq!(seen(&other), seen(&wrong));
    }
    let told = log_in(to, "bob", PASSWORD);
    let data = "authentication failed: user account is disabled";
    assert_eq!(told.json()["error"]["data"], data);
    assert_eq!(told.status, wrong.status);
}

#[test]
fn a_locked_account_is_opened_by_an_operator_while_the_server_runs() {
    let installation = with_users(LOCKS_AFTER_TWO);
    let server = installation.start();
    let to = server.address();
    let before = session(to, "alice", PASSWORD);
    for verb in ["unlock", "enable"] {
        for _ in 0..3 {
            assert!(log_in(to, "alice", "Wrong1Password").json()["error"].is_object());
        }
        assert!(log_in(to, "alice", PASSWORD).json()["error"].is_object(), "it is locked");
        assert!(opens(to, &before), "a lock refuses passwords, not sessions");
        let list = installation.admin(&["users", "list"]);
        assert!(String::from_utf8_lossy(&list.stdout).contains("LOCKED"));
        assert!(installation.admin(&["users", verb, "alice"]).status.success());
        let works = || log_in(to, "alice", PASSWORD).json()["result"].is_object();
        let opened = support::eventually(works);
        assert!(opened, "{verb}");
    }
}

#[test]
fn an_address_with_too_many_failures_is_told_when_to_come_back_and_its_sessions_go_on() {
    let installation = with_users("");
    let server = installation.start();
    let to = server.address();
    let before = session(to, "alice", PASSWORD);
    for attempt in 0..10 {
        assert_eq!(log_in(to, &format!("nobody-{attempt}"), "Wrong1Password").status, 200);
    }
    let refused = log_in(to, "alice", PASSWORD);
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    let data =
        "too many failed authentication attempts from this IP address, please try again later";
    assert_eq!(refused.json()["error"]["data"], data);
    assert!(opens(to, &before) && opens(to, installation.token()));
}

#[test]
fn a_session_survives_a_restart_and_a_reload_and_ends_with_its_account() {
    let installation = with_users("");
    let server = installation.start();
    let (alice, bob) =
        (session(server.address(), "alice", PASSWORD), session(server.address(), "bob", PASSWORD));
    drop(server);
    let server = installation.start();
    let to = server.address();
    assert!(opens(to, &alice) && opens(to, &bob));
    assert!(installation.admin(&["users", "update", "alice", "--note", "x"]).status.success());
    assert!(opens(to, &alice));
    assert!(installation.admin(&["users", "disable", "alice"]).status.success());
    assert!(closes(to, &alice));
    assert!(installation.admin(&["users", "delete", "bob", "--yes"]).status.success());
    assert!(closes(to, &bob));
    installation.add_user("bob", PASSWORD);
    assert!(!opens(to, &bob), "another account under the same name inherits nothing");
}

#[test]
fn a_new_password_keeps_the_sessions_unless_they_are_to_be_revoked() {
    let installation = with_users("");
    let server = installation.start();
    let to = server.address();
    let before = session(to, "alice", PASSWORD);
    installation.set_password("alice", "NewSecurePassword456!", &[]);
    assert!(opens(to, &before), "a source promises it");
    let works = || log_in(to, "alice", "NewSecurePassword456!").json()["result"].is_object();
    assert!(support::eventually(works), "the new password is in force");
    assert!(log_in(to, "alice", PASSWORD).json()["error"].is_object());
    installation.set_password("alice", "NewPassword456!", &["--revoke-sessions"]);
    assert!(closes(to, &before));
}

#[test]
fn a_stranger_reaches_the_one_tool_and_nothing_else() {
    let installation = with_users("");
    let server = installation.start();
    let to = server.address();
    let call = |name: &str| {
        let params = json!({ "name": name, "arguments": {} });
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
    };
    let batch = json!([call("authenticate_user")]);
    let large = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "authenticate_user", "arguments": { "username": "a", "password": "x".repeat(20_000) },
    } });
    let missing = Request::raw_mcp(LIST).send(to);
    assert_eq!((missing.status, missing.text()), (401, r#"{"error":"Unauthorized"}"#));
    for other in [call("query_database"), call("Authenticate_User"), call(""), batch, large] {
        assert_eq!(seen(&Request::mcp(&other).send(to)), seen(&missing), "{other}");
    }
    let listed = Request::raw_mcp(LIST).bearer(installation.token()).send(to);
    assert!(!listed.text().contains("authenticate_user"), "it stands in no list");
    let no_arguments = Request::mcp(&call("authenticate_user")).send(to);
    assert_eq!(no_arguments.json()["error"]["code"], -32602);
}

#[test]
fn everything_that_happened_is_in_the_audit_log_and_no_secret_is() {
    let installation = with_users("");
    let mut server = installation.start();
    let to = server.address();
    let token = session(to, "alice", PASSWORD);
    assert!(opens(to, &token));
    assert!(log_in(to, "alice", "Wrong1Password").json()["error"].is_object());
    // People type their passwords where a name is asked for.
    assert!(log_in(to, "hunter2-Secret", "x").json()["error"].is_object());
    assert_eq!(Request::new("POST", "/auth/logout").bearer(&token).send(to).status, 200);
    // What is not written yet is, before it ends.
    server.signal("TERM");
    server.wait();
    let log = std::fs::read_to_string(installation.path().join("audit.jsonl")).unwrap();
    for secret in [PASSWORD, "Wrong1Password", "hunter2", &token, installation.token()] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let shown = installation.admin(&["audit", "--json"]);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = lines
        .iter()
        .filter(|line| line["action"] == "login" || line["action"] == "logout")
        .map(|line| (line["action"].as_str().unwrap(), line["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(
        events,
        [("login", "done"), ("login", "refused"), ("login", "refused"), ("logout", "done")]
    );
    assert!(String::from_utf8_lossy(&shown.stdout).contains("logout"));
}
