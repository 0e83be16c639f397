//! Other people's clients against a server of this project that offers all that the protocol has:
//! tools, resources, prompts, progress, logs and questions to the user, behind a bearer token.

use std::process::Command;

use serde_json::{Value, json};
use support::FixtureServer;
use support::clients::{node, python, said};

/// The last revision with a handshake, and the first without one.
const HANDSHAKE: &str = "2025-11-25";
const STATELESS: &str = "2026-07-28";

/// Has the client use the fixture; `mode` is its own word for how it agrees on a revision.
fn use_fixture(mut client: Command, mode: &str, protocol: &str) -> Value {
    let fixture = FixtureServer::start();
    let said =
        said(client.args(["fixture", fixture.url(), mode]).env("MCP_TOKEN", fixture.token()));
    assert_eq!(said["protocol"], protocol, "{said}");
    said
}

/// Uses all of it, and hears what comes before an answer.
fn uses_every_feature(client: Command, mode: &str, protocol: &str) {
    let said = use_fixture(client, mode, protocol);
    check_answers(&said);
    let logged =
        json!(["Tool execution started", "Tool processing data", "Tool execution completed"]);
    assert_eq!(said["logged"], logged, "{said}");
    let progress: Vec<f64> =
        said["progress"].as_array().unwrap().iter().filter_map(|step| step[0].as_f64()).collect();
    assert_eq!(progress, [0.0, 50.0, 100.0], "{said}");
    check_question(&said, protocol);
}

/// What every client can do.
fn check_answers(said: &Value) {
    let names = |key: &str| {
        let names: Vec<&str> =
            said[key].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        names
    };
    assert!(names("tools").contains(&"test_simple_text"), "{said}");
    assert_eq!(said["text"], "This is a simple text response for testing.", "{said}");
    assert!(names("resources").contains(&"test://static-text"), "{said}");
    assert_eq!(said["resource"], "This is the content of the static text resource.", "{said}");
    assert!(names("prompts").contains(&"test_prompt_with_arguments"), "{said}");
    assert_eq!(said["prompt"], "Prompt with arguments: arg1='hello', arg2='world'", "{said}");
}

/// With sessions the server asks on the way; without, by an answer that is not the last.
fn check_question(said: &Value, protocol: &str) {
    let elicited = said["elicited"].as_str().unwrap();
    let (question, answer) = if protocol == HANDSHAKE {
        ("Who is there?", "ada@example.com")
    } else {
        ("What is your name?", "Hello, Ada!")
    };
    assert_eq!(said["asked"], json!([question]), "{said}");
    assert!(elicited.contains(answer), "{said}");
}

#[test]
fn version_1_of_the_python_sdk_uses_every_feature() {
    uses_every_feature(python("python-mcp1", "over_http.py"), "legacy", HANDSHAKE);
}

#[test]
fn version_2_of_the_python_sdk_uses_every_feature_of_the_newest_revision() {
    uses_every_feature(python("python-mcp2", "over_http.py"), "auto", STATELESS);
}

#[test]
fn version_2_of_the_python_sdk_uses_every_feature_after_a_handshake() {
    uses_every_feature(python("python-mcp2", "over_http.py"), "legacy", HANDSHAKE);
}

#[test]
fn fastmcp_uses_every_feature_of_the_newest_revision() {
    uses_every_feature(python("python-fastmcp", "fastmcp_over_http.py"), "auto", STATELESS);
}

#[test]
fn fastmcp_uses_every_feature_after_a_handshake() {
    uses_every_feature(python("python-fastmcp", "fastmcp_over_http.py"), "legacy", HANDSHAKE);
}

#[test]
fn version_1_of_the_typescript_sdk_uses_every_feature() {
    uses_every_feature(node("node/sdk1.mjs"), "legacy", HANDSHAKE);
}

#[test]
fn version_2_of_the_typescript_client_uses_every_feature_of_the_newest_revision() {
    uses_every_feature(node("node/client2.mjs"), "auto", STATELESS);
}

#[test]
fn version_2_of_the_typescript_client_uses_every_feature_without_asking_first() {
    uses_every_feature(node("node/client2.mjs"), STATELESS, STATELESS);
}

#[test]
fn version_2_of_the_typescript_client_uses_every_feature_after_a_handshake() {
    uses_every_feature(node("node/client2.mjs"), "legacy", HANDSHAKE);
}

#[test]
fn the_inspector_calls_reads_and_prompts_after_a_handshake() {
    check_answers(&use_fixture(node("inspector/inspector.mjs"), "legacy", "legacy"));
}

#[test]
fn the_inspector_calls_reads_and_prompts_without_a_session() {
    check_answers(&use_fixture(node("inspector/inspector.mjs"), "modern", "modern"));
}

#[test]
fn a_wrong_token_opens_nothing_of_the_fixture() {
    let fixture = FixtureServer::start();
    let mut client = node("node/sdk1.mjs");
    client.args(["fixture", fixture.url()]).env("MCP_TOKEN", "wrong");
    let output = client.output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}
