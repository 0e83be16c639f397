//! The database of the credentials goes away, and comes back.

use std::net::SocketAddr;

use support::{Installation, Request, Response, ServerProcess, eventually};

use super::{LIST, PASSWORD, installed, log_in, opens, session, status};

fn health(to: SocketAddr) -> String {
    Request::new("GET", "/health").send(to).text().to_owned()
}

fn is_unavailable(response: &Response) -> bool {
    let seconds = response.header("retry-after").and_then(|text| text.parse::<u32>().ok());
    response.status == 503 && seconds.is_some_and(|seconds| seconds > 0)
}

fn served(users: &str) -> (Installation, ServerProcess) {
    let installation = installed(users);
    installation.add_user("alice", PASSWORD);
    let server = installation.start();
    (installation, server)
}

#[test]
fn who_is_known_goes_on_while_it_is_down_and_nobody_is_refused_for_it() {
    let (mut installation, server) = served("");
    let to = server.address();
    let token = session(to, "alice", PASSWORD);
    assert_eq!((health(to).as_str(), status(to, "unknown")), (r#"{"status":"ok"}"#, 401));
    installation.postgres_mut().stop();
    assert!(eventually(|| health(to) == r#"{"status":"degraded"}"#));
    server.wait_for_line("Kept what was last read of the user store");
    assert!(opens(to, &token));
    let unknown = Request::raw_mcp(LIST).bearer("unknown").send(to);
    assert!(is_unavailable(&unknown), "another server may have made it: {}", unknown.status);
    assert!(is_unavailable(&log_in(to, "alice", PASSWORD)));
    assert!(is_unavailable(&Request::new("POST", "/auth/logout").bearer(&token).send(to)));
    assert_eq!(Request::new("GET", "/ready").send(to).status, 200, "something stands in");

    installation.postgres_mut().resume().unwrap();
    assert!(eventually(|| health(to) == r#"{"status":"ok"}"#));
    assert!(eventually(|| status(to, "unknown") == 401));
    assert!(opens(to, &token) && opens(to, &session(to, "alice", PASSWORD)));
}

#[test]
fn what_nobody_can_tell_is_no_denial_from_the_first_request_of_an_outage_on() {
    let (mut installation, server) = served("");
    let to = server.address();
    let nobodys = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=";
    assert_eq!(status(to, nobodys), 401);
    installation.postgres_mut().stop();
    let unknown = Request::raw_mcp(LIST).bearer(nobodys).send(to);
    assert!(is_unavailable(&unknown), "another server may have made it: {}", unknown.status);
    installation.postgres_mut().resume().unwrap();
    assert!(eventually(|| status(to, nobodys) == 401));
}

#[test]
fn what_is_known_stands_in_for_no_longer_than_it_may() {
    let (mut installation, server) = served("  cache_max_stale: 1s\n");
    let to = server.address();
    let token = session(to, "alice", PASSWORD);
    installation.postgres_mut().stop();
    assert!(eventually(|| status(to, &token) == 503), "{}", server.log());
    assert!(eventually(|| Request::new("GET", "/ready").send(to).status == 503));
    installation.postgres_mut().resume().unwrap();
    assert!(eventually(|| opens(to, &token)), "the session is there again");
    assert_eq!(Request::new("GET", "/ready").send(to).status, 200);
}

#[test]
fn with_fail_nobody_is_let_in_from_the_first_failure_on() {
    let (mut installation, server) = served("  fallback: fail\n  cache_max_stale: 1h\n");
    let to = server.address();
    let token = session(to, "alice", PASSWORD);
    installation.postgres_mut().stop();
    assert!(eventually(|| { is_unavailable(&Request::raw_mcp(LIST).bearer(&token).send(to)) }));
    installation.postgres_mut().resume().unwrap();
    assert!(eventually(|| opens(to, &token)), "{}", server.log());
}

#[test]
fn what_was_ended_while_a_server_could_not_know_is_refused_as_soon_as_it_can() {
    let (mut installation, server) = served("");
    let to = server.address();
    let token = session(to, "alice", PASSWORD);
    installation.postgres_mut().restart().unwrap();
    super::by_hand(&installation, "DELETE FROM user_sessions");
    assert!(eventually(|| status(to, &token) == 401));
}

#[test]
fn without_the_database_the_start_is_refused_with_a_way_out() {
    let mut installation = installed("");
    installation.postgres_mut().stop();
    let mut server = installation.start();
    let ended = server.wait();
    assert_eq!(ended.code(), Some(2));
    server.wait_for_line("ERROR: postgresql://keeper@");
    server.wait_for_line("hint: the server starts once this database answers");
}

#[test]
fn with_memory_the_server_starts_without_the_database_and_knows_nobody() {
    let mut installation = installed("  fallback: memory\n");
    installation.postgres_mut().stop();
    let server = installation.start();
    let to = server.address();
    server.wait_for_line("Starting without the user store");
    assert_eq!(health(to), r#"{"status":"degraded"}"#);
    assert_eq!(Request::new("GET", "/ready").send(to).status, 503);
    assert!(is_unavailable(&log_in(to, "admin", "admin123")));
    assert!(is_unavailable(&Request::raw_mcp(LIST).bearer("unknown").send(to)));

    installation.postgres_mut().resume().unwrap();
    installation.add_user("alice", PASSWORD);
    assert!(eventually(|| status(to, "unknown") == 401), "{}", server.log());
    assert!(eventually(|| health(to) == r#"{"status":"ok"}"#));
    assert!(!super::logs_in(to, "admin", "admin123"), "nobody is there whom nobody made");
    let token = session(to, "alice", PASSWORD);
    installation.postgres_mut().stop();
    server.wait_for_line("Kept what was last read of the user store");
    assert!(opens(to, &token), "who is known goes on");
}

#[test]
fn a_table_of_somebody_else_stops_the_start_whatever_the_fallback_and_is_left_alone() {
    for fallback in ["fail", "cached", "memory"] {
        let installation = installed(&format!("  fallback: {fallback}\n"));
        super::by_hand(&installation, "CREATE TABLE users (who int, mine text)");
        let mut server = installation.start();
        assert_eq!(server.wait().code(), Some(1), "{fallback}");
        server.wait_for_line("ERROR: postgresql://keeper@");
        let columns = "SELECT string_agg(attname, ',') FROM pg_attribute \
                       WHERE attrelid = 'users'::regclass AND attnum > 0";
        assert_eq!(super::by_hand(&installation, columns), "who,mine\n");
    }
}

#[test]
fn a_login_that_may_not_make_tables_is_told_the_statement_that_lets_it() {
    let installation = installed("");
    installation
        .postgres()
        .execute("people", "REVOKE CREATE ON SCHEMA public FROM keeper")
        .unwrap();
    let mut server = installation.start();
    assert_eq!(server.wait().code(), Some(1));
    server.wait_for_line(r#"hint: GRANT USAGE, CREATE ON SCHEMA public TO "keeper";"#);
}
