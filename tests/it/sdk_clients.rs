//! Other people's clients as their users use them: they connect to the product, list and query.

use std::process::Command;

use serde_json::{Value, json};
use support::clients::{node, python, said};
use support::{Installation, ServerProcess, binary};

const TABLE: &str = "CREATE TABLE t (a int); INSERT INTO t VALUES (7)";
const QUERY: &str = "SELECT a FROM t";

/// The last revision with a handshake, and the first without one.
const HANDSHAKE: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";

fn start() -> (Installation, ServerProcess, String) {
    let installation = Installation::new(TABLE);
    let server = installation.start();
    let url = format!("http://{}/mcp", server.address());
    (installation, server, url)
}

/// Lists and queries over HTTP; `mode` is the client's own word for how it agrees on a revision.
fn lists_and_queries(mut client: Command, mode: &str, protocol: &str) {
    let (installation, _server, url) = start();
    client.args(["product", &url, mode]).env("MCP_QUERY", QUERY);
    let said = said(client.env("MCP_TOKEN", installation.token()));
    check(&said, protocol, "shop");
}

fn check(said: &Value, protocol: &str, database: &str) {
    assert_eq!(said["protocol"], protocol, "{said}");
    assert_eq!(said["tools"], json!(support::TOOLS), "{said}");
    assert_eq!(said["is_error"], false, "{said}");
    assert_eq!(said["text"], format!("a\n7\n-- 1 row of database {database}"), "{said}");
}

#[test]
fn version_1_of_the_python_sdk_lists_and_queries() {
    lists_and_queries(python("python-mcp1", "over_http.py"), "legacy", HANDSHAKE);
}

#[test]
fn version_2_of_the_python_sdk_finds_the_newest_revision() {
    lists_and_queries(python("python-mcp2", "over_http.py"), "auto", STATELESS);
}

#[test]
fn version_2_of_the_python_sdk_lists_and_queries_after_a_handshake() {
    lists_and_queries(python("python-mcp2", "over_http.py"), "legacy", HANDSHAKE);
}

#[test]
fn fastmcp_finds_the_newest_revision() {
    lists_and_queries(python("python-fastmcp", "fastmcp_over_http.py"), "auto", STATELESS);
}

#[test]
fn fastmcp_lists_and_queries_after_a_handshake() {
    lists_and_queries(python("python-fastmcp", "fastmcp_over_http.py"), "legacy", HANDSHAKE);
}

#[test]
fn version_1_of_the_typescript_sdk_lists_and_queries() {
    lists_and_queries(node("node/sdk1.mjs"), "legacy", HANDSHAKE);
}

#[test]
fn version_2_of_the_typescript_client_finds_the_newest_revision() {
    lists_and_queries(node("node/client2.mjs"), "auto", STATELESS);
}

#[test]
fn version_2_of_the_typescript_client_speaks_the_stateless_revision_at_once() {
    lists_and_queries(node("node/client2.mjs"), STATELESS, STATELESS);
}

#[test]
fn version_2_of_the_typescript_client_lists_and_queries_after_a_handshake() {
    lists_and_queries(node("node/client2.mjs"), "legacy", HANDSHAKE);
}

#[test]
fn the_inspector_lists_and_queries_after_a_handshake() {
    lists_and_queries(node("inspector/inspector.mjs"), "legacy", "legacy");
}

#[test]
fn the_inspector_lists_and_queries_without_a_session() {
    lists_and_queries(node("inspector/inspector.mjs"), "modern", "modern");
}

#[test]
fn both_versions_of_the_python_sdk_start_the_server_themselves() {
    let installation = Installation::new(TABLE);
    let dsn = installation.postgres().dsn_as("agent", "shop");
    let server = binary("mcp-server");
    for (version, protocol) in [("python-mcp1", HANDSHAKE), ("python-mcp2", STATELESS)] {
        let said = said(
            python(version, "over_stdio.py")
                .arg(&server)
                .args(["--stdio", "--db-url", &dsn])
                .env("MCP_QUERY", QUERY),
        );
        check(&said, protocol, "default");
    }
}

#[test]
fn a_wrong_token_is_an_error_for_every_client() {
    let (_installation, _server, url) = start();
    for mut client in [
        python("python-mcp1", "over_http.py"),
        python("python-mcp2", "over_http.py"),
        python("python-fastmcp", "fastmcp_over_http.py"),
        node("node/sdk1.mjs"),
        node("node/client2.mjs"),
        node("inspector/inspector.mjs"),
    ] {
        client.args(["product", &url]).env("MCP_QUERY", QUERY);
        let output = client.env("MCP_TOKEN", "wrong").output().unwrap();
        assert!(!output.status.success());
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
