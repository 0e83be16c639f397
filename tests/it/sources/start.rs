//! "Token Configuration", "Token Storage" and "Development vs Production" of the second document:
//! how a server starts, and with which files.

use std::process::Command;

use support::{Installation, ServerProcess};

use super::place::Place;
use super::requests::{TOOLS_LIST, WITHOUT_TOKEN};
use crate::admin_folder::transcript;

const CUSTOM_TOKEN_FILE: &str =
    "./bin/pgedge-mcp-server -http -token-file /etc/pgedge/pgedge-mcp-server-tokens.yaml";

const NO_AUTH: &str = "./bin/pgedge-mcp-server -http -no-auth";

const DEVELOPMENT: &str = r#"./bin/pgedge-mcp-server -http -addr "localhost:8080" -no-auth"#;

const PRODUCTION: &str = r"./bin/pgedge-mcp-server -http -tls \
  -cert /path/to/cert.pem \
  -key /path/to/key.pem";

const CONFIG: &str = r#"http:
  enabled: true
  address: ":8080"
  auth:
    enabled: true
    token_file: "/path/to/pgedge-mcp-server-tokens.yaml"
"#;

/// The end of it was in the past when this was written; the file is for reading, not for use.
const STORAGE: &str = r#"tokens:
  - id: token-1234567890
    hash: b3f805a4c2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Production API
    created_at: "2024-10-30T10:15:30Z"
    expires_at: "2025-10-30T10:15:30Z"
"#;

/// Two more, of which one is still good.
const TWO_MORE: &str = r#"  - id: token-2
    hash: b3f805357b2c1cb78d50a2a109198d184b7c763b68a61e2891ab36260ebac63f
    note: Kept
    created_at: "2024-10-30T10:15:30Z"
    expires_at: "2125-10-30T10:15:30Z"
  - id: token-3
    hash: 7a2f19d8e2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Kept for ever
    created_at: "2024-10-30T10:15:30Z"
"#;

/// The status of a list of tools, asked for as it is printed: with the token that the files above know, or with none.
fn status(place: &Place, server: &ServerProcess, printed: &str) -> u16 {
    place.curl(printed, &[], server.address()).status
}

#[test]
fn a_token_file_in_the_printed_format_works_at_a_place_of_its_own() {
    let installation = Installation::new("");
    let place = Place::beside(&installation);
    let file = "/etc/pgedge/pgedge-mcp-server-tokens.yaml";
    place.write(file, &format!("{STORAGE}{TWO_MORE}"));
    let server = place.serve(CUSTOM_TOKEN_FILE);
    let path = place.ours(file, "");
    // "Automatic Cleanup"; the path is told in full, as everywhere.
    server.wait_for_line(&format!("Loaded 3 API token(s) from {path}"));
    server.wait_for_line("Removed 1 expired token(s)");
    assert_eq!(place.text("etc/mcp-server-tokens.yaml"), format!("tokens:\n{TWO_MORE}"));
    assert_eq!(place.mode("etc/mcp-server-tokens.yaml"), 0o600);
    assert_eq!(status(&place, &server, TOOLS_LIST), 200);
    assert_eq!(status(&place, &server, WITHOUT_TOKEN), 401);
}

#[test]
fn without_authentication_everybody_on_this_machine_is_let_in() {
    let installation = Installation::new("");
    let place = Place::beside(&installation);
    // Decision 17: the default address is loopback. A test has no fixed port.
    for line in [NO_AUTH, &DEVELOPMENT.replace(":8080", ":0")] {
        let server = place.serve(line);
        assert!(server.address().ip().is_loopback(), "{}", server.log());
        assert_eq!(status(&place, &server, WITHOUT_TOKEN), 200);
    }
    // Decision 16: anywhere else it must be said twice.
    let open = DEVELOPMENT.replace("localhost:8080", ":0");
    let refused = transcript(&place.shell(&place.ours(&open, "mcp-server")));
    assert!(refused.contains("--i-know-this-is-open") && refused.ends_with("exit 1"), "{refused}");
}

#[test]
fn the_printed_configuration_file_is_in_force_as_it_stands() {
    let installation = Installation::new("");
    let place = Place::beside(&installation);
    place.write("bin/mcp-server.yaml", CONFIG);
    place.write("/path/to/pgedge-mcp-server-tokens.yaml", &format!("tokens:\n{TWO_MORE}"));
    // No flag: the file says that HTTP is on, that a token is needed, and where tokens lie. Only
    // the address is the test's own.
    let server = place.serve("./bin/pgedge-mcp-server ");
    assert_eq!(status(&place, &server, TOOLS_LIST), 200);
    assert_eq!(status(&place, &server, WITHOUT_TOKEN), 401);
    // Decision 17: `:8080` means what it says.
    place.write("bin/mcp-server.yaml", &CONFIG.replace(":8080", ":0"));
    let server = place.serve("unset MCP_HTTP_ADDRESS\n./bin/pgedge-mcp-server ");
    assert!(server.address().ip().is_unspecified(), "{}", server.log());
}

#[test]
fn with_a_certificate_and_its_key_the_server_speaks_https() {
    let installation = Installation::new("");
    let place = Place::beside(&installation);
    place.write("bin/mcp-server-tokens.yaml", &format!("tokens:\n{TWO_MORE}"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    place.write("cert.pem", &made.cert.pem());
    place.write("key.pem", &made.signing_key.serialize_pem());
    let server = place.serve(PRODUCTION);
    let to = server.address();
    assert!(server.log().contains("Listening on https://"));
    let health = Command::new("curl")
        .args(["-s", "--cacert"])
        .arg(place.path("cert.pem"))
        .args(["--connect-to", &format!("localhost:8080:{to}"), "https://localhost:8080/health"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&health.stdout), r#"{"status":"ok"}"#);
}
