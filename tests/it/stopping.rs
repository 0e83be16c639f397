//! A server that was told to stop: those who send it requests are warned before it takes no more.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::json;
use support::{Installation, Request, Response, ServerProcess, eventually, query_message};

/// Longer than any test lives.
const LONG: &str = "10m";

/// Starts a server that takes requests for that long once it was told to stop.
fn start(installation: &Installation, lead: &str) -> ServerProcess {
    let environment = [("MCP_HTTP_LIMITS_DRAIN_LEAD", lead)];
    ServerProcess::start(&["--config", &installation.config().to_string_lossy()], &environment)
}

fn said(to: SocketAddr, path: &str) -> (u16, String) {
    let answer = Request::new("GET", path).send(to);
    (answer.status, answer.text().to_owned())
}

/// Asks on a connection that is kept open, and reads the answer, which has a length.
fn ask(on: &mut TcpStream) -> Response {
    on.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"}") {
        let mut byte = [0];
        on.read_exact(&mut byte).unwrap();
        read.extend(byte);
    }
    Response::parse(&read)
}

fn is_closed(mut connection: TcpStream) -> bool {
    !matches!(connection.read(&mut [0]), Ok(1..))
}

#[test]
fn before_a_server_takes_no_more_requests_it_says_for_a_while_that_it_is_not_ready_and_serves() {
    let installation = Installation::new("");
    let mut server = start(&installation, LONG);
    let to = server.address();
    assert_eq!(said(to, "/ready"), (200, r#"{"status":"ready"}"#.to_owned()));
    let mut kept = TcpStream::connect(to).unwrap();
    assert_eq!(ask(&mut kept).status, 200);
    server.signal("TERM");
    server.wait_for_line("Stopping in 600s: /ready says 503, and requests are taken until then");
    for _ in 0..2 {
        assert_eq!(said(to, "/ready"), (503, r#"{"status":"unavailable"}"#.to_owned()));
        assert_eq!(said(to, "/health"), (200, r#"{"status":"ok"}"#.to_owned()));
        let (text, failed) = installation.query(to, "SELECT 'served' AS s");
        assert!(!failed && text.starts_with("s\nserved\n"), "{text}");
        assert_eq!(ask(&mut kept).status, 200);
    }
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    server.wait_for_line("Stopping at once");
    assert!(is_closed(kept));
}

#[test]
fn after_that_while_it_lets_what_is_under_way_finish_and_exits_0_by_itself() {
    let installation = Installation::new("");
    let mut server = start(&installation, "100ms");
    let to = server.address();
    let mut kept = TcpStream::connect(to).unwrap();
    ask(&mut kept);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let log = server.log();
    let said = ["Stopping in 100ms", "Stopping: no new requests", "Stopped"];
    let places: Vec<_> = said.iter().map(|words| log.find(words).unwrap()).collect();
    assert!(places.is_sorted(), "{log}");
    assert!(!log.contains("at once"), "{log}");
    assert!(is_closed(kept));
}

#[test]
fn without_such_a_while_a_server_takes_no_more_requests_from_the_moment_that_it_is_told() {
    let installation = Installation::new("");
    let mut server = installation.start();
    server.wait_for_line("Listening on");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    assert!(log.contains("Stopping: no new requests") && !log.contains("Stopping in"), "{log}");
}

#[test]
fn a_second_signal_ends_what_is_still_under_way() {
    const ENDLESS: &str =
        "SELECT count(*) FROM generate_series(1, 100000000) AS a, generate_series(1, 100000) AS b";
    let installation = Installation::new("");
    for signals in [["TERM", "INT"], ["INT", "TERM"]] {
        let mut server = installation.start();
        let request = Request::mcp(&query_message(&json!({ "query": ENDLESS })));
        let mut client = request.bearer(installation.token()).begin(server.address());
        assert!(eventually(|| is_running(&installation)));
        server.signal(signals[0]);
        server.wait_for_line("Stopping: no new requests");
        assert!(is_running(&installation));
        server.signal(signals[1]);
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("result"));
        assert!(eventually(|| !is_running(&installation)), "PostgreSQL works on for nobody");
    }
}

fn is_running(installation: &Installation) -> bool {
    let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                  AND application_name LIKE 'mcp-server/%'";
    installation.postgres().execute("postgres", active).unwrap().trim() != "0"
}
