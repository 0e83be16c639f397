//! MCP on standard input and output, as a desktop client starts it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Installation, binary};

/// Speaks to `mcp-server --stdio`: sends every message, then reads as many answers as are due.
fn converse(installation: &Installation, messages: &[String], answers: usize) -> Vec<Value> {
    let dsn = installation.postgres().dsn_as("agent", "shop");
    let mut child = Command::new(binary("mcp-server"))
        .args(["--stdio", "--db-url", &dsn])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for message in messages {
        writeln!(input, "{message}").unwrap();
    }
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(answers);
    let answers = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    drop(input);
    assert!(child.wait().unwrap().success(), "the end of the input ends the server");
    answers
}

fn request(id: u32, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

#[test]
fn a_desktop_client_lists_and_queries_without_a_credential() {
    let installation = Installation::new("CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    let begin = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {} });
    let call = json!({ "name": "query_database", "arguments": { "query": "SELECT a FROM t" } });
    let mut answers = converse(
        &installation,
        &[
            request(1, "initialize", &begin),
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string(),
            request(2, "tools/list", &json!({})),
            request(3, "tools/call", &call),
            "{ not json".into(),
        ],
        4,
    );
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(answers[0]["error"]["code"], -32700);
    assert_eq!(answers[1]["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answers[2]["result"]["tools"].as_array().unwrap().len(), support::TOOLS.len());
    let text = &answers[3]["result"]["content"][0]["text"];
    assert_eq!(text, "a\n7\n-- 1 row of database default");
}

#[test]
fn a_ping_is_answered_while_a_query_runs() {
    let installation = Installation::new("");
    let slow = "SELECT count(*) FROM generate_series(1, 3000000) AS a";
    let call = json!({ "name": "query_database", "arguments": { "query": slow } });
    let answers = converse(
        &installation,
        &[request(1, "tools/call", &call), request(2, "ping", &json!({}))],
        2,
    );
    assert_eq!((answers[0]["id"].as_u64(), answers[1]["id"].as_u64()), (Some(2), Some(1)));
}

#[test]
fn a_line_that_is_too_long_costs_its_own_answer_and_nothing_else() {
    let installation = Installation::new("");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let answers = converse(&installation, &[long, request(1, "ping", &json!({}))], 2);
    assert_eq!(answers[0]["error"]["code"], -32700);
    assert_eq!(answers[1], json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
}
