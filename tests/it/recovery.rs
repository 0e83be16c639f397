//! A lost password: from the letter that is asked for to the sessions that end.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::{Value, json};
use support::{Installation, MailServer, Request, Response, ServerProcess};

const PASSWORD: &str = "SecurePassword123!";
const NEW: &str = "NewSecurePassword456!";
const OTHER: &str = "NewUserPassword123!";
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
/// Runs for hours.
const ENDLESS: &str =
    "SELECT count(*) FROM generate_series(1, 100000000) AS a, generate_series(1, 100000) AS b";
const FORGOT: &str = "/auth/email/forgot-password";
const GENERIC: &str =
    r#"{"success":true,"message":"If this email is registered, you will receive a reset link."}"#;

/// Cheap hashes, and no floor under the time of an answer: nothing here measures time.
const QUICK: &str = "passwords:\n  bcrypt_cost: 4\n  min_response_ms: 0\npassword_reset:\n  \
                     min_response_ms: 0\n";

/// With the accounts alice, who has an address, and bob, who has none.
pub(crate) fn house(more: &str) -> Installation {
    let installation = Installation::new("CREATE TABLE t (id int)");
    installation.write_config_with_users("", &format!("{QUICK}{more}"));
    for name in ["alice", "bob"] {
        installation.add_user(name, PASSWORD);
    }
    address(&installation, "alice", "alice@example.com");
    installation
}

fn address(installation: &Installation, name: &str, email: &str) {
    let updated = installation.admin(&["users", "update", name, "--email", email]);
    assert!(updated.status.success(), "{}", String::from_utf8_lossy(&updated.stderr));
}

pub(crate) fn smtp(port: u16) -> String {
    format!(
        "smtp:\n  host: 127.0.0.1\n  port: {port}\n  starttls: false\n  from_email: \
         mcp@example.com\n  timeout_seconds: 600\n"
    )
}

fn post(to: SocketAddr, path: &str, body: &Value) -> Response {
    let json = ("Content-Type", "application/json");
    Request::new("POST", path).header(json.0, json.1).body(&body.to_string()).send(to)
}

pub(crate) fn forgot(to: SocketAddr, email: &str) -> Response {
    post(to, FORGOT, &json!({ "email": email }))
}

fn get(to: SocketAddr, path: &str) -> Response {
    Request::new("GET", path).send(to)
}

fn log_in(to: SocketAddr, name: &str, password: &str) -> Option<String> {
    let arguments = json!({ "username": name, "password": password });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = Request::mcp(&message).send(to).json();
    let text = answer["result"]["content"][0]["text"].as_str()?;
    let said: Value = serde_json::from_str(text).unwrap();
    said["session_token"].as_str().map(str::to_owned)
}

fn opens(to: SocketAddr, token: &str) -> bool {
    Request::raw_mcp(LIST).bearer(token).send(to).status == 200
}

/// The path of the link on a line of its own in a letter.
fn path_in(letter: &Value) -> String {
    let text = letter["text"].as_str().unwrap();
    let link = text.lines().map(str::trim).find(|line| line.starts_with("http://")).unwrap();
    let at = link.find("/admin/").unwrap();
    link[at..].to_owned()
}

