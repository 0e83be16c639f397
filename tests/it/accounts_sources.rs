//! The requests about accounts that two documents print (a guide to password recovery, and a user
//! management system), from top to bottom, sent as they are printed.
//!
//! What is replaced: the token behind `Bearer`, and the host. What is left out, and why:
//! - forgotten passwords and their letters, which have tests of their own;
//! - the pages under `/admin`, and the workflow (`/start`, `/status`, `/approve`, `/rerun`,
//!   `/admin/runs`), which are not there: they answer 404;
//! - SQL and the schema, which are the PostgreSQL store's: `accounts_walks` has both;
//! - "at least the token of a JWT": a token is opaque unless a secret is configured.

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::{Request, Response};

use crate::accounts_rest::{House, PASSWORD, REGISTRATION};

/// Sends a request as it is printed: a first line, headers, an empty line, a body.
pub(crate) fn send(to: SocketAddr, printed: &str, token: &str) -> Response {
    let printed = printed.replace("eyJ0eXAiOiJKV1...", token);
    let (head, body) = printed.split_once("\n\n").unwrap_or((&printed, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::new(method, path).body(body);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.send(to)
}

/// The names of the members, in order.
fn members(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

pub(crate) const REGISTER: &str = r#"POST /auth/register
Content-Type: application/json

{
  "username": "johndoe",
  "email": "john@example.com",
  "password": "SecurePass123"
}"#;

pub(crate) const LOGIN: &str = r#"POST /auth/login
Content-Type: application/json

{
  "username": "johndoe",
  "password": "SecurePass123"
}"#;

pub(crate) const ME: &str = "GET /auth/me\nAuthorization: Bearer eyJ0eXAiOiJKV1...";
pub(crate) const LOGOUT: &str = "POST /auth/logout\nAuthorization: Bearer eyJ0eXAiOiJKV1...";
pub(crate) const VERIFY: &str = "POST /auth/verify-token\nAuthorization: Bearer eyJ0eXAiOiJKV1...";

const USER: [&str; 7] =
    ["created_at", "email", "id", "is_active", "is_admin", "last_login_at", "username"];

#[test]
fn each_request_of_the_user_management_system_is_answered_as_it_is_printed() {
    let house = House::with(REGISTRATION);
    let to = house.server.address();
    let registered = send(to, REGISTER, "");
    assert_eq!(registered.status, 201, "{}", registered.text());
    let logged_in = send(to, LOGIN, "");
    assert_eq!(logged_in.status, 200);
    for response in [&registered, &logged_in] {
        let body = response.json();
        assert_eq!(members(&body), ["access_token", "expires_in", "token_type", "user"]);
        assert_eq!(body["token_type"], "bearer");
        assert_eq!(members(&body["user"]), USER);
        assert_eq!(body["user"]["username"], "johndoe");
        assert_eq!(body["user"]["email"], "john@example.com");
        assert_eq!(body["user"]["is_active"], true);
        assert_eq!(body["user"]["is_admin"], false);
    }
    let answer = logged_in.json();
    let token = answer["access_token"].as_str().unwrap();
    let me = send(to, ME, token);
    assert_eq!((me.status, &me.json()), (200, &answer["user"]));
    let verified = send(to, VERIFY, token);
    assert_eq!((verified.status, &verified.json()), (200, &answer["user"]));
    let out = send(to, LOGOUT, token);
    assert_eq!((out.status, out.json()), (200, json!({ "message": "Logged out successfully" })));
    for after in [ME, VERIFY, LOGOUT] {
        let refused = send(to, after, token);
        assert_eq!(refused.status, 401);
        assert_eq!(refused.json(), json!({ "detail": "Invalid or expired token" }));
    }
}

#[test]
fn each_demand_of_a_password_that_it_prints_is_made() {
    let house = House::with(REGISTRATION);
    let to = house.server.address();
    for (weak, demand) in [
        ("Short1a", "Minimum 8 characters"),
        ("securepass123", "At least one uppercase letter"),
        ("SECUREPASS123", "At least one lowercase letter"),
        ("SecurePassword", "At least one digit"),
    ] {
        let refused = send(to, &REGISTER.replace("SecurePass123", weak), "");
        assert_eq!(refused.status, 400, "{weak}");
        assert_eq!(refused.json()["failed_rules"], json!([demand]), "{weak}");
    }
}

/// `curl -X PUT …`, as it is printed.
const PUT: &str = r#"PUT /auth/email/admin/users/user%40example.com
Authorization: Bearer eyJ0eXAiOiJKV1...
Content-Type: application/json

{
    "password": "NewUserPassword123!",
    "password_change_required": false
  }"#;

/// `curl -X POST …`, as it is printed.
const UNLOCK: &str = "POST /auth/email/admin/users/user%40example.com/unlock
Authorization: Bearer eyJ0eXAiOiJKV1...";

#[test]
fn each_request_of_the_guide_to_recovery_is_answered() {
    let house = House::with("    max_failed_attempts_before_lockout: 2\n");
    let to = house.server.address();
    let root = house.session("root", PASSWORD);
    let user = json!({ "email": "user@example.com", "password": PASSWORD });
    assert_eq!(house.ask("POST", "/auth/email/admin/users", &root, &user).status, 201);
    for _ in 0..2 {
        assert_eq!(house.log_in("user@example.com", "Wrong1Password").status, 401);
    }
    let reset = send(to, PUT, &root);
    assert_eq!(reset.status, 200, "{}", reset.text());
    let shown = reset.json();
    assert_eq!((&shown["is_locked"], &shown["failed_login_attempts"]), (&json!(true), &json!(2)));
    assert_eq!(house.log_in("user@example.com", "NewUserPassword123!").status, 401, "locked");
    let unlocked = send(to, UNLOCK, &root);
    assert_eq!(unlocked.status, 200);
    assert_eq!(unlocked.json()["failed_login_attempts"], 0);
    assert_eq!(house.log_in("user@example.com", "NewUserPassword123!").status, 200);
}

#[test]
fn what_comes_later_is_not_there() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    for (method, path) in [
        ("POST", "/start"),
        ("GET", "/status/thread_abc123"),
        ("POST", "/approve/thread_abc123"),
        ("GET", "/admin/runs?limit=50"),
        ("POST", "/rerun/thread_abc123"),
    ] {
        assert_eq!(house.ask(method, path, &root, &Value::Null).status, 404, "{path}");
    }
}
