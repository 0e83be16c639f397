//! How a server starts, and how it refuses to.

use std::fs;
use std::process::{Command, Output};

use serde_json::json;
use support::{Installation, Request, ServerProcess, binary};

/// Runs the server to its end: these starts are refused.
pub(crate) fn refused(arguments: &[&str]) -> Output {
    Command::new(binary("mcp-server")).args(arguments).env_clear().output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_missing_token_file_stops_the_start_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("mcp-server-tokens.yaml");
    let path = missing.to_string_lossy();
    let output = refused(&["-http", "-addr", "127.0.0.1:0", "-token-file", &path]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "ERROR: Token file not found: {path}\nCreate tokens with: mcp-admin tokens add\n\
         Or disable authentication with: --no-auth\n"
    );
    assert!(stderr(&output).ends_with(&expected), "{}", stderr(&output));
}

#[test]
fn without_authentication_only_loopback_is_served_unless_said_twice() {
    let output = refused(&["--http", "--no-auth", "--addr", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--i-know-this-is-open"), "{}", stderr(&output));
    let local = ServerProcess::start(&["--http", "--no-auth", "--addr", "127.0.0.1:0"], &[]);
    let list = Request::raw_mcp(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(list.send(local.address()).status, 200);
    let foreign = list.header("Origin", "https://evil.example").send(local.address());
    assert_eq!(foreign.status, 403, "Host and Origin are checked all the same");
    local.wait_for_line("Authentication is OFF");
    let arguments = ["--http", "--no-auth", "--i-know-this-is-open", "--addr", "0.0.0.0:0"];
    let open = ServerProcess::start(&arguments, &[]);
    open.wait_for_line("Listening on");
}

#[test]
fn a_configuration_that_forgets_authentication_has_it() {
    let installation = Installation::new("");
    let text = fs::read_to_string(installation.config()).unwrap();
    let token_file = installation.token_file();
    let without = text.replace("  auth:\n    token_file: tokens.yaml\n", "");
    assert_ne!(text, without);
    fs::write(installation.config(), without).unwrap();
    let config = installation.config();
    let arguments =
        ["--config", &config.to_string_lossy(), "--token-file", &token_file.to_string_lossy()];
    let server = ServerProcess::start(&arguments, &[]);
    let list = Request::raw_mcp(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(list.send(server.address()).status, 401);
}

#[test]
fn a_broken_configuration_names_file_line_key_and_the_nearest_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mcp-server.yaml");
    fs::write(&path, "http:\n  enabled: true\n  adress: \":8080\"\n").unwrap();
    let output = refused(&["--config", &path.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("mcp-server.yaml:3") && said.contains("adress"), "{said}");
    assert!(said.contains("hint:") && said.contains("address"), "{said}");
}

#[test]
fn a_broken_token_file_stops_the_start_and_shows_no_secret() {
    let installation = Installation::new("");
    let file = installation.token_file();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("hash: ", "hash: zz")).unwrap();
    let output = refused(&["--config", &installation.config().to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("tokens.yaml:"), "{said}");
    assert!(!said.contains(installation.token()), "{said}");
}

#[test]
fn a_token_file_that_others_may_read_stops_the_start_with_the_line_to_type() {
    use std::os::unix::fs::PermissionsExt as _;
    let installation = Installation::new("");
    let file = installation.token_file();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = refused(&["--config", &installation.config().to_string_lossy()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("chmod 600"), "{}", stderr(&output));
}

#[test]
fn expired_tokens_are_removed_at_start_and_said_so() {
    let installation = Installation::new("");
    let file = installation.token_file();
    let text = fs::read_to_string(&file).unwrap();
    let hash = "b3f805a4c2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2";
    let old = format!(
        "{text}  - id: token-1\n    hash: {hash}\n    note: Production API\n    \
         created_at: \"2024-10-30T10:15:30Z\"\n    expires_at: \"2025-10-30T10:15:30Z\"\n"
    );
    fs::write(&file, old).unwrap();
    let server = installation.start();
    server.wait_for_line("Listening on");
    server.wait_for_line(&format!("Loaded 2 API token(s) from {}", file.display()));
    server.wait_for_line("Removed 1 expired token(s)");
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "the rest of the file is as it was");
}

#[test]
fn a_command_of_the_operator_exits_64_with_the_line_to_type() {
    let output =
        refused(&["-add-token", "-token-note", "CI/CD Pipeline", "-token-expiry", "never"]);
    assert_eq!(output.status.code(), Some(64));
    let line = "mcp-admin -add-token -token-note 'CI/CD Pipeline' -token-expiry never";
    assert!(stderr(&output).contains(line), "{}", stderr(&output));
    assert_eq!(refused(&["--nonsense"]).status.code(), Some(64));
}

#[test]
fn sigterm_finishes_what_is_under_way_and_exits_0() {
    let installation = Installation::new("");
    let mut server = installation.start();
    let to = server.address();
    let sql = "SELECT count(*) FROM generate_series(1, 3000000) AS a";
    let params = json!({ "name": "query_database", "arguments": { "query": sql } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let request = Request::mcp(&call).bearer(installation.token());
    let slow = std::thread::spawn(move || request.send(to));
    wait_for_query(&installation);
    server.signal("TERM");
    let answer = slow.join().unwrap().json();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("3000000"), "{answer}");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

/// Waits until PostgreSQL works on a query of the server.
fn wait_for_query(installation: &Installation) {
    let active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                  AND application_name LIKE 'mcp-server/%'";
    for _ in 0..500 {
        if installation.postgres().execute("postgres", active).unwrap().trim() != "0" {
            return;
        }
    }
    panic!("no query of the server is seen");
}

#[test]
fn sighup_reloads_the_log_level_and_names_what_needs_a_restart() {
    let installation = Installation::new("");
    let server = installation.start();
    server.wait_for_line("Listening on");
    installation.write_config("    max_rows: 5\n");
    server.signal("HUP");
    server.wait_for_line("databases[0].max_rows changed and needs a restart");
    fs::write(installation.config(), "http:\n  enabled: [").unwrap();
    server.signal("HUP");
    server.wait_for_line("Configuration not reloaded, the old one stays in force");
    assert_eq!(Request::new("GET", "/health").send(server.address()).status, 200);
}

#[test]
fn writes_beside_a_role_that_can_be_left_again_are_said_to_do_nothing() {
    let installation = Installation::new("");
    installation.write_config("    allow_writes: true\n    db_role: agent\n");
    let server = installation.start();
    server.wait_for_line("Database shop: allow_writes does nothing beside db_role");
}

#[test]
fn no_secret_is_in_the_log() {
    let installation = Installation::new("");
    let config = installation.config();
    let arguments = ["--config", &config.to_string_lossy(), "--log-level", "trace"];
    let server = ServerProcess::start(&arguments, &[]);
    let to = server.address();
    assert!(!installation.query(to, "SELECT 'needle-in-sql' AS a").1);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(Request::raw_mcp(ping).bearer("a-guessed-token").send(to).status, 401);
    let log = server.log();
    for secret in [installation.token(), "a-guessed-token", "needle-in-sql"] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}
