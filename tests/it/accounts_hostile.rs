//! What strangers may send to `/auth`, and what becomes of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use support::{Request, Response};

use crate::accounts_rest::{House, PASSWORD, REGISTRATION};

const LOGIN: &str = "/auth/login";

fn send(house: &House, path: &str, kind: Option<&str>, body: &str) -> Response {
    let request = Request::new("POST", path).body(body);
    let request = match kind {
        Some(kind) => request.header("Content-Type", kind),
        None => request,
    };
    request.send(house.server.address())
}

#[test]
fn a_body_is_json_and_says_so() {
    let house = House::new();
    let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
    for kind in ["application/json", "APPLICATION/JSON; charset=utf-8"] {
        assert_eq!(send(&house, LOGIN, Some(kind), &body).status, 200, "{kind}");
    }
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
        assert_eq!(send(&house, LOGIN, kind, &body).status, 415, "{kind:?}");
    }
    let twice = Request::new("POST", LOGIN)
        .header("Content-Type", "text/plain")
        .header("Content-Type", "application/json")
        .body(&body);
    assert_eq!(twice.send(house.server.address()).status, 415);
}

#[test]
fn what_is_wrong_with_a_body_is_told_by_the_name_of_the_field_and_never_repeated() {
    let house = House::with(REGISTRATION);
    let secret = "hunter2-Secret";
    for (path, body, field) in [
        (LOGIN, json!({ "username": secret }), "password"),
        (LOGIN, json!({ "username": [secret], "password": secret }), "username"),
        (LOGIN, json!(secret), "body"),
        (
            "/auth/register",
            json!({ "username": secret, "email": secret, "password": secret }),
            "email",
        ),
        (
            "/auth/register",
            json!({ "username": format!("{secret}\r\nX: y"), "email": "a@b.example", "password": "SecurePass123" }),
            "username",
        ),
        (
            "/auth/email/register",
            json!({ "email": format!("{secret}\r\nBcc: e@e.example"), "password": "SecurePass123" }),
            "email",
        ),
        (
            "/auth/email/register",
            json!({ "email": "a@b.example", "password": "SecurePass123", "full_name": "a\r\nX: y" }),
            "full_name",
        ),
    ] {
        let refused = send(&house, path, Some("application/json"), &body.to_string());
        assert_eq!(refused.status, 422, "{body}: {}", refused.text());
        assert_eq!(refused.json()["field"], field);
        assert!(!refused.text().contains("hunter2"), "{}", refused.text());
    }
    let twice = r#"{"username":"alice","password":"x","password":"SecurePassword123!"}"#;
    assert_eq!(send(&house, LOGIN, Some("application/json"), twice).status, 422);
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = format!(r#"{{"username":{deep},"password":"x"}}"#);
    assert_eq!(send(&house, LOGIN, Some("application/json"), &deep).status, 422);
}

#[test]
fn a_body_over_sixteen_kibibytes_is_not_read() {
    let house = House::new();
    let large = json!({ "username": "alice", "password": "x".repeat(17_000) }).to_string();
    assert_eq!(send(&house, LOGIN, Some("application/json"), &large).status, 413);
    let fits = json!({ "username": "alice", "password": "x".repeat(16_000) }).to_string();
    assert_eq!(send(&house, LOGIN, Some("application/json"), &fits).status, 401);
    let token = house.session("alice", PASSWORD);
    let large = json!({ "old_password": "x".repeat(17_000), "new_password": "y" });
    let refused = house.ask("POST", "/auth/email/change-password", &token, &large);
    assert_eq!(refused.status, 413);
}

#[test]
fn another_method_and_another_path_are_told() {
    let house = House::new();
    let to = house.server.address();
    for (method, path, allowed) in [
        ("GET", LOGIN, "POST"),
        ("PUT", "/auth/me", "GET"),
        ("HEAD", "/auth/me", "GET"),
        ("POST", "/auth/sessions", "GET, DELETE"),
        ("POST", "/auth/email/admin/users/x", "GET, PUT, PATCH, DELETE"),
    ] {
        let refused = Request::new(method, path).send(to);
        assert_eq!((refused.status, refused.header("allow")), (405, Some(allowed)), "{method}");
    }
    for path in ["/auth/", "/auth/nothing", "/v1/auth/login", "/auth/login/", "/auth//login"] {
        let refused = Request::new("POST", path).send(to);
        assert_eq!((refused.status, refused.text()), (404, r#"{"detail":"Not Found"}"#), "{path}");
    }
}

#[test]
fn a_credential_is_one_header_of_one_form_and_never_in_the_query() {
    let house = House::new();
    let to = house.server.address();
    let token = house.session("alice", PASSWORD);
    let bearer = format!("Bearer {token}");
    let me = || Request::new("GET", "/auth/me");
    let twice = me().header("Authorization", &bearer).header("Authorization", &bearer);
    let in_query = Request::new("GET", &format!("/auth/me?access_token={token}"));
    let basic = me().header("Authorization", "Basic YWxpY2U6eA==");
    for (what, request) in [("twice", twice), ("query", in_query), ("basic", basic), ("no", me())] {
        let refused = request.send(to);
        assert_eq!(
            (refused.status, refused.text()),
            (401, r#"{"detail":"Invalid or expired token"}"#),
            "{what}"
        );
    }
    let lower = me().header("authorization", &format!("bEARER {token}")).send(to);
    assert_eq!(lower.status, 200);
    // Who logs in may still send what is over.
    let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let stale = Request::new("POST", LOGIN)
        .header("Content-Type", "application/json")
        .header("Authorization", "Bearer over")
        .body(&body);
    assert_eq!(stale.send(to).status, 200);
}

#[test]
fn no_field_reaches_a_line_of_the_log_and_no_secret_any() {
    let house = House::with(REGISTRATION);
    let root = house.session("root", PASSWORD);
    let hostile = "eve\r\n{\"action\":\"login\",\"outcome\":\"done\"}";
    assert_eq!(house.log_in(hostile, "hunter2-Secret").status, 401);
    let body = json!({ "email": "ann@example.com", "password": "SecurePass123", "full_name": "A" });
    assert_eq!(house.ask("POST", "/auth/email/admin/users", &root, &body).status, 201);
    let change = json!({ "password": "NewUserPassword123!" });
    assert_eq!(house.ask("PUT", "/auth/email/admin/users/ann", &root, &change).status, 200);
    assert_eq!(house.ask("DELETE", "/auth/email/admin/users/ann", &root, &Value::Null).status, 200);
    let House { installation, server } = house;
    let log = || std::fs::read_to_string(installation.path().join("audit.jsonl")).unwrap();
    assert!(support::eventually(|| log().contains("\"delete_user\"")));
    let (log, told) = (log(), server.log());
    for secret in [PASSWORD, "hunter2", "SecurePass123", "NewUserPassword123!", &root] {
        assert!(!log.contains(secret) && !told.contains(secret), "{secret}");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<_> = lines.iter().filter_map(|line| line["action"].as_str()).collect();
    for action in ["login", "add_user", "set_password", "delete_user"] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    let logins = lines.iter().filter(|line| line["action"] == "login");
    let done = logins.filter(|line| line["outcome"] == "done").count();
    assert_eq!(done, 1, "the second was never made");
}

#[test]
fn a_credential_that_ends_while_its_request_is_still_being_sent_does_nothing() {
    let house = House::new();
    let added = ["users", "add", "eve", "--role", "admin", "--note", "x", "--password-stdin"];
    assert!(house.installation.admin_reading(&added, &format!("{PASSWORD}\n")).status.success());
    let (root, eve) = (house.session("root", PASSWORD), house.session("eve", PASSWORD));
    let body = json!({ "email": "heir@example.com", "password": PASSWORD, "is_admin": true });
    let body = body.to_string();
    let mut slow = TcpStream::connect(house.server.address()).unwrap();
    let head = format!(
        "POST /auth/email/admin/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {eve}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    // Said when the body is asked for: the credential was looked at before.
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    slow.read_exact(&mut go_on).unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "));
    let disable = json!({ "is_active": false });
    assert_eq!(house.ask("PUT", "/auth/email/admin/users/eve", &root, &disable).status, 200);
    slow.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let heir = house.ask("GET", "/auth/email/admin/users/heir", &root, &Value::Null);
    assert_eq!(heir.status, 404);
}
