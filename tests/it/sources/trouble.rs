//! "Troubleshooting" of the second document.

use support::Installation;

use super::place::{Place, SERVE};
use crate::admin_folder::transcript;

/// Our form names our commands (decision 2): the last two lines are not as they are printed.
const NOT_FOUND: &str = "\
ERROR: Token file not found: /path/to/bin/pgedge-mcp-server-tokens.yaml
Create tokens with: mcp-admin tokens add
Or disable authentication with: --no-auth
exit 1";

const ADD_FIRST: &str = "./bin/pgedge-mcp-server -add-token";

const MODES: &str = "ls -la pgedge-mcp-server-tokens.yaml  # Should show -rw------- (600)";

const LIST: &str = "./bin/pgedge-mcp-server -list-tokens";

const LIST_EXPIRED: &str = r#"./bin/pgedge-mcp-server -list-tokens | grep "Status: Expired""#;

const LIST_FOR_HASH: &str = "./bin/pgedge-mcp-server -list-tokens  # Get the hash";

const REMOVE: &str = "./bin/pgedge-mcp-server -remove-token b3f805a4  # Use 8+ chars";

/// One that is over, one that is not.
const TWO: &str = r#"tokens:
  - id: token-1234567890
    hash: b3f805a4c2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Production API
    created_at: "2024-10-30T10:15:30Z"
    expires_at: "2025-10-30T10:15:30Z"
  - id: token-9876543210
    hash: 7a2f19d8e2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Development
    created_at: "2024-10-15T14:20:15Z"
"#;

const FILE: &str = "bin/pgedge-mcp-server-tokens.yaml";

#[test]
fn a_missing_token_file_is_told_with_the_two_ways_out_and_both_of_them_work() {
    let installation = Installation::new("");
    let place = Place::beside(&installation);
    let refused = transcript(&place.shell(&place.ours(SERVE, "mcp-server")));
    assert!(refused.ends_with(&place.ours(NOT_FOUND, "")), "{refused}");
    // "Server Won't Start", option 2.
    let open = place.serve("./bin/pgedge-mcp-server -http -no-auth");
    assert!(open.address().ip().is_loopback());
    drop(open);
    // Option 1. Nobody is asked where nobody is there; decision 23 says what is made then.
    let added = place.said(ADD_FIRST);
    assert!(added.starts_with("Token created successfully:\n"), "{added}");
    assert!(added.contains("(365 days from now)"), "{added}");
    let server = place.serve(SERVE);
    assert!(server.address().ip().is_loopback());
    let listed = transcript(&place.shell(&place.ours(&MODES.replace("-la ", "-la bin/"), "")));
    assert!(listed.starts_with("-rw------- "), "{listed}");
}

#[test]
fn a_token_that_fails_is_looked_for_in_the_list() {
    let place = Place::quick();
    place.write(FILE, TWO);
    let list = place.said(LIST);
    assert!(list.contains("Total tokens: 2\n") && list.contains("Status: Expired\n"), "{list}");
    let expired = transcript(&place.shell(&place.ours(LIST_EXPIRED, "mcp-admin")));
    assert_eq!(expired, "Status: Expired\nexit 0");
}

#[test]
fn a_token_that_cannot_be_removed_is_removed_by_8_characters_of_its_hash() {
    let place = Place::quick();
    place.write(FILE, TWO);
    let short = place.said(&REMOVE.replace("b3f805a4", "b3f805a"));
    assert_eq!(
        short,
        "Error: Token not found\nhint: use at least 8 characters of the hash, or the id: \
         mcp-admin tokens list\nexit 1"
    );
    assert_eq!(place.text("bin/mcp-server-tokens.yaml"), TWO);
    let list = place.said(LIST_FOR_HASH);
    assert!(list.contains("\nHash (first 12 chars): b3f805a4c...\n"), "{list}");
    assert_eq!(place.said(REMOVE), "Token removed: token-1234567890\nexit 0");
}