fn secret_in(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// What a client can see of an answer, but for what is every request's own.
fn seen(response: &Response) -> (u16, String, Vec<(String, String)>) {
    let own = ["date", "x-request-id"];
    let headers = response.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    (response.status, response.text().to_owned(), headers.cloned().collect())
}

/// The lines of the audit log with this action.
pub(crate) fn audited(installation: &Installation, action: &str) -> Vec<Value> {
    let audit = installation.admin(&["audit", "--json"]);
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    let events = audit["events"].as_array().unwrap().iter();
    events.filter(|event| event["action"] == action).cloned().collect()
}

fn reset_by_form(to: SocketAddr, path: &str, one: &str, other: &str) -> Response {
    let body = format!("new_password={one}&confirm_password={other}").replace('!', "%21");
    Request::new("POST", path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        // What a browser sends that was told to send no referrer.
        .header("Origin", "null")
        .body(&body)
        .send(to)
}

#[test]
fn a_link_in_a_letter_sets_a_password_once_and_ends_every_session_and_its_queries() {
    let mail = MailServer::start(&[]);
    let installation = house(&smtp(mail.port()));
    let mut server = installation.start();
    let to = server.address();
    let session = log_in(to, "alice", PASSWORD).unwrap();
    let bobs = log_in(to, "bob", PASSWORD).unwrap();
    let running = thread::spawn({
        let session = session.clone();
        let call = json!({ "query": ENDLESS });
        move || Request::mcp(&support::query_message(&call)).bearer(&session).try_send(to)
    });
    let running_queries = || {
        let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                      AND application_name LIKE 'mcp-server/%'";
        installation.postgres().execute("postgres", active).unwrap().trim().to_owned()
    };
    assert!(support::eventually(|| running_queries() == "1"));

    let asked = forgot(to, "Alice@Example.COM");
    assert_eq!((asked.status, asked.text()), (200, GENERIC));
    let letter = mail.letter();
    assert_eq!(letter["envelope_to"], json!(["alice@example.com"]), "as the record has it");
    let path = path_in(&letter);
    let secret = secret_in(&path);
    assert_eq!(secret.len(), 43, "256 bits");

    let api = format!("/auth/email/reset-password/{secret}");
    for _ in 0..2 {
        let page = get(to, &path);
        assert_eq!(page.status, 200);
        assert!(page.text().contains("<form method=\"post\">") && !page.text().contains(secret));
        assert!(!page.text().contains("<script"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
        assert_eq!(Request::new("HEAD", &path).send(to).status, 200);
        let looked = get(to, &api);
        assert_eq!((looked.status, &looked.json()["valid"]), (200, &json!(true)));
    }
    assert_eq!(reset_by_form(to, &path, NEW, OTHER).status, 422, "they differ");
    let weak = reset_by_form(to, &path, "password", "password");
    assert_eq!(weak.status, 400);
    assert!(weak.text().contains("<li>") && weak.text().contains("<form"), "{}", weak.text());

    assert!(opens(to, &session));
    let set = reset_by_form(to, &path, NEW, NEW);
    assert_eq!(set.status, 200, "{}", set.text());
    assert!(!opens(to, &session), "the very next request is refused");
    assert!(opens(to, &bobs), "another's goes on");
    let _ = running.join().unwrap();
    assert!(support::eventually(|| running_queries() == "0"), "its query ended");
    assert!(log_in(to, "alice", PASSWORD).is_none());
    assert!(log_in(to, "alice", NEW).is_some());

    assert_eq!(get(to, &path).status, 400);
    assert_eq!(get(to, &api).status, 400);
    assert_eq!(reset_by_form(to, &path, OTHER, OTHER).status, 400);
    let confirmation = mail.letter();
    assert_eq!(confirmation["envelope_to"], json!(["alice@example.com"]));
    let text = confirmation["text"].as_str().unwrap();
    assert!(text.contains("was just set") && !text.contains("/admin/reset-password/"), "{text}");
    // What is not written yet is, before it ends.
    server.signal("TERM");
    server.wait();
    nothing_tells(&installation, secret);
    assert_eq!(audited(&installation, "ask_reset").len(), 1);
    assert_eq!(audited(&installation, "send_letter").len(), 2);
}

/// No file of the installation holds a secret, the audit log and the state database included.
fn nothing_tells(installation: &Installation, secret: &str) {
    for entry in std::fs::read_dir(installation.path()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let told = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!told, "{} holds a link", path.display());
    }
}

#[test]
fn the_log_holds_no_link_and_no_address() {
    let mail = MailServer::start(&[]);
    let installation = house(&format!("{}log:\n  level: trace\n", smtp(mail.port())));
    let server = installation.start();
    let to = server.address();
    assert_eq!(forgot(to, "alice@example.com").status, 200);
    let path = path_in(&mail.letter());
    assert_eq!(get(to, &path).status, 200);
    assert_eq!(reset_by_form(to, &path, NEW, NEW).status, 200);
    let _ = mail.letter();
    let log = server.log();
    assert!(!log.contains(secret_in(&path)), "{log}");
    assert!(!log.contains(NEW), "{log}");
}

#[test]
fn everybody_gets_the_same_answer_while_mail_is_quick_slow_refusing_or_absent() {
    let mail = MailServer::start(&[]);
    // Bound, and nobody answers there; then not even that.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let slow = silent.local_addr().unwrap().port();
    let mut answers = Vec::new();
    let installation = house("");
    address(&installation, "bob", "nobody@example.com");
    for more in [smtp(mail.port()), smtp(slow), smtp(gone), String::new()] {
        installation.write_config_with_users("", &format!("{QUICK}{more}"));
        let server = installation.start();
        let to = server.address();
        // Known; known and refused by the server; unknown.
        for email in ["alice@example.com", "nobody@example.com", "eve@example.com"] {
            answers.push(seen(&forgot(to, email)));
        }
        let other =
            |email: &str| post(to, "/auth/password-reset-request", &json!({ "email": email }));
        let (known, unknown) = (other("alice@example.com"), other("eve@example.com"));
        assert_eq!(seen(&known), seen(&unknown));
        if more.is_empty() {
            assert_eq!(known.status, 503);
            assert_eq!(known.text(), r#"{"detail":"Email service not configured"}"#);
        } else {
            let said = r#"{"message":"If the email exists, a password reset link has been sent."}"#;
            assert_eq!((known.status, known.text()), (200, said));
        }
    }
    assert_eq!(answers[0].1, GENERIC);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn a_letter_that_is_refused_for_good_is_recorded_and_given_up() {
    let mail = MailServer::start(&[]);
    let installation = house(&smtp(mail.port()));
    address(&installation, "bob", "nobody@example.com");
    let server = installation.start();
    assert_eq!(forgot(server.address(), "nobody@example.com").status, 200);
    let failed = || {
        let sent = audited(&installation, "send_letter");
        sent.iter().any(|event| event["outcome"] == "failed" && event["user"] == "bob")
    };
    assert!(support::eventually(failed), "{:?}", audited(&installation, "send_letter"));
    assert!(mail.rest().is_empty());
}

/// A link that an operator printed.
fn link(installation: &Installation, name: &str) -> String {
    let minted = installation.admin(&["users", "reset-link", name]);
    assert!(minted.status.success(), "{}", String::from_utf8_lossy(&minted.stderr));
    let url = String::from_utf8(minted.stdout).unwrap();
    let at = url.find("/admin/reset-password/").unwrap();
    url[at..].trim().to_owned()
}

#[test]
fn of_fifty_who_post_one_link_one_sets_the_password() {
    let installation = house("");
    let server = installation.start();
    let to = server.address();
    let path = link(&installation, "alice");
    let api = format!("/auth/email/reset-password/{}", secret_in(&path));
    let posts = (0..50).map(|n| {
        let (api, password) = (api.clone(), format!("RacingPassword{n}!"));
        thread::spawn(move || {
            let body = json!({ "new_password": password, "confirm_password": password });
            (post(to, &api, &body).status, password)
        })
    });
    let posts: Vec<_> = posts.collect();
    let answers: Vec<_> = posts.into_iter().map(|post| post.join().unwrap()).collect();
    let won: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
    let [(_, password)] = won[..] else { panic!("{answers:?}") };
    // The others came too late, or found too many passwords waiting.
    assert!(answers.iter().all(|(status, _)| [200, 400, 503].contains(status)), "{answers:?}");
    assert!(log_in(to, "alice", password).is_some());
}

#[test]
fn the_secret_of_a_link_opens_nothing() {
    let installation = house("");
    let server = installation.start();
    let to = server.address();
    let path = link(&installation, "alice");
    assert!(!opens(to, secret_in(&path)));
    for path in ["/auth/logout", "/auth/email/admin/users/alice/reset-link"] {
        let refused = Request::new("POST", path).bearer(secret_in(&path.replace('x', ""))).send(to);
        assert_eq!(refused.status, 401, "{path}");
        let refused = Request::new("POST", path).send(to);
        assert_eq!(refused.status, 401, "{path}");
    }
    assert_eq!(get(to, &path).status, 200, "and is none the worse for it");
}

#[test]
fn a_reset_by_token_says_what_the_source_says() {
    let installation = house("");
    let server = installation.start();
    let to = server.address();
    let token = secret_in(&link(&installation, "alice")).to_owned();
    let reset = |token: &str, password: &str| {
        let body = json!({ "token": token, "new_password": password, "is_admin": true });
        post(to, "/auth/password-reset", &body)
    };
    let weak = reset(&token, "short");
    assert_eq!(weak.status, 400);
    assert!(!weak.json()["failed_rules"].as_array().unwrap().is_empty(), "{}", weak.text());
    let good = reset(&token, NEW);
    let said =
        r#"{"message":"Password reset successfully. Please log in with your new password."}"#;
    assert_eq!((good.status, good.text()), (200, said));
    for (token, password) in [(token.as_str(), OTHER), ("nonsense", OTHER), ("", OTHER)] {
        let bad = reset(token, password);
        let said = r#"{"detail":"Invalid or expired token"}"#;
        assert_eq!((bad.status, bad.text()), (400, said));
    }
    assert!(log_in(to, "alice", NEW).is_some());
}

#[test]
fn an_admin_mints_links_and_nobody_else_does() {
    let installation = house("");
    let admin = installation.add_token(&["--role", "admin"]);
    let server = installation.start();
    let to = server.address();
    let mint = |token: &str, whom: &str| {
        let path = format!("/auth/email/admin/users/{whom}/reset-link");
        Request::new("POST", &path).bearer(token).send(to)
    };
    assert_eq!(mint(installation.token(), "alice").status, 403);
    assert_eq!(mint(installation.token(), "nobody").status, 403);
    assert_eq!(mint(&admin, "nobody").status, 404);
    let minted = mint(&admin, "alice%40example.com");
    assert_eq!(minted.status, 200, "{}", minted.text());
    assert_eq!(minted.header("cache-control"), Some("no-store"));
    let url = minted.json()["reset_link"].as_str().unwrap().to_owned();
    let path = &url[url.find("/admin/").unwrap()..];
    assert_eq!(get(to, path).status, 200);
    // A newer one voids it.
    let newer = link(&installation, "alice");
    assert_eq!((get(to, path).status, get(to, &newer).status), (400, 200));
}

#[test]
fn a_link_is_minted_for_the_whole_name_in_the_path_and_for_no_part_of_it() {
    let installation = house("");
    let admin = installation.add_token(&["--role", "admin"]);
    let server = installation.start();
    let mint = |whom: &str| {
        let path = format!("/auth/email/admin/users/{whom}/reset-link");
        Request::new("POST", &path).bearer(&admin).send(server.address()).status
    };
    for another in ["alice&x", "alice&x=1", "alice=", "alice%26x", "alice%ff", "alice%", "+alice"] {
        assert_eq!(mint(another), 404, "{another}");
    }
    assert_eq!((mint("%61lice"), mint("alice%40example.com")), (200, 200));
}

#[test]
fn requests_for_letters_are_limited_by_address_of_mail_and_by_client() {
    let installation = house("");
    let server = installation.start();
    let to = server.address();
    for email in ["alice@example.com", "eve@example.com"] {
        let answers: Vec<_> = (0..6).map(|_| forgot(to, email)).collect();
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 429], "{email}");
        let wait: u64 = answers[5].header("retry-after").unwrap().parse().unwrap();
        assert!((1..=900).contains(&wait));
    }
    let statuses: Vec<_> =
        (0..12).map(|n| forgot(to, &format!("u{n}@example.com")).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 8, "{statuses:?}");
    assert_eq!(statuses[11], 429);
}

#[test]
fn every_spelling_of_an_address_is_one_account_and_one_count() {
    let installation = house("");
    address(&installation, "alice", "alice@xn--bcher-kva.example");
    let admin = installation.add_token(&["--role", "admin"]);
    let server = installation.start();
    let to = server.address();
    let spellings = [
        "alice@xn--bcher-kva.example",
        "ALICE@XN--BCHER-KVA.example",
        "alice@b\u{fc}cher.example",
        "Alice@B\u{dc}CHER.Example",
        "\u{ff41}lice@bu\u{308}cher.example",
    ];
    for spelling in spellings {
        let coded: Vec<_> = spelling.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let coded = coded.concat();
        let path = format!("/auth/email/admin/users/{coded}/reset-link");
        let minted = Request::new("POST", &path).bearer(&admin).send(to);
        assert_eq!(minted.status, 200, "{spelling}: {}", minted.text());
    }
    let asked = spellings.map(|spelling| forgot(to, spelling).status);
    assert_eq!((asked, forgot(to, "alice@B\u{fc}cher.example").status), ([200; 5], 429));
}

#[test]
fn what_is_no_request_for_a_letter_is_told_so_without_an_echo() {
    let installation = house("");
    let server = installation.start();
    let to = server.address();
    let hostile = "a\r\nBcc: eve@example.com@<script>";
    let refused = post(to, FORGOT, &json!({ "email": hostile }));
    assert_eq!(refused.status, 422);
    assert!(!refused.text().contains("eve") && refused.text().contains("email"));
    assert_eq!(post(to, FORGOT, &json!({})).status, 422);
    let long = json!({ "email": "x".repeat(20_000) });
    assert_eq!(post(to, FORGOT, &long).status, 413);
    let typeless = Request::new("POST", FORGOT).body("{}").send(to);
    assert_eq!(typeless.status, 415);
    let wrong = get(to, FORGOT);
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST")));
}

#[test]
fn a_body_of_recovery_is_an_object_with_each_member_once() {
    let installation = house("");
    let server = installation.start();
    for (path, body) in [
        (FORGOT, r#"["alice@example.com"]"#),
        (FORGOT, r#"{"email":"alice@example.com","email":"bob@example.com"}"#),
        (FORGOT, r#"{"email":"alice@example.com","more":1,"more":2}"#),
        ("/auth/password-reset", r#"["token","NewUserPassword123!"]"#),
        ("/auth/email/reset-password/token", r#"["NewUserPassword123!","NewUserPassword123!"]"#),
    ] {
        let json = ("Content-Type", "application/json");
        let refused = Request::new("POST", path).header(json.0, json.1).body(body);
        let refused = refused.send(server.address());
        assert_eq!(refused.status, 422, "{body}: {}", refused.text());
        assert!(!refused.text().contains("alice") && !refused.text().contains("User"));
    }
}

#[test]
fn what_cannot_be_read_is_answered_in_one_way_at_every_endpoint() {
    let installation = house("");
    let server = installation.start();
    let to = server.address();
    let paths = [
        "/auth/login",
        "/auth/email/register",
        FORGOT,
        "/auth/password-reset",
        "/auth/email/reset-password/token",
    ];
    for (kind, body, status) in [
        ("application/json", "{alice".to_owned(), 422),
        ("application/json", String::new(), 422),
        ("application/json", "[]".to_owned(), 422),
        ("text/plain", "{}".to_owned(), 415),
        ("application/json", format!("{{\"email\":\"{}\"}}", "x".repeat(20_000)), 413),
    ] {
        let answers = paths.map(|path| {
            let request = Request::new("POST", path).header("Content-Type", kind);
            seen(&request.body(&body).send(to))
        });
        assert_eq!(answers[0].0, status, "{answers:?}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    for (path, body, field) in [
        (FORGOT, json!({ "email": 7 }), "email"),
        ("/auth/password-reset", json!({ "token": "t" }), "new_password"),
        ("/auth/email/reset-password/t", json!({ "new_password": NEW }), "confirm_password"),
    ] {
        let refused = post(to, path, &body);
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(field)), "{path}");
        assert!(!refused.text().contains(NEW));
    }
}

#[test]
fn a_lock_is_told_to_the_owner_of_the_account() {
    let mail = MailServer::start(&[]);
    let installation = house("");
    let auth = "    max_failed_attempts_before_lockout: 2\n";
    installation.write_config_with_users(auth, &format!("{QUICK}{}", smtp(mail.port())));
    let server: ServerProcess = installation.start();
    let to = server.address();
    for _ in 0..2 {
        assert!(log_in(to, "alice", "Wrong1Password").is_none());
    }
    assert!(log_in(to, "alice", PASSWORD).is_none(), "it is locked");
    let letter = mail.letter();
    assert_eq!(letter["envelope_to"], json!(["alice@example.com"]));
    assert!(letter["text"].as_str().unwrap().contains("was locked"));
    // A reset lifts the lock.
    let path = link(&installation, "alice");
    assert_eq!(reset_by_form(to, &path, NEW, NEW).status, 200);
    assert!(log_in(to, "alice", NEW).is_some());
}

#[test]
fn what_was_to_be_sent_outlives_a_restart_without_a_link_at_rest() {
    let mail = MailServer::start(&[]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let installation = house("");
    let auth = "";
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    installation.write_config_with_users(auth, &format!("{QUICK}{}", smtp(gone)));
    let first = installation.start();
    assert_eq!(forgot(first.address(), "alice@example.com").status, 200);
    first.wait_for_line("A letter could not be sent yet");
    drop((first, silent));
    installation.write_config_with_users(auth, &format!("{QUICK}{}", smtp(mail.port())));
    let second = installation.start();
    // The second attempt is due half a minute after the first: another request is not.
    assert_eq!(forgot(second.address(), "alice@example.com").status, 200);
    let path = path_in(&mail.letter());
    assert_eq!(get(second.address(), &path).status, 200);
}

#[test]
fn a_link_that_one_server_sent_sets_the_password_for_all_over_one_postgresql() {
    let mail = MailServer::start(&[]);
    let installation = Installation::new("CREATE TABLE t (id int)");
    let postgres = installation.postgres();
    postgres.execute("postgres", "CREATE ROLE keeper LOGIN").unwrap();
    postgres.execute("postgres", "CREATE DATABASE people").unwrap();
    postgres.execute("people", "GRANT USAGE, CREATE ON SCHEMA public TO keeper").unwrap();
    let dsn = postgres.dsn_as("keeper", "people");
    let cheap = "passwords:\n  argon2_memory_kib: 8192\n  argon2_time: 1\n  min_response_ms: 0\n";
    let users = format!("users:\n  database_dsn: \"{dsn}\"\n");
    installation.write_config(&format!("{cheap}{users}{}", smtp(mail.port())));
    let servers = [installation.start(), installation.start()];
    let [one, other] = servers.each_ref().map(ServerProcess::address);
    installation.add_user("alice", PASSWORD);
    address(&installation, "alice", "alice@example.com");
    let session = log_in(one, "alice", PASSWORD).unwrap();
    assert!(opens(other, &session));
    assert_eq!(forgot(one, "alice@example.com").status, 200);
    let path = path_in(&mail.letter());
    assert_eq!(reset_by_form(other, &path, NEW, NEW).status, 200);
    assert!(!opens(other, &session), "the very next request is refused");
    assert!(support::eventually(|| !opens(one, &session)), "and soon everywhere");
    assert_eq!(reset_by_form(one, &path, OTHER, OTHER).status, 400);
    assert!(log_in(one, "alice", NEW).is_some());
    assert!(mail.letter()["text"].as_str().unwrap().contains("was just set"));
    // An operator's link, by the same store.
    assert_eq!(get(one, &link(&installation, "alice")).status, 200);
}
