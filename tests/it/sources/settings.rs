//! "Rate Limiting and Account Lockout" of the second document: two configuration files, three
//! environment variables, and the way back from a lock.

use std::net::SocketAddr;

use support::{Installation, Response, ServerProcess};

use super::logins::AUTHENTICATE;
use super::place::{Place, SERVE};
use super::users::ADD;

const CONFIG: &str = r#"http:
    auth:
        enabled: true
        token_file: "./pgedge-mcp-server-tokens.yaml"
        # Rate limiting settings
        rate_limit_window_minutes: 15  # Time window for rate limiting
        rate_limit_max_attempts: 10  # Max attempts per IP per window
        # Account lockout settings
        max_failed_attempts_before_lockout: 5  # 0 = disabled
"#;

const LOCKOUT_EXAMPLE: &str = r#"http:
    auth:
        enabled: true
        token_file: "./pgedge-mcp-server-tokens.yaml"
        max_failed_attempts_before_lockout: 5
        rate_limit_window_minutes: 15
        rate_limit_max_attempts: 10
"#;

const RECOVER: &str = "./bin/pgedge-mcp-server -enable-user -username alice";

const ENVIRONMENT: &str = "\
export PGEDGE_AUTH_MAX_FAILED_ATTEMPTS_BEFORE_LOCKOUT=5
export PGEDGE_AUTH_RATE_LIMIT_WINDOW_MINUTES=15
export PGEDGE_AUTH_RATE_LIMIT_MAX_ATTEMPTS=10
";

/// "The server logs show when rate limiting is enabled": the documents do not print how.
const LIMIT_AS_PRINTED: &str = "Rate limit: 10 failed logins in 15 minutes from one address";
const LOCKOUT_AS_PRINTED: &str = "Account lockout: after 5 failed logins, until an admin unlocks";

/// A place with alice in it.
fn with_alice(installation: &Installation) -> Place {
    let place = Place::beside(installation);
    assert!(place.said(ADD).ends_with("exit 0"));
    place
}

fn log_in(place: &Place, to: SocketAddr, name: &str, password: &str) -> Response {
    place.curl(AUTHENTICATE, &[("alice", name), ("SecurePassword123!", password)], to)
}

fn works(place: &Place, server: &ServerProcess) -> bool {
    place.curl(AUTHENTICATE, &[], server.address()).json()["result"].is_object()
}

#[test]
fn both_printed_configurations_are_in_force_as_they_stand() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    for config in [CONFIG, LOCKOUT_EXAMPLE] {
        place.write("bin/mcp-server.yaml", config);
        let server = place.serve(SERVE);
        server.wait_for_line(LIMIT_AS_PRINTED);
        server.wait_for_line(LOCKOUT_AS_PRINTED);
        let tokens = place.path("bin/mcp-server-tokens.yaml");
        server.wait_for_line(&format!("Loaded 0 API token(s) from {}", tokens.display()));
        assert!(works(&place, &server), "{}", server.log());
    }
}

#[test]
fn five_wrong_passwords_lock_an_account_that_enable_user_recovers() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    place.write("bin/mcp-server.yaml", LOCKOUT_EXAMPLE);
    let server = place.serve(SERVE);
    let to = server.address();
    let list = || place.said("./bin/pgedge-mcp-server -list-users");
    for attempt in 1..=5 {
        assert!(list().contains(" Enabled "), "{attempt}");
        assert!(log_in(&place, to, "alice", "Wrong1Password").json()["error"].is_object());
    }
    // Decision 4: a lock is no DISABLED, and stays silent.
    assert!(list().contains(" LOCKED "), "{}", list());
    let wrong = log_in(&place, to, "alice", "Wrong1Password").json();
    assert_eq!(log_in(&place, to, "alice", "SecurePassword123!").json(), wrong);
    assert_eq!(place.said(RECOVER), "User enabled: alice\nexit 0");
    assert!(list().contains(" Enabled "), "{}", list());
    assert!(works(&place, &server), "{}", server.log());
    // "Reset on success": the next four wrong ones do not lock.
    drop(server);
    let server = place.serve(SERVE);
    for _ in 0..4 {
        assert_eq!(log_in(&place, server.address(), "alice", "Wrong1Password").status, 200);
    }
    assert!(works(&place, &server), "{}", server.log());
}

#[test]
fn ten_failures_are_all_that_one_address_has_whether_or_not_the_user_exists() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    place.write("bin/mcp-server.yaml", LOCKOUT_EXAMPLE);
    let server = place.serve(SERVE);
    let to = server.address();
    for attempt in 0..10 {
        let name = if attempt % 3 == 0 { "alice" } else { "nobody" };
        assert_eq!(log_in(&place, to, name, "Wrong1Password").status, 200);
    }
    for name in ["alice", "nobody"] {
        let refused = log_in(&place, to, name, "SecurePassword123!");
        assert_eq!(refused.status, 429, "{name}");
        assert!(refused.header("retry-after").is_some());
    }
}

#[test]
fn the_printed_environment_variables_are_in_force() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    let server = place.serve(&format!("{ENVIRONMENT}{SERVE}"));
    server.wait_for_line(LIMIT_AS_PRINTED);
    server.wait_for_line(LOCKOUT_AS_PRINTED);
    // One server at a time keeps its state there.
    drop(server);
    // Printed are mostly the defaults; others show who is heard, and the environment wins.
    place.write("bin/mcp-server.yaml", CONFIG);
    let others = ENVIRONMENT.replace("=5", "=6").replace("=15", "=16").replace("=10", "=11");
    let server = place.serve(&format!("{others}{SERVE}"));
    server.wait_for_line("Rate limit: 11 failed logins in 16 minutes from one address");
    server.wait_for_line("Account lockout: after 6 failed logins, until an admin unlocks");
}

#[test]
fn nothing_said_means_ten_failures_in_fifteen_minutes_and_no_lockout() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    let server = place.serve(SERVE);
    server.wait_for_line(LIMIT_AS_PRINTED);
    server.wait_for_line("Account lockout is off");
}
