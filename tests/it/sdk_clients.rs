//! The official SDKs as their users use them: they connect, list and query.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Installation, ServerProcess, binary};

const TABLE: &str = "CREATE TABLE t (a int); INSERT INTO t VALUES (7)";
const QUERY: &str = "SELECT a FROM t";

/// What `cargo xtask setup` installed: interpreters and the scripts that they run.
fn clients() -> PathBuf {
    let debug = binary("mcp-server");
    let target = debug.parent().and_then(Path::parent).unwrap().join("clients");
    assert!(target.exists(), "the SDKs are not installed: run `cargo xtask setup`");
    target
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Runs a client to its end and reads the one line that it prints.
fn run(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim())
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn check(said: &Value, protocol: &str, database: &str) {
    assert_eq!(said["protocol"], protocol, "{said}");
    assert_eq!(said["tools"], serde_json::json!(["query_database", "get_schema_info"]), "{said}");
    assert_eq!(said["is_error"], false, "{said}");
    assert_eq!(said["text"], format!("a\n7\n-- 1 row of database {database}"), "{said}");
}

fn python(version: &str, script: &str) -> Command {
    let mut command = Command::new(clients().join(version).join("bin/python"));
    command.arg(scripts().join("python").join(script));
    command
}

fn node(script: &str) -> Command {
    let clients = clients();
    let mut command = Command::new(clients.join("bin/node"));
    command.arg(clients.join("node").join(script));
    command
}

fn start() -> (Installation, ServerProcess, String) {
    let installation = Installation::new(TABLE);
    let server = installation.start();
    let url = format!("http://{}/mcp", server.address());
    (installation, server, url)
}

#[test]
fn version_1_of_the_python_sdk_lists_and_queries() {
    let (installation, _server, url) = start();
    let said = run(python("python-mcp1", "list_and_query.py")
        .args([&url, QUERY])
        .env("MCP_TOKEN", installation.token()));
    check(&said, "2025-11-25", "shop");
}

#[test]
fn version_2_of_the_python_sdk_lists_and_queries_in_both_eras() {
    let (installation, _server, url) = start();
    for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let said = run(python("python-mcp2", "list_and_query.py")
            .args([&url, QUERY, mode])
            .env("MCP_TOKEN", installation.token()));
        check(&said, protocol, "shop");
    }
}

#[test]
fn version_1_of_the_typescript_sdk_lists_and_queries() {
    let (installation, _server, url) = start();
    let said = run(node("sdk1.mjs").args([&url, QUERY]).env("MCP_TOKEN", installation.token()));
    check(&said, "2025-11-25", "shop");
}

#[test]
fn version_2_of_the_typescript_client_lists_and_queries_in_both_eras() {
    let (installation, _server, url) = start();
    for (mode, protocol) in
        [("auto", "2026-07-28"), ("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")]
    {
        let said = run(node("client2.mjs")
            .args([&url, QUERY, mode])
            .env("MCP_TOKEN", installation.token()));
        check(&said, protocol, "shop");
    }
}

#[test]
fn both_versions_of_the_python_sdk_start_the_server_themselves() {
    let installation = Installation::new(TABLE);
    let dsn = installation.postgres().dsn_as("agent", "shop");
    let server = binary("mcp-server");
    for (version, protocol) in [("python-mcp1", "2025-11-25"), ("python-mcp2", "2026-07-28")] {
        let said = run(python(version, "stdio_list_and_query.py")
            .arg(&server)
            .args(["--stdio", "--db-url", &dsn])
            .env("MCP_QUERY", QUERY));
        check(&said, protocol, "default");
    }
}

#[test]
fn a_wrong_token_is_an_error_for_every_sdk() {
    let (_installation, _server, url) = start();
    for mut client in [
        python("python-mcp1", "list_and_query.py"),
        python("python-mcp2", "list_and_query.py"),
        node("sdk1.mjs"),
        node("client2.mjs"),
    ] {
        let output = client.args([&url, QUERY]).env("MCP_TOKEN", "wrong").output().unwrap();
        assert!(!output.status.success());
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
