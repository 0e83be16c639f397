//! "Token Management" and "Token Expiry Formats" of the second document.

use std::process::Output;

use insta::assert_snapshot;

use super::place::{Place, as_printed};
use crate::admin_folder::{Admin, Terminal, transcript};

const FILE: &str = "bin/mcp-server-tokens.yaml";

/// "Configured databases" of the examples: one to be the first, one to be named.
const DATABASES: &str = "\
databases:
  - name: production
    host: localhost
  - name: staging
    host: localhost
";

const ADD: &str = r#"./bin/pgedge-mcp-server -add-token \
  -token-note "Production API" \
  -token-expiry "1y""#;

const ADD_BOUND: &str = r#"./bin/pgedge-mcp-server -add-token \
  -token-note "Staging API" \
  -token-database "staging" \
  -token-expiry "30d""#;

const ADD_FOR_EVER: &str = r#"./bin/pgedge-mcp-server -add-token \
  -token-note "CI/CD Pipeline" \
  -token-expiry "never""#;

/// What is printed once and never again. No printed line makes exactly this token: the note and
/// the life are of the first line, the database is of the second.
const ADDED: &str = "\
Token created successfully:
Token: O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=
ID: token-1234567890
Note: Production API
Database: staging
Expiry: 2025-10-30 (365 days from now)
Hash (first 12 chars): b3f805a4c...

Store this token securely. It cannot be retrieved later.
";

const LIST: &str = "./bin/pgedge-mcp-server -list-tokens";

const LISTED: &str = "\
API Tokens:
===========

ID: token-1234567890
Note: Production API
Hash (first 12 chars): b3f805a4c...
Created: 2024-10-30 10:15:30
Expires: 2025-10-30 10:15:30
Status: Valid

ID: token-9876543210
Note: Development
Hash (first 12 chars): 7a2f19d8e...
Created: 2024-10-15 14:20:15
Expires: Never
Status: Valid

Total tokens: 2
";

/// The tokens of that list. The first one expired meanwhile; this one has a century more.
const LISTED_FILE: &str = "\
tokens:
  - id: token-1234567890
    hash: b3f805a4c2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Production API
    created_at: \"2024-10-30T10:15:30Z\"
    expires_at: \"2125-10-30T10:15:30Z\"
  - id: token-9876543210
    hash: 7a2f19d8e2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Development
    created_at: \"2024-10-15T14:20:15Z\"
    expires_at: null
";

const REMOVE_BY_ID: &str = "./bin/pgedge-mcp-server -remove-token token-1234567890";
const REMOVE_BY_8_DIGITS: &str = "./bin/pgedge-mcp-server -remove-token b3f805a4";
const REMOVE_BY_MORE: &str = "./bin/pgedge-mcp-server -remove-token b3f805a4c2";

/// Each line that makes a token, with the note and the life that it asks for.
const ALL_THAT_ADD: [(&str, &str, &str); 9] = [
    (ADD, "Production API", "(365 days from now)"),
    (ADD_BOUND, "Staging API", "(30 days from now)"),
    (ADD_FOR_EVER, "CI/CD Pipeline", "Expiry: Never"),
    (
        r#"./bin/pgedge-mcp-server -add-token -token-note "Test" -token-expiry "1h""#,
        "Test",
        "(1 hour from now)",
    ),
    (
        r#"./bin/pgedge-mcp-server -add-token -token-note "API Client" -token-expiry "90d""#,
        "API Client",
        "(90 days from now)",
    ),
    (
        r#"./bin/pgedge-mcp-server -add-token -token-note "Monitoring" -token-expiry "1y""#,
        "Monitoring",
        "(365 days from now)",
    ),
    (
        r#"./bin/pgedge-mcp-server -add-token -token-note "Admin" -token-expiry "never""#,
        "Admin",
        "Expiry: Never",
    ),
    // "Production Deployment".
    (
        r#"./bin/pgedge-mcp-server -add-token \
  -token-note "Web App - Q4 2024" \
  -token-expiry "90d""#,
        "Web App - Q4 2024",
        "(90 days from now)",
    ),
    (
        r#"./bin/pgedge-mcp-server -add-token \
  -token-note "Web App" \
  -token-expiry "never""#,
        "Web App",
        "Expiry: Never",
    ),
];

fn place() -> Place {
    let place = Place::quick();
    place.write("bin/mcp-server.yaml", DATABASES);
    place
}

/// The value behind a label of an output.
fn value<'a>(text: &'a str, label: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(label)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {label} in {text}"))
}

