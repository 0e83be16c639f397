//! "Automatic File Reloading" of the second document: credentials that change under a running
//! server.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use support::{Installation, ServerProcess};

use super::logins::AUTHENTICATE;
use super::place::{PRINTED_TOKEN, Place, SERVE};
use super::requests::TOOLS_LIST;

const ADD: &str = r#"./bin/pgedge-mcp-server -add-token \
  -token-note "New Client" \
  -token-expiry "30d""#;

const REMOVE: &str = "./bin/pgedge-mcp-server -remove-token b3f805a4";

const UPDATE_PASSWORD: &str = r#"./bin/pgedge-mcp-server -update-user \
  -username alice \
  -password "NewSecurePassword456!""#;

const RELOADED_TOKENS: &str = "[AUTH] Reloaded /path/to/pgedge-mcp-server-tokens.yaml";
const RELOADED_USERS: &str = "[AUTH] Reloaded /path/to/pgedge-mcp-server-users.yaml";

/// Printed on two lines, the reason on the second: an entry of our log is one line, and its reason
/// also says what was denied.
const FAILED: &str = "[AUTH] Failed to reload /path/to/pgedge-mcp-server-tokens.yaml:";
const REASON: &str = "permission denied";

const TOKENS: &str = "/path/to/pgedge-mcp-server-tokens.yaml";

/// Both files where the log lines of the document have them.
const CONFIG: &str = "\
http:
  auth:
    token_file: /path/to/pgedge-mcp-server-tokens.yaml
    user_file: /path/to/pgedge-mcp-server-users.yaml
";

/// The printed token, and another one.
const TWO: &str = r#"tokens:
  - id: token-1
    hash: b3f805357b2c1cb78d50a2a109198d184b7c763b68a61e2891ab36260ebac63f
    note: Production API
    created_at: "2024-10-30T10:15:30Z"
  - id: token-2
    hash: 7a2f19d8e2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Development
    created_at: "2024-10-30T10:15:30Z"
"#;

fn configured(place: Place) -> Place {
    place.write("bin/mcp-server.yaml", CONFIG);
    place.write(TOKENS, TWO);
    place
}

fn opens(place: &Place, to: SocketAddr, token: &str) -> bool {
    place.curl(TOOLS_LIST, &[(PRINTED_TOKEN, token)], to).status == 200
}

/// Waits for a printed line in the log, where nothing may follow it.
fn wait_for(place: &Place, server: &ServerProcess, printed: &str) {
    let ours = place.ours(printed, "");
    assert!(server.wait_for_line(&ours).ends_with(&ours));
}

/// How often that was logged so far.
fn count(place: &Place, server: &ServerProcess, printed: &str) -> usize {
    server.log().matches(&place.ours(printed, "")).count()
}

#[test]
fn a_token_added_while_the_server_runs_is_immediately_usable() {
    let installation = Installation::new("");
    let place = configured(Place::beside(&installation));
    let server = place.serve(SERVE);
    let to = server.address();
    let added = place.said(ADD);
    let token = added.lines().find_map(|line| line.strip_prefix("Token: ")).unwrap();
    assert!(added.contains("\nNote: New Client\n") && added.contains("(30 days from now)"));
    wait_for(&place, &server, RELOADED_TOKENS);
    assert!(support::eventually(|| opens(&place, to, token)), "{}", server.log());
    assert!(opens(&place, to, PRINTED_TOKEN));
}

#[test]
fn a_compromised_token_is_revoked_without_a_restart() {
    let installation = Installation::new("");
    let place = configured(Place::beside(&installation));
    let server = place.serve(SERVE);
    let to = server.address();
    assert!(opens(&place, to, PRINTED_TOKEN));
    // The first digits of the hash that the printed token really has.
    let removed = place.said(&REMOVE.replace("b3f805a4", "b3f80535"));
    assert_eq!(removed, "Token removed: token-1\nexit 0");
    assert!(support::eventually(|| !opens(&place, to, PRINTED_TOKEN)), "{}", server.log());
    wait_for(&place, &server, RELOADED_TOKENS);
}

#[test]
fn a_session_outlives_the_new_password_that_the_next_login_needs() {
    let installation = Installation::new("");
    let place = configured(Place::beside(&installation));
    let add = "./bin/pgedge-mcp-server -add-user -username alice -password 'SecurePassword123!'";
    assert!(place.said(add).ends_with("exit 0"));
    let server = place.serve(SERVE);
    let to = server.address();
    let log_in = |password: &str| {
        place.curl(AUTHENTICATE, &[("SecurePassword123!", password)], to).json()["result"].take()
    };
    let opened = log_in("SecurePassword123!");
    let text = opened["content"][0]["text"].as_str().unwrap();
    let text: serde_json::Value = serde_json::from_str(text).unwrap();
    let active = text["session_token"].as_str().unwrap();

    assert!(place.said(UPDATE_PASSWORD).starts_with("User updated: alice\n"));
    wait_for(&place, &server, RELOADED_USERS);
    assert!(opens(&place, to, active), "Alice's active session remains valid");
    assert!(support::eventually(|| log_in("NewSecurePassword456!").is_object()));
    assert!(log_in("SecurePassword123!").is_null(), "new password required for next login");
    assert!(opens(&place, to, active));
}

#[test]
fn a_file_that_an_editor_saved_is_reloaded() {
    let installation = Installation::new("");
    let place = configured(Place::beside(&installation));
    let server = place.serve(SERVE);
    let to = server.address();
    let reloads = |times| support::eventually(|| count(&place, &server, RELOADED_TOKENS) == times);
    // In place: both get another id at once.
    place.write(TOKENS, &TWO.replace("token-1", "token-10").replace("token-2", "token-20"));
    assert!(reloads(1) && opens(&place, to, PRINTED_TOKEN), "{}", server.log());
    // Deleted and made again, as many editors do.
    let path = place.ours(TOKENS, "");
    place.write("saved", &TWO.replace("hash: b3f80535", "hash: 00000000"));
    fs::remove_file(&path).unwrap();
    fs::rename(place.path("saved"), &path).unwrap();
    assert!(support::eventually(|| !opens(&place, to, PRINTED_TOKEN)), "{}", server.log());
    assert!(reloads(2), "{}", server.log());
}

#[test]
fn a_reload_that_fails_is_logged_and_keeps_the_old_data() {
    let place = configured(Place::quick().with("MCP_HTTP_ADDRESS", "127.0.0.1:0").bound_by_modes());
    let server = place.serve(SERVE);
    let to = server.address();
    let path = place.ours(TOKENS, "");
    let set_mode = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    set_mode(0o000);
    let failed = server.wait_for_line(&place.ours(FAILED, ""));
    assert!(failed.to_lowercase().contains(REASON), "{failed}");
    assert!(opens(&place, to, PRINTED_TOKEN));
    set_mode(0o600);
    server.wait_for_line("is as it was again");
    // "Valid YAML required", "File must exist".
    fs::write(&path, "tokens: [").unwrap();
    assert!(support::eventually(|| count(&place, &server, FAILED) == 2), "{}", server.log());
    assert!(opens(&place, to, PRINTED_TOKEN));
    fs::remove_file(&path).unwrap();
    assert!(support::eventually(|| count(&place, &server, FAILED) == 3), "{}", server.log());
    assert!(opens(&place, to, PRINTED_TOKEN));
    let list = "./bin/pgedge-mcp-server -list-tokens";
    assert!(place.said(list).starts_with("Error: "), "so does the list");
}
