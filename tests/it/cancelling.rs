//! A client that no longer wants its answer: PostgreSQL stops working for it.

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::schema::MODERN;
use support::{Installation, Request, eventually, query_message};

/// Runs for hours.
const ENDLESS: &str =
    "SELECT count(*) FROM generate_series(1, 100000000) AS a, generate_series(1, 100000) AS b";

fn running(installation: &Installation) -> u32 {
    let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                  AND application_name LIKE 'mcp-server/%'";
    installation.postgres().execute("postgres", active).unwrap().trim().parse().unwrap()
}

/// A modern request says everything by itself.
fn modern(mut message: Value) -> Request {
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    Request::mcp(&message)
        .header("MCP-Protocol-Version", MODERN)
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", "query_database")
}

/// Shakes hands and returns the id of the session.
fn initialize(installation: &Installation, to: SocketAddr) -> String {
    let client = json!({ "name": "test", "version": "1" });
    let params =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let answer = installation.ask(to, "initialize", &params);
    answer.header("mcp-session-id").unwrap().to_owned()
}

#[test]
fn a_modern_client_that_goes_away_ends_its_query_in_postgresql() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let request = modern(query_message(&json!({ "query": ENDLESS }))).bearer(installation.token());
    let client = request.begin(to);
    assert!(eventually(|| running(&installation) == 1));
    drop(client);
    assert!(eventually(|| running(&installation) == 0));
    let (text, _) = installation.query(to, "SELECT 'next' AS n");
    assert!(text.starts_with("n\nnext\n"), "{text}");
}

#[test]
fn a_legacy_client_that_takes_its_request_back_ends_its_query_in_postgresql() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let session = initialize(&installation, to);
    let own = |request: Request| {
        let request = request.header("MCP-Protocol-Version", "2025-06-18");
        request.header("Mcp-Session-Id", &session).bearer(installation.token())
    };
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(own(Request::mcp(&initialized)).send(to).status, 202);
    let client = own(Request::mcp(&query_message(&json!({ "query": ENDLESS })))).begin(to);
    assert!(eventually(|| running(&installation) == 1));
    let params = json!({ "requestId": 1, "reason": "changed my mind" });
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    assert_eq!(own(Request::mcp(&cancelled)).send(to).status, 202);
    assert!(eventually(|| running(&installation) == 0));
    drop(client);
    let (text, _) = installation.query(to, "SELECT 'next' AS n");
    assert!(text.starts_with("n\nnext\n"), "{text}");
}

#[test]
fn a_query_that_outlives_postgresqls_own_deadline_is_ended_with_its_backend() {
    // It catches whatever would end it, and goes on.
    let installation = Installation::new(
        "CREATE FUNCTION stubborn() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
            FOR n IN 1..100000 LOOP
                BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN NULL; END;
            END LOOP;
            RETURN 1; END $$",
    );
    installation.write_config("    statement_timeout: 200ms\n");
    let server = installation.start();
    let (text, failed) = installation.query(server.address(), "SELECT stubborn()");
    assert!(failed && text.contains("ran longer than 200ms and was cancelled"), "{text}");
    let any = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%stubborn%' \
               AND application_name LIKE 'mcp-server/%'";
    let count = || installation.postgres().execute("postgres", any).unwrap();
    assert!(eventually(|| count() == "0\n"), "{}", count());
    assert!(!installation.query(server.address(), "SELECT 1").1);
}