/// What was added, with time, id, hash and token as they are printed.
fn added(output: &Output) -> String {
    let text = transcript(output);
    let day = value(&text, "Expiry").split(' ').next().unwrap();
    as_printed(
        &text,
        [
            (value(&text, "Token"), value(ADDED, "Token")),
            (value(&text, "ID"), value(ADDED, "ID")),
            (value(&text, "Hash (first 12 chars)"), value(ADDED, "Hash (first 12 chars)")),
            (day, "2025-10-30"),
        ],
    )
}

#[test]
fn each_line_that_adds_a_token_prints_it_once_in_the_printed_form() {
    let place = place();
    for (line, note, life) in ALL_THAT_ADD {
        let said = place.said(line);
        assert!(said.starts_with("Token created successfully:\nToken: "), "{said}");
        assert!(said.contains(&format!("\nNote: {note}\n")) && said.contains(life), "{said}");
        assert!(
            said.ends_with("\nStore this token securely. It cannot be retrieved later.\nexit 0")
        );
        assert_eq!(value(&said, "Token").len(), value(ADDED, "Token").len());
        assert!(!place.text(FILE).contains(value(&said, "Token")), "stored as its hash");
        assert_eq!(said.contains("\nDatabase: staging\n"), line == ADD_BOUND);
    }
    assert_eq!(place.mode(FILE), 0o600);
    let both = ADD.replace("-token-expiry", "-token-database staging -token-expiry");
    assert_eq!(added(&place.run(&both)), format!("{ADDED}exit 0"));
    assert_eq!(added(&place.run(ADD)), format!("{ADDED}exit 0").replace("Database: staging\n", ""));
}

#[test]
fn what_is_not_on_the_line_is_prompted_for() {
    let admin = Admin::new();
    let mut terminal = Terminal::open(&admin, "-add-token");
    terminal.answer("Note (what the token is for): ", "Production API\n");
    terminal.wait_for("  1. production\n  2. staging\n");
    terminal.answer("Database (number or name, blank for the first): ", "2\n");
    terminal.answer("Expiry (12h, 30d, 2w, 1y or never; blank for 1y): ", "30d\n");
    terminal.wait_for("Note: Production API\nDatabase: staging\nExpiry: ");
    assert_eq!(terminal.exit(), 0);
    // By name, and no expiry.
    let mut terminal = Terminal::open(&admin, "-add-token");
    terminal.answer("Note (what the token is for): ", "Dev Environment\n");
    terminal.answer("Database (number or name, blank for the first): ", "staging\n");
    terminal.answer("Expiry (12h, 30d, 2w, 1y or never; blank for 1y): ", "never\n");
    terminal.wait_for("Note: Dev Environment\nDatabase: staging\nExpiry: Never\n");
    assert_eq!(terminal.exit(), 0);
    // "Leave blank to use the first configured database": bound to none, it reaches the first.
    let mut terminal = Terminal::open(&admin, "-add-token");
    terminal.answer("Note (what the token is for): ", "Nightly\n");
    terminal.answer("Database (number or name, blank for the first): ", "\n");
    terminal.answer("Expiry (12h, 30d, 2w, 1y or never; blank for 1y): ", "1y\n");
    terminal.wait_for("Note: Nightly\nExpiry: ");
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn the_list_is_the_printed_one() {
    let place = place();
    place.write(FILE, LISTED_FILE);
    let century_ago = place.said(LIST).replace("Expires: 2125", "Expires: 2025");
    assert_eq!(century_ago, format!("{LISTED}exit 0"));
}

#[test]
fn a_token_is_removed_by_its_id_and_by_8_or_more_digits_of_its_hash() {
    let place = place();
    for line in [REMOVE_BY_ID, REMOVE_BY_8_DIGITS, REMOVE_BY_MORE] {
        place.write(FILE, LISTED_FILE);
        assert_eq!(place.said(line), "Token removed: token-1234567890\nexit 0");
        let list = place.said(LIST);
        assert!(list.contains("ID: token-9876543210\n") && list.contains("Total tokens: 1\n"));
    }
}

#[test]
fn each_printed_life_is_taken_and_months_are_refused_with_the_days_to_use() {
    let place = place();
    let add = |expiry: &str| {
        place.said(&format!(
            "./bin/pgedge-mcp-server -add-token -token-note x -token-expiry {expiry}"
        ))
    };
    for (expiry, life) in [
        ("30d", "(30 days from now)"),
        ("1y", "(365 days from now)"),
        ("2w", "(14 days from now)"),
        ("12h", "(12 hours from now)"),
        ("90d", "(90 days from now)"),
        ("180d", "(180 days from now)"),
        ("never", "Expiry: Never"),
    ] {
        assert!(add(expiry).contains(life), "{expiry}");
    }
    let before = place.text(FILE);
    assert_snapshot!(add("6m"), @r"
    Error: the expiry has no unit m: months differ in length
    hint: use 180d
    exit 1
    ");
    assert_eq!(place.text(FILE), before);
}
