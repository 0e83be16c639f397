//! What the endpoint answers to what it should never be sent.

use serde_json::json;
use support::{Installation, Request};

#[test]
fn every_malformed_request_is_answered_with_its_own_code() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let token = installation.token();
    for (body, status, code) in [
        ("{", 400, -32700),
        ("", 400, -32700),
        (r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#, 400, -32700),
        ("[]", 400, -32600),
        (r#"{"id":1,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nonsense"}"#, 200, -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#, 200, -32602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nonsense"}}"#,
            200,
            -32602,
        ),
    ] {
        let response = Request::raw_mcp(body).bearer(token).send(to);
        assert_eq!(response.status, status, "{body}");
        assert_eq!(response.json()["error"]["code"], code, "{body}");
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{}{}}}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let response = Request::raw_mcp(&deep).bearer(token).send(to);
    assert_eq!(response.json()["error"]["code"], -32700);
}

#[test]
fn what_is_no_json_or_too_large_or_no_post_is_refused_before_any_work() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let token = installation.token();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let plain = Request::new("POST", "/mcp").header("Content-Type", "text/plain").body(ping);
    assert_eq!(plain.bearer(token).send(to).status, 415);
    let charset = Request::new("POST", "/mcp")
        .header("Content-Type", "application/json; charset=utf-8")
        .body(ping);
    assert_eq!(charset.bearer(token).send(to).status, 200);
    let large = Request::raw_mcp(&"x".repeat(1024 * 1024 + 1)).bearer(token).send(to);
    assert_eq!(large.status, 413);
    for method in ["GET", "DELETE", "PUT"] {
        let response = Request::new(method, "/mcp").bearer(token).send(to);
        assert_eq!((response.status, response.header("allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(Request::new("GET", "/nonsense").bearer(token).send(to).status, 404);
    let wellknown = Request::new("GET", "/.well-known/oauth-protected-resource").send(to);
    assert_eq!((wellknown.status, wellknown.json()["error"].as_str()), (404, Some("Not Found")));
}

#[test]
fn missing_and_unknown_arguments_are_told_by_name() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    for (arguments, word) in [
        (json!({}), "query"),
        (json!({ "query": 3 }), "string"),
        (json!({ "query": "SELECT 1", "limitt": 3 }), "limitt"),
        (json!({ "query": "SELECT 1", "limit": 0 }), "limit"),
        (json!({ "query": "SELECT 1", "limit": 1_000_000 }), "limit"),
        (json!({ "query": "SELECT 1", "format": "xml" }), "xml"),
    ] {
        let params = json!({ "name": "query_database", "arguments": arguments });
        let answer = installation.ask(to, "tools/call", &params).json();
        assert_eq!(answer["result"]["isError"], true, "{arguments}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(word), "{arguments}: {text}");
    }
}

#[test]
fn modern_errors_have_the_status_that_the_protocol_asks_for() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let modern = |method: &str, version: &str| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "_meta": meta });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        Request::mcp(&message)
            .bearer(installation.token())
            .header("MCP-Protocol-Version", version)
            .header("Mcp-Method", method)
    };
    let discovered = modern("server/discover", "2026-07-28").send(to);
    assert_eq!(discovered.status, 200);
    assert_eq!(discovered.json()["result"]["resultType"], "complete");
    let unknown = modern("ping", "2026-07-28").send(to);
    assert_eq!((unknown.status, unknown.json()["error"]["code"].as_i64()), (404, Some(-32601)));
    let version = modern("tools/list", "2099-01-01").send(to);
    assert_eq!((version.status, version.json()["error"]["code"].as_i64()), (400, Some(-32022)));
    let doubled = modern("tools/list", "2026-07-28").header("Mcp-Method", "tools/list").send(to);
    assert_eq!((doubled.status, doubled.json()["error"]["code"].as_i64()), (400, Some(-32020)));
}
