//! Accounts over HTTP: each endpoint as its users meet it.

use std::net::SocketAddr;
use std::thread;

use serde_json::{Value, json};
use support::{Installation, Request, Response, ServerProcess};

pub(crate) const PASSWORD: &str = "SecurePassword123!";
const NEW_PASSWORD: &str = "NewSecurePassword456!";
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;

/// Cheap hashes, and no floor under the time of an answer: nothing here measures time.
const QUICK: &str = "passwords:\n  bcrypt_cost: 4\n  min_response_ms: 0\n";
/// Tests fail more often than people do.
const PATIENT: &str = "    rate_limit_max_attempts: 1000\n    bearer_failures: 10000\n";
pub(crate) const REGISTRATION: &str = "    public_registration: true\n";

/// A server with the user `alice` and the admin `root`.
pub(crate) struct House {
    pub(crate) installation: Installation,
    pub(crate) server: ServerProcess,
}

impl House {
    /// `auth` goes under `http.auth`.
    pub(crate) fn with(auth: &str) -> Self {
        Self::writing(auth, "")
    }

    /// The same, with more sections.
    pub(crate) fn writing(auth: &str, more: &str) -> Self {
        let installation = Installation::new("");
        let more = format!("{QUICK}{more}");
        installation.write_config_with_users(&format!("{PATIENT}{auth}"), &more);
        installation.add_user("alice", PASSWORD);
        let root = ["users", "add", "root", "--role", "admin", "--email", "root@example.com"];
        let root = [&root[..], &["--note", "admin", "--password-stdin"]].concat();
        let added = installation.admin_reading(&root, &format!("{PASSWORD}\n"));
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let server = installation.start();
        Self { installation, server }
    }

    pub(crate) fn new() -> Self {
        Self::with("")
    }

    fn to(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        as_json("POST", path, body).send(self.to())
    }

    pub(crate) fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Response {
        let request = match body {
            Value::Null => Request::new(method, path),
            body => as_json(method, path, body),
        };
        request.bearer(token).send(self.to())
    }

    fn get(&self, path: &str, token: &str) -> Response {
        self.ask("GET", path, token, &Value::Null)
    }

    pub(crate) fn log_in(&self, name: &str, password: &str) -> Response {
        self.post("/auth/login", &json!({ "username": name, "password": password }))
    }

