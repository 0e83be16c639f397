//! A token made or removed while the server runs.

use std::time::{Duration, Instant};

use serde_json::json;
use support::{Installation, Request};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;

/// Asks with a token until the answer has this status.
fn wait_for_status(
    installation: &Installation,
    to: std::net::SocketAddr,
    token: &str,
    status: u16,
) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answered = Request::raw_mcp(LIST).bearer(token).send(to).status;
        if answered == status {
            return;
        }
        assert!(Instant::now() < deadline, "{answered} in {}", installation.path().display());
    }
}

#[test]
fn a_token_is_good_as_soon_as_it_is_made_and_refused_as_soon_as_it_is_removed() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let token = installation.add_token(&[]);
    wait_for_status(&installation, to, &token, 200);
    server.wait_for_line("[AUTH] Reloaded ");
    let id = installation.newest_id();
    assert!(installation.admin(&["tokens", "remove", &id]).status.success());
    wait_for_status(&installation, to, &token, 401);
    wait_for_status(&installation, to, installation.token(), 200);
}

#[test]
fn a_rotated_token_hands_over_to_its_successor_and_is_refused_when_its_overlap_is_over() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let first = installation.add_token(&[]);
    wait_for_status(&installation, to, &first, 200);
    let rotate = |overlap: &str| {
        let id = installation.newest_id();
        let rotated =
            installation.admin(&["tokens", "rotate", &id, "--overlap", overlap, "--json"]);
        assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
        let rotated: serde_json::Value = serde_json::from_slice(&rotated.stdout).unwrap();
        rotated["token"].as_str().unwrap().to_owned()
    };
    let second = rotate("24h");
    wait_for_status(&installation, to, &second, 200);
    wait_for_status(&installation, to, &first, 200);
    let third = rotate("0");
    wait_for_status(&installation, to, &third, 200);
    // In force together: no second look is needed. 429 where waiting used the guesses up.
    let refused = Request::raw_mcp(LIST).bearer(&second).send(to).status;
    assert!(matches!(refused, 401 | 429), "{refused}");
    assert_eq!(Request::raw_mcp(LIST).bearer(&first).send(to).status, 200);
}

#[test]
fn the_last_use_of_a_token_is_shown_as_the_audit_log_has_it() {
    let installation = Installation::new("");
    let server = installation.start();
    let token = installation.add_token(&[]);
    let id = installation.newest_id();
    let last_used = || {
        let shown = installation.admin(&["tokens", "show", &id, "--json"]);
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        shown["last_used"].clone()
    };
    assert!(last_used().is_null());
    wait_for_status(&installation, server.address(), &token, 200);
    let deadline = Instant::now() + Duration::from_secs(10);
    while last_used().is_null() {
        assert!(Instant::now() < deadline, "the use is not in the audit log");
    }
    let audit = installation.admin(&["audit", "--json"]);
    let audit: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    let is_use = |event: &&serde_json::Value| event["token"] == *id && event["action"] == "bearer";
    let used = audit["events"].as_array().unwrap().iter().find(is_use).unwrap();
    let second = |time: &serde_json::Value| time.as_str().unwrap()[..19].to_owned();
    assert_eq!(second(&last_used()), second(&used["time"]));
}

#[test]
fn removing_a_token_ends_its_running_query_in_postgresql() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let token = installation.add_token(&[]);
    let id = installation.newest_id();
    wait_for_status(&installation, to, &token, 200);
    let sql = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 1000) b";
    let params = json!({ "name": "query_database", "arguments": { "query": sql } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let request = Request::mcp(&call).bearer(&token);
    let running = std::thread::spawn(move || request.send(to));
    wait_for_backends(&installation, |count| count > 0);
    assert!(installation.admin(&["tokens", "remove", &id]).status.success());
    assert_eq!(running.join().unwrap().status, 401);
    wait_for_backends(&installation, |count| count == 0);
}

/// Waits until as many connections of the server run something as is asked for.
fn wait_for_backends(installation: &Installation, enough: impl Fn(u32) -> bool) {
    let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                  AND application_name LIKE 'mcp-server/%'";
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let count = installation.postgres().execute("postgres", active).unwrap();
        if enough(count.trim().parse().unwrap()) {
            return;
        }
        assert!(Instant::now() < deadline, "{count} are still active");
    }
}

#[test]
fn a_broken_token_file_changes_nothing_and_shows_on_health() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    assert_eq!(Request::raw_mcp(LIST).bearer(installation.token()).send(to).status, 200);
    let good = std::fs::read(installation.token_file()).unwrap();
    let health = || Request::new("GET", "/health").send(to).json()["status"].clone();
    assert_eq!(health(), "ok");
    std::fs::write(installation.token_file(), "tokens: [").unwrap();
    server.wait_for_line("[AUTH] Failed to reload ");
    assert_eq!(Request::raw_mcp(LIST).bearer(installation.token()).send(to).status, 200);
    assert_eq!(health(), "degraded");
    std::fs::write(installation.token_file(), good).unwrap();
    server.wait_for_line("is as it was again");
    assert_eq!(health(), "ok");
}
