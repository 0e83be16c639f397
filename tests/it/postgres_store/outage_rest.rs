//! The database of the credentials is away, and somebody asks over REST.

use std::net::SocketAddr;

use serde_json::json;
use support::{Installation, Request, Response, ServerProcess, eventually};

use super::{PASSWORD, installed, session};

/// Letters would be sent, strangers may register, and nothing waits.
const MORE: &str = "mail:\n  outbox: directory:letters\npassword_reset:\n  min_response_ms: 0\n";

fn started(installation: &Installation) -> ServerProcess {
    let config = installation.config();
    let environment = [("PUBLIC_REGISTRATION_ENABLED", "true")];
    ServerProcess::start(&["--config", &config.to_string_lossy()], &environment)
}

/// A body that every form finds its fields in.
fn everything() -> String {
    json!({
        "username": "newcomer", "email": "newcomer@example.com", "password": PASSWORD,
        "old_password": PASSWORD, "new_password": "NewSecurePassword456!",
        "confirm_password": "NewSecurePassword456!", "token": "a-link",
    })
    .to_string()
}

/// One request to each endpoint that the document tells of, and to the page behind a link.
fn ask_all(to: SocketAddr, token: &str) -> Vec<(String, Response)> {
    let document = Request::new("GET", "/openapi.json").send(to).json();
    let mut endpoints = vec![("GET".to_owned(), "/admin/reset-password/a-link".to_owned())];
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "0123456789abcdef").replace("{token}", "a-link");
        let path = path.replace("{email}", "alice");
        assert!(!path.contains('{'), "{path}");
        let methods = methods.as_object().unwrap().keys();
        endpoints.extend(methods.map(|method| (method.to_uppercase(), path.clone())));
    }
    let ask = |(method, path): (String, String)| {
        let request = Request::new(&method, &path).bearer(token);
        let request = match method.as_str() {
            "GET" | "DELETE" => request,
            _ => request.header("Content-Type", "application/json").body(&everything()),
        };
        (format!("{method} {path}"), request.send(to))
    };
    let answers: Vec<_> = endpoints.into_iter().map(ask).collect();
    assert!(answers.len() > 25, "all of them: {}", answers.len());
    answers
}

fn assert_unavailable(answers: &[(String, Response)], place: &str) {
    for (endpoint, answer) in answers {
        let wait = answer.header("retry-after").and_then(|text| text.parse::<u32>().ok());
        let found = (answer.status, wait.is_some_and(|seconds| seconds > 0));
        assert_eq!(found, (503, true), "{place}: {endpoint}: {}", answer.text());
        if !endpoint.contains("/admin/reset-password/") {
            let said = json!({ "detail": "Service unavailable" });
            assert_eq!(answer.json(), said, "{place}: {endpoint}");
        }
    }
}

/// Takes the database away from under a session, asks for everything, and gives it back.
fn goes_away_and_comes_back(fallback: &str) {
    let mut installation = installed(&format!("  fallback: {fallback}\n{MORE}"));
    installation.add_user("alice", PASSWORD);
    let root = ["users", "add", "root", "--role", "admin", "--note", "x", "--password-stdin"];
    assert!(installation.admin_reading(&root, &format!("{PASSWORD}\n")).status.success());
    let server = started(&installation);
    let to = server.address();
    let token = session(to, "root", PASSWORD);
    let me = || Request::new("GET", "/auth/me").bearer(&token).send(to);
    assert_eq!(me().status, 200);
    installation.postgres_mut().stop();
    assert!(eventually(|| me().status == 503));
    assert_unavailable(&ask_all(to, &token), fallback);
    installation.postgres_mut().resume().unwrap();
    assert!(eventually(|| me().status == 200), "{}", server.log());
    assert_eq!(me().json()["username"], "root", "the session is as it was");
    let people = super::by_hand(&installation, "SELECT count(*) FROM users");
    assert_eq!(people.trim(), "2", "nobody was made or deleted");
}

#[test]
fn every_endpoint_says_that_it_is_down_where_nothing_stands_in() {
    goes_away_and_comes_back("fail");
}

#[test]
fn every_endpoint_says_that_it_is_down_where_what_was_read_stands_in() {
    goes_away_and_comes_back("cached");
}

#[test]
fn every_endpoint_says_that_it_is_down_where_memory_stands_in() {
    goes_away_and_comes_back("memory");
}

#[test]
fn a_server_that_started_without_it_says_so_to_everybody() {
    let mut installation = installed(&format!("  fallback: memory\n{MORE}"));
    installation.postgres_mut().stop();
    let server = started(&installation);
    let to = server.address();
    for token in ["unknown", "e30.e30.AA"] {
        assert_unavailable(&ask_all(to, token), token);
    }
    installation.postgres_mut().resume().unwrap();
    let me = || Request::new("GET", "/auth/me").bearer("unknown").send(to).status;
    assert!(eventually(|| me() == 401), "{}", server.log());
}