    pub(crate) fn session(&self, name: &str, password: &str) -> String {
        let answer = self.log_in(name, password);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    fn opens_mcp(&self, token: &str) -> bool {
        Request::raw_mcp(LIST).bearer(token).send(self.to()).status == 200
    }
}

fn as_json(method: &str, path: &str, body: &Value) -> Request {
    Request::new(method, path).header("Content-Type", "application/json").body(&body.to_string())
}

fn detail(response: &Response) -> (u16, String) {
    (response.status, response.json()["detail"].as_str().unwrap_or_default().to_owned())
}

fn said(status: u16, detail: &str) -> (u16, String) {
    (status, detail.to_owned())
}

/// What a client can see of an answer, but for what is every request's own.
fn seen(response: &Response) -> (u16, String, Vec<(String, String)>) {
    let own = ["date", "x-request-id"];
    let headers = response.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    (response.status, response.text().to_owned(), headers.cloned().collect())
}

#[test]
fn a_login_answers_with_a_session_that_opens_both_paths_until_logout() {
    let house = House::new();
    let answer = house.log_in("alice", PASSWORD);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let body = answer.json();
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 86_399, "a day, a moment ago");
    let user = &body["user"];
    assert_eq!((&user["username"], &user["email"]), (&json!("alice"), &Value::Null));
    assert_eq!((&user["is_active"], &user["is_admin"]), (&json!(true), &json!(false)));
    for time in [&user["created_at"], &user["last_login_at"]] {
        assert!(time.as_str().unwrap().ends_with('Z'), "{user}");
    }
    let token = body["access_token"].as_str().unwrap();
    assert!(house.opens_mcp(token));
    assert_eq!(house.get("/auth/me", token).json(), *user);
    let verified = house.ask("POST", "/auth/verify-token", token, &Value::Null);
    assert_eq!((verified.status, verified.json()), (200, user.clone()));
    let profile = house.get("/auth/email/me", token).json();
    assert_eq!(profile["username"], "alice");
    assert_eq!(profile["password_change_required"], false);
    let out = house.ask("POST", "/auth/logout", token, &Value::Null);
    assert_eq!((out.status, out.text()), (200, r#"{"message":"Logged out successfully"}"#));
    let after = house.get("/auth/me", token);
    assert_eq!(detail(&after), said(401, "Invalid or expired token"));
    assert!(!house.opens_mcp(token));
}

#[test]
fn unknown_wrong_locked_and_disabled_look_alike_even_to_whoever_knows_the_password() {
    let house = House::with("    max_failed_attempts_before_lockout: 2\n");
    house.installation.add_user("bob", PASSWORD);
    assert!(house.installation.admin(&["users", "disable", "bob"]).status.success());
    let wrong = house.log_in("alice", "Wrong1Password");
    assert_eq!(wrong.text(), r#"{"detail":"Invalid username or password"}"#);
    let locks = house.log_in("alice", "Wrong2Password");
    let others = [
        locks,
        house.log_in("alice", PASSWORD),
        house.log_in("bob", PASSWORD),
        house.log_in("nobody", PASSWORD),
        house.log_in("nobody@example.com", PASSWORD),
        house.log_in("a\r\nX-Evil: 1", PASSWORD),
        house.log_in("", ""),
        house.post("/auth/email/login", &json!({ "email": "x@y.z", "password": "p" })),
        house.post("/v1/auth/email/login", &json!({ "email": "alice", "password": "p" })),
    ];
    for other in others {
        assert_eq!(seen(&other), seen(&wrong));
    }
}

#[test]
fn an_address_of_mail_logs_in_and_every_spelling_of_a_name_is_one_account() {
    let house = House::new();
    for name in ["alice", "ALICE", "ａｌｉｃｅ", "Root@Example.COM"] {
        assert_eq!(house.log_in(name, PASSWORD).status, 200, "{name}");
    }
    let by_email = json!({ "email": "root@example.com", "password": PASSWORD });
    for path in ["/auth/email/login", "/v1/auth/email/login"] {
        let answer = house.post(path, &by_email);
        assert_eq!(answer.json()["user"]["username"], "root", "{}", answer.text());
    }
    for hidden in ["ali\u{200b}ce", "alice\u{202e}", "alice ", "alice\0"] {
        assert_eq!(house.log_in(hidden, PASSWORD).status, 401, "{hidden:?}");
    }
}

#[test]
fn registration_is_off_unless_it_is_switched_on() {
    let house = House::new();
    let body =
        json!({ "username": "johndoe", "email": "john@example.com", "password": "SecurePass123" });
    assert_eq!(house.post("/auth/register", &body).status, 403);
    let body = json!({ "email": "john@example.com", "password": "SecurePass123" });
    assert_eq!(house.post("/auth/email/register", &body).status, 403);
    assert_eq!(house.log_in("johndoe", "SecurePass123").status, 401);
}

#[test]
fn who_registers_reads_nothing_and_is_no_admin_whatever_he_says() {
    let house = House::with(REGISTRATION);
    let body = json!({
        "username": "johndoe", "email": "john@example.com", "password": "SecurePass123",
        "is_admin": true, "roles": ["admin"], "is_active": false,
    });
    let made = house.post("/auth/register", &body);
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let user = &made["user"];
    assert_eq!(user["email"], "john@example.com");
    assert_eq!((&user["is_admin"], &user["is_active"]), (&json!(false), &json!(true)));
    let token = made["access_token"].as_str().unwrap();
    let asked = json!({ "query": "SELECT 1" });
    let (text, failed) = support::query(house.to(), token, &asked);
    assert!(failed, "no database: {text}");
    assert_eq!(house.get("/auth/email/admin/users", token).status, 403);
    let listed = house.installation.admin(&["users", "list", "--json"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("viewer"), "{listed}");
}

#[test]
fn a_taken_name_and_a_taken_address_get_one_answer_and_five_tries_an_hour() {
    let house = House::with(REGISTRATION);
    let register = |name: &str, email: &str| {
        let body = json!({ "username": name, "email": email, "password": "SecurePass123" });
        house.post("/auth/register", &body)
    };
    let name = register("ALICE", "new@example.com");
    let email = register("newcomer", "ROOT@example.com");
    assert_eq!(detail(&name), said(409, "Username or email already registered"));
    assert_eq!(seen(&email), seen(&name));
    assert_eq!(register("one", "one@example.com").status, 201);
    for n in 0..2 {
        assert_eq!(register("alice", "x@example.com").status, 409, "{n}");
    }
    let refused = register("two", "two@example.com");
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
}

#[test]
fn an_address_is_enough_to_register_and_the_name_is_made_of_it() {
    let house = House::with(REGISTRATION);
    let register = |email: &str| {
        let body = json!({ "email": email, "password": "SecurePass123", "full_name": "Al Ice" });
        house.post("/auth/email/register", &body)
    };
    let made = register("alice@example.org").json();
    assert_eq!(made["user"]["username"], "alice-2", "alice is somebody else");
    let token = made["access_token"].as_str().unwrap();
    assert_eq!(house.get("/auth/email/me", token).json()["full_name"], "Al Ice");
    assert_eq!(register("alice@example.ORG").status, 409);
}

#[test]
fn a_weak_password_is_refused_with_every_rule_that_it_breaks() {
    let house = House::with(REGISTRATION);
    let body = json!({ "username": "johndoe", "email": "john@example.com", "password": "abc" });
    let refused = house.post("/auth/register", &body);
    assert_eq!(refused.status, 400);
    let rules =
        json!(["Minimum 8 characters", "At least one uppercase letter", "At least one digit"]);
    assert_eq!(refused.json()["failed_rules"], rules);
    let token = house.session("alice", PASSWORD);
    let change = |new: &str| {
        let body = json!({ "old_password": PASSWORD, "new_password": new });
        house.ask("POST", "/auth/email/change-password", &token, &body)
    };
    for weak in ["abc", PASSWORD, "Alice2026!", "Admin123"] {
        let refused = change(weak);
        assert_eq!(refused.status, 400, "{weak}");
        assert!(!refused.json()["failed_rules"].as_array().unwrap().is_empty());
    }
}

#[test]
fn an_own_new_password_wants_the_old_one_and_ends_every_other_session() {
    let house = House::with("    max_failed_attempts_before_lockout: 2\n");
    let (token, other) = (house.session("alice", PASSWORD), house.session("alice", PASSWORD));
    let change = |old: &str, new: &str| {
        let body = json!({ "old_password": old, "new_password": new });
        house.ask("POST", "/auth/email/change-password", &token, &body)
    };
    let wrong = change("Wrong1Password", NEW_PASSWORD);
    assert_eq!(detail(&wrong), said(401, "Current password is incorrect"));
    assert!(house.opens_mcp(&token), "the session goes on");
    let changed = change(PASSWORD, NEW_PASSWORD);
    assert_eq!((changed.status, &changed.json()["success"]), (200, &json!(true)));
    assert!(house.opens_mcp(&token) && !house.opens_mcp(&other));
    assert_eq!(house.log_in("alice", NEW_PASSWORD).status, 200);
    assert_eq!(house.log_in("alice", PASSWORD).status, 401);
    assert_eq!(house.log_in("alice", NEW_PASSWORD).status, 200);
    for _ in 0..2 {
        assert_eq!(change("Wrong1Password", "NewPassword456!").status, 401);
    }
    assert_eq!(house.log_in("alice", NEW_PASSWORD).status, 401, "wrong old ones lock, too");
}

#[test]
fn of_many_who_change_one_password_at_once_one_does() {
    let house = House::new();
    let token = house.session("alice", PASSWORD);
    let chosen: Vec<String> = (0..12).map(|n| format!("Parallel-Pass-{n}!")).collect();
    let (to, token) = (house.to(), token.as_str());
    let change = &|new: &String| {
        let body = json!({ "old_password": PASSWORD, "new_password": new });
        as_json("POST", "/auth/email/change-password", &body).bearer(token).send(to).status
    };
    let answers: Vec<u16> = thread::scope(|scope| {
        let asking: Vec<_> = chosen.iter().map(|new| scope.spawn(move || change(new))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let changed: Vec<_> =
        answers.iter().zip(&chosen).filter(|(status, _)| **status == 200).collect();
    let [(_, new)] = changed[..] else { panic!("{answers:?}") };
    assert_eq!(house.log_in("alice", new).status, 200, "what was acknowledged is in force");
    assert_eq!(house.log_in("alice", PASSWORD).status, 401);
}

#[test]
fn who_must_change_his_password_gets_a_token_that_is_good_for_that_alone() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    let before = house.session("alice", PASSWORD);
    let body = json!({ "password": "NewUserPassword123!", "password_change_required": true });
    assert_eq!(house.ask("PUT", "/auth/email/admin/users/alice", &root, &body).status, 200);
    assert!(!house.opens_mcp(&before), "an admin's new password ends every session");
    let refused = house.log_in("alice", "NewUserPassword123!");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("x-password-change-required"), Some("true"));
    let refused = refused.json();
    assert_eq!(refused["token_type"], "bearer");
    assert!(refused["expires_in"].as_u64().unwrap() <= 900);
    let token = refused["access_token"].as_str().unwrap();
    assert!(!house.opens_mcp(token));
    for path in ["/auth/me", "/auth/sessions", "/auth/email/me", "/auth/email/admin/users"] {
        assert_eq!(house.get(path, token).status, 401, "{path}");
    }
    assert_eq!(house.ask("POST", "/auth/logout", token, &Value::Null).status, 401);
    let body = json!({ "old_password": "NewUserPassword123!", "new_password": NEW_PASSWORD });
    let changed = house.ask("POST", "/auth/email/change-password", token, &body);
    assert_eq!(changed.status, 200, "{}", changed.text());
    let again = house.ask("POST", "/auth/email/change-password", token, &body);
    assert_eq!(again.status, 401, "it was good for one");
    assert!(house.opens_mcp(&house.session("alice", NEW_PASSWORD)));
}

#[test]
fn the_tool_for_strangers_says_that_the_password_must_be_changed() {
    let house = House::new();
    let root = house.session("root", PASSWORD);
    let body = json!({ "password_change_required": true });
    assert_eq!(house.ask("PATCH", "/auth/email/admin/users/alice", &root, &body).status, 200);
    let arguments = json!({ "username": "alice", "password": PASSWORD });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = Request::mcp(&message).send(house.to()).json();
    assert!(answer["error"]["data"].as_str().unwrap().contains("POST /auth/login"), "{answer}");
    assert!(!answer.to_string().contains("session_token"));
}

#[test]
fn sessions_are_listed_and_ended_by_their_owner_and_by_nobody_else() {
    let house = House::new();
    let (one, two) = (house.session("alice", PASSWORD), house.session("alice", PASSWORD));
    let root = house.session("root", PASSWORD);
    let listed = house.get("/auth/sessions", &one).json();
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(true), &json!(false)));
    assert_eq!(sessions[0]["ip_address"], "127.0.0.1");
    let roots = house.get("/auth/sessions", &root).json()["sessions"][0]["id"].clone();
    let foreign = format!("/auth/sessions/{}", roots.as_str().unwrap());
    let nobody = "/auth/sessions/0123456789abcdef".to_owned();
    for path in [&foreign, &nobody, &"/auth/sessions/x%00y".to_owned()] {
        for method in ["GET", "DELETE"] {
            let answer = house.ask(method, path, &one, &Value::Null);
            assert_eq!(detail(&answer), said(404, "Not Found"), "{method} {path}");
        }
    }
    let second = format!("/auth/sessions/{}", sessions[1]["id"].as_str().unwrap());
    assert_eq!(house.get(&second, &one).json()["current"], false);
    assert_eq!(house.ask("DELETE", &second, &one, &Value::Null).status, 200);
    assert!(!house.opens_mcp(&two) && house.opens_mcp(&one) && house.opens_mcp(&root));
    let third = house.session("alice", PASSWORD);
    let ended = house.ask("DELETE", "/auth/sessions", &one, &Value::Null).json();
    assert_eq!(ended["ended"], 1);
    assert!(!house.opens_mcp(&third) && house.opens_mcp(&one));
}

#[test]
fn an_api_token_opens_the_mcp_path_and_one_of_an_admin_the_accounts_too() {
    let house = House::new();
    let plain = house.installation.token();
    let admin = house.installation.add_token(&["--role", "admin"]);
    assert!(support::eventually(|| house.opens_mcp(&admin)));
    for token in [plain, &admin] {
        for path in ["/auth/me", "/auth/sessions", "/auth/email/me"] {
            assert_eq!(detail(&house.get(path, token)), said(403, "Not authorized"), "{path}");
        }
    }
    assert_eq!(house.get("/auth/email/admin/users", plain).status, 403);
    assert_eq!(house.get("/auth/email/admin/users", &admin).status, 200);
}
