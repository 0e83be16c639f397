//! The README's commands, as it prints them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Installation, ServerProcess, binary};

/// The code blocks of the README in one language, in order.
fn blocks(language: &str) -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let fence = format!("```{language}\n");
    readme
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap().to_owned())
        .collect()
}

fn block(language: &str, holding: &str) -> String {
    let found = blocks(language).into_iter().find(|block| block.contains(holding));
    found.unwrap_or_else(|| panic!("the README has no {language} block with {holding:?}"))
}

/// A newcomer's folder: the README's configuration file, the database that it names, a token made
/// by its command. PostgreSQL is on a socket, so its host and port are put in.
struct Newcomer {
    installation: Installation,
    server: ServerProcess,
    token: String,
}

impl Newcomer {
    fn follow() -> Self {
        let installation = Installation::new("");
        let postgres = installation.postgres();
        postgres.execute("postgres", "CREATE DATABASE mydb").unwrap();
        postgres.execute("mydb", &block("sql", "readonly_user")).unwrap();
        let host =
            format!("host: {}\n    port: {}", postgres.socket_dir().display(), postgres.port());
        let config = block("yaml", "databases:").replace("host: localhost", &host);
        let config = config.replace("127.0.0.1:8080", "127.0.0.1:0");
        fs::write(installation.config(), config).unwrap();
        fs::write(installation.path().join("db-password"), "choose one\n").unwrap();
        let shell = |line: &str| {
            Command::new("bash")
                .args(["-c", line])
                .current_dir(installation.path())
                .env("PATH", path_with_binaries())
                .output()
                .unwrap()
        };
        let added = shell(&block("sh", "tokens add"));
        let text = String::from_utf8_lossy(&added.stdout).into_owned();
        let token = text.lines().find_map(|line| line.strip_prefix("Token: ")).map(str::to_owned);
        let token = token.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&added.stderr)));
        let line = block("sh", "mcp-server --config");
        let mut command = Command::new("bash");
        command.args(["-c", &format!("exec {line} --log-format text")]);
        command.current_dir(installation.path()).env("PATH", path_with_binaries());
        Self { server: ServerProcess::spawn(command), installation, token }
    }
}

fn path_with_binaries() -> String {
    let binaries = binary("mcp-server").parent().unwrap().to_owned();
    format!("{}:/usr/local/bin:/usr/bin:/bin", binaries.display())
}

#[test]
fn a_newcomer_who_follows_the_readme_gets_an_answer() {
    let newcomer = Newcomer::follow();
    let address = newcomer.server.address().to_string();
    let curl = block("sh", "curl").replace("127.0.0.1:8080", &address);
    let output = Command::new("bash")
        .args(["-c", &curl])
        .env("MCP_TOKEN", &newcomer.token)
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("version\nPostgreSQL "), "{text}");

    let sample = block("python", "call_tool").replace("127.0.0.1:8080", &address);
    let python = binary("mcp-server");
    let python = python.parent().and_then(Path::parent).unwrap();
    let output = Command::new(python.join("clients/python-mcp2/bin/python"))
        .args(["-c", &sample])
        .env("MCP_TOKEN", &newcomer.token)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("PostgreSQL "), "{}", String::from_utf8_lossy(&output.stderr));
    drop(newcomer.installation);
}

#[test]
fn the_client_configurations_are_json_and_name_what_exists() {
    for text in blocks("json") {
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value.get("servers").or_else(|| value.get("mcpServers")).is_some(), "{text}");
    }
    let desktop: Value = serde_json::from_str(&block("json", "command")).unwrap();
    let arguments = desktop["mcpServers"]["postgres"]["args"].as_array().unwrap();
    let arguments = arguments.iter().map(|argument| argument.as_str().unwrap());
    // The input ends at once, so the server starts, has nobody to serve, and ends well.
    let output = Command::new(binary("mcp-server")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_commands_for_newcomers_are_tasks_that_exist() {
    let tasks = [block("sh", "xtask demo"), block("sh", "xtask test")];
    assert_eq!(tasks, ["cargo xtask demo", "cargo xtask test"]);
}
