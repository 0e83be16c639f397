//! `mcp-admin tokens`, as an operator meets it: output, exit code, and what becomes of the file.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;
use serde_json::Value;
use support::binary;

use crate::admin_folder::{Admin, Terminal, transcript};

/// Filters what no two runs have in common.
fn steady(check: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"Token: [\w-]{43}=", "Token: [TOKEN]");
    settings.add_filter(r"token-\d{9,}(-\d+)?", "token-[UNIX]");
    settings.add_filter(r"chars\): [0-9a-f]{9}\.\.\.", "chars): [9 DIGITS]...");
    settings.add_filter(r"Expiry: \d{4}-\d{2}-\d{2} ", "Expiry: [DATE] ");
    settings.bind(check);
}

fn count(admin: &Admin) -> u64 {
    admin.json(&["tokens", "list"])["total"].as_u64().unwrap()
}

fn has_token(output: &Output) -> bool {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&said)
        .split_whitespace()
        .any(|word| word.len() == 44 && word.ends_with('='))
}

const TWO: &str = "\
tokens:
  - id: token-1234567890
    hash: b3f805a4c2e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Production API
    database: staging
    created_at: \"2024-10-30T10:15:30Z\"
    expires_at: \"2025-10-30T10:15:30Z\"
  - id: token-9876543210
    hash: b3f805a4d4e7d9f1a8b6c3e2d5f4a1b9c8e7d6f5a4b3c2e1d9f8a7b6c5e4d3f2
    note: Development
    created_at: \"2024-10-15T14:20:15Z\"
    expires_at: null
";

#[test]
fn a_new_token_is_printed_once_in_the_words_of_the_source() {
    let admin = Admin::new();
    steady(|| {
        let arguments = [
            "-add-token",
            "-token-note",
            "Production API",
            "-token-expiry",
            "1y",
            "-token-database",
            "staging",
        ];
        assert_snapshot!(admin.transcript(&arguments), @r"
        Token created successfully:
        Token: [TOKEN]
        ID: token-[UNIX]
        Note: Production API
        Database: staging
        Expiry: [DATE] (365 days from now)
        Hash (first 12 chars): [9 DIGITS]...

        Store this token securely. It cannot be retrieved later.
        exit 0
        ");
    });
    steady(|| {
        assert_snapshot!(admin.transcript(&["tokens", "add", "--note", "CI/CD", "--expiry", "never"]), @r"
        Token created successfully:
        Token: [TOKEN]
        ID: token-[UNIX]
        Note: CI/CD
        Expiry: Never
        Hash (first 12 chars): [9 DIGITS]...

        Store this token securely. It cannot be retrieved later.
        exit 0
        ");
    });
}

#[test]
fn every_life_and_note_of_the_sources_makes_a_token() {
    let admin = Admin::new();
    for (note, expiry, days) in [
        ("Production API", "1y", "(365 days from now)"),
        ("CI/CD Pipeline", "never", "Expiry: Never"),
        ("Test", "1h", "(1 hour from now)"),
        ("API Client", "90d", "(90 days from now)"),
        ("Web App - Q4 2024", "2w", "(14 days from now)"),
        ("New Client", "30d", "(30 days from now)"),
        ("Nightly", "12h", "(12 hours from now)"),
    ] {
        let said = admin.stdout(&["-add-token", "-token-note", note, "-token-expiry", expiry]);
        assert!(said.contains(&format!("\nNote: {note}\n")) && said.contains(days), "{said}");
    }
    assert_eq!(count(&admin), 7);
}

#[test]
fn the_file_holds_the_hash_of_what_was_printed_and_never_the_token() {
    let admin = Admin::new();
    let made =
        admin.run(&["tokens", "add", "--json", "--role", "admin", "--tool", "query_database"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let token = made["token"].as_str().unwrap();
    assert!(!admin.text("tokens.yaml").contains(token));
    let digest =
        Command::new("sh").args(["-c", "printf %s \"$0\" | sha256sum", token]).output().unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    assert!(admin.text("tokens.yaml").contains(&digest[..64]), "{}", admin.text("tokens.yaml"));
    assert_eq!(made["hash_prefix"], digest[..12]);
    assert_eq!(
        (made["roles"][0].as_str(), made["tools"][0].as_str()),
        (Some("admin"), Some("query_database"))
    );
    assert!(!String::from_utf8_lossy(&admin.run(&["tokens", "list"]).stdout).contains(token));
}

#[test]
fn the_list_is_the_one_of_the_source() {
    let admin = Admin::with_tokens(TWO);
    assert_snapshot!(admin.transcript(&["-list-tokens"]), @r"
    API Tokens:
    ===========

    ID: token-1234567890
    Note: Production API
    Database: staging
    Hash (first 12 chars): b3f805a4c...
    Created: 2024-10-30 10:15:30
    Expires: 2025-10-30 10:15:30
    Status: Expired

    ID: token-9876543210
    Note: Development
    Hash (first 12 chars): b3f805a4d...
    Created: 2024-10-15 14:20:15
    Expires: Never
    Status: Valid

    Total tokens: 2
    exit 0
    ");
    assert_snapshot!(admin.transcript(&["tokens", "show", "token-9876543210"]), @r"
    ID: token-9876543210
    Note: Development
    Hash (first 12 chars): b3f805a4d...
    Created: 2024-10-15 14:20:15
    Expires: Never
    Status: Valid
    Reaches: the first configured
    Roles:
    Database role: the login's own
    Tools: every tool
    Read-only: no
    Last used: not in the audit log
    exit 0
    ");
}

#[test]
fn a_token_is_removed_by_its_id_or_by_a_prefix_that_is_its_alone() {
    let admin = Admin::with_tokens(TWO);
    assert_snapshot!(admin.transcript(&["-remove-token", "b3f805a4"]), @r"
    Error: Token not found
    hint: 2 tokens begin like this: use more characters of the hash
    exit 1
    ");
    for nobody in
        ["b3f805a", "b3f805a4e", "token-123456789", "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ="]
    {
        assert_eq!(
            admin.transcript(&["tokens", "remove", nobody]),
            "Error: Token not found\nhint: use at least 8 characters of the hash, or the id: \
             mcp-admin tokens list\nexit 1"
        );
    }
    assert_eq!(admin.text("tokens.yaml"), TWO, "nothing was removed so far");
    let removed = admin.transcript(&["-remove-token", "B3F805A4C2"]);
    assert_eq!(removed, "Token removed: token-1234567890\nexit 0");
    let removed = admin.transcript(&["tokens", "remove", "token-9876543210"]);
    assert_eq!(removed, "Token removed: token-9876543210\nexit 0");
    assert_eq!(admin.text("tokens.yaml"), "tokens: []\n");
}

#[test]
fn what_cannot_be_made_is_refused_with_the_way_out() {
    let admin = Admin::new();
    let refused = |arguments: &[&str]| admin.transcript(&[&["tokens", "add"], arguments].concat());
    assert_snapshot!(refused(&["--expiry", "6m"]), @r"
    Error: the expiry has no unit m: months differ in length
    hint: use 180d
    exit 1
    ");
    assert_snapshot!(refused(&["--expiry", "-1d"]), @r"
    Error: the expiry is a whole number and a unit, as in 12h, 30d, 2w or 1y, or `never`
    hint: use 30d, say, or never
    exit 1
    ");
    assert_snapshot!(refused(&["--database", "stagin"]), @r"
    Error: there is no database stagin
    hint: configured: production, staging
    exit 1
    ");
    assert_snapshot!(refused(&["--role", "a b"]), @r"
    Error: a role has 1 to 63 letters, digits, `_` or `-`
    exit 1
    ");
    assert!(!admin.path("tokens.yaml").exists());
}

#[test]
fn a_missing_file_and_a_wrong_command_line_have_their_own_exit_codes() {
    let admin = Admin::new();
    assert_snapshot!(admin.transcript(&["tokens", "list"]), @r"
    Error: tokens.yaml: there is no such file
    hint: create it with the first token: mcp-admin tokens add
    exit 1
    ");
    assert_eq!(admin.run(&["tokens", "--nonsense"]).status.code(), Some(64));
    assert_eq!(admin.run(&["tokens"]).status.code(), Some(64));
    assert_eq!(admin.run(&["--help"]).status.code(), Some(0));
    assert_eq!(admin.run(&["--version"]).status.code(), Some(0));
}

#[test]
fn a_broken_configuration_does_not_keep_a_stolen_token_alive() {
    let admin = Admin::with_tokens(TWO);
    fs::write(admin.path("mcp-server.yaml"), "http: [").unwrap();
    let removed =
        admin.run(&["--token-file", "tokens.yaml", "tokens", "remove", "token-1234567890"]);
    assert_eq!(removed.status.code(), Some(0));
    assert_eq!(admin.run(&["tokens", "list"]).status.code(), Some(1));
}

#[test]
fn a_hostile_note_is_kept_and_shown_without_acting() {
    let admin = Admin::new();
    let hostile = "\u{1b}[31mred\u{202e}drow\nID: forged\u{200b}";
    assert_eq!(admin.run(&["tokens", "add", "--note", hostile]).status.code(), Some(0));
    let long = "x".repeat(10_240);
    assert_eq!(admin.run(&["tokens", "add", "--note", &long]).status.code(), Some(0));
    let list = String::from_utf8(admin.run(&["tokens", "list"]).stdout).unwrap();
    let shown = r"Note: \u{1b}[31mred\u{202e}drow\nID: forged\u{200b}";
    assert!(list.lines().any(|line| line == shown), "{list}");
    assert!(list.contains(&long));
    assert!(!list.contains('\u{1b}') && !list.contains('\u{202e}'));
    let json: Value =
        serde_json::from_slice(&admin.run(&["tokens", "list", "--json"]).stdout).unwrap();
    assert_eq!(json["tokens"][0]["note"], hostile);
}

#[test]
fn thirty_writers_at_once_lose_nothing() {
    let admin = Admin::new();
    let writers: Vec<_> = (0..30)
        .map(|n| {
            let mut command = admin.command(&["tokens", "add", "--note", &n.to_string()]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
        assert!(has_token(&output));
    }
    assert_eq!(count(&admin), 30);
}

#[test]
fn the_file_is_private_from_the_start_whatever_the_umask() {
    let admin = Admin::new();
    let output = admin.shell(
        "umask 000; \"$ADMIN\" --config mcp-server.yaml --token-file new.yaml tokens add --note x",
    );
    assert!(output.status.success(), "{}", transcript(&output));
    for name in ["new.yaml", "new.yaml.lock"] {
        let mode = fs::metadata(admin.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn a_link_stays_a_link_and_its_target_is_replaced() {
    let admin = Admin::with_tokens(TWO);
    symlink("tokens.yaml", admin.path("link.yaml")).unwrap();
    let made = admin.run(&["--token-file", "link.yaml", "tokens", "add", "--note", "x"]);
    assert!(made.status.success(), "{}", transcript(&made));
    assert!(fs::symlink_metadata(admin.path("link.yaml")).unwrap().is_symlink());
    assert_eq!(count(&admin), 3);
}

#[test]
fn a_write_that_fails_prints_no_token_and_leaves_the_file_as_it_was() {
    let admin = Admin::with_tokens(TWO);
    // The lock file fits into the limit, the token file does not.
    let line = "while [ $(stat -c %s tokens.yaml) -lt 2000 ]; do echo '# filler filler filler' >> \
                tokens.yaml; done; cp tokens.yaml before; trap '' XFSZ; ulimit -f 1; \"$ADMIN\" \
                --config mcp-server.yaml tokens add --note x";
    let full = admin.shell(line);
    let said = transcript(&full);
    assert_eq!(full.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot write it anew") && said.contains("hint: "), "{said}");
    assert!(!has_token(&full), "{said}");
    assert_eq!(admin.text("tokens.yaml"), fs::read_to_string(admin.path("before")).unwrap());
    let left = fs::read_dir(admin.folder()).unwrap().map(|file| file.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".tmp")));
}

#[test]
fn a_folder_that_cannot_be_written_prints_no_token() {
    let admin = Admin::new();
    // No file can be made there, not even by root.
    let refused = admin.run(&["--token-file", "/proc/tokens.yaml", "tokens", "add", "--note", "x"]);
    assert_ne!(refused.status.code(), Some(0));
    assert!(!has_token(&refused));
}

#[test]
fn somebody_elses_file_is_refused_with_the_user_to_act_as() {
    let admin = Admin::with_tokens(TWO);
    // Only root can act as somebody else.
    if fs::metadata(admin.path("tokens.yaml")).unwrap().uid() != 0 {
        return;
    }
    // A copy that everybody may run: the build may lie in a private folder.
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(admin.folder(), open).unwrap();
    fs::copy(binary("mcp-admin"), admin.path("mcp-admin")).unwrap();
    let line = "setpriv --reuid 65534 --regid 65534 --clear-groups ./mcp-admin --token-file \
                tokens.yaml tokens";
    for verb in ["list", "add --note x"] {
        let refused = admin.shell(&format!("{line} {verb}"));
        let said = transcript(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("hint: run it as the owner: sudo -u root mcp-admin"), "{said}");
    }
    // Root manages the file of a service, and leaves it to the service.
    chown(admin.path("tokens.yaml"), Some(65534), Some(65534)).unwrap();
    assert_eq!(admin.run(&["tokens", "add", "--note", "x"]).status.code(), Some(0));
    let kept = fs::metadata(admin.path("tokens.yaml")).unwrap();
    assert_eq!((kept.uid(), kept.gid(), kept.mode() & 0o7777), (65534, 65534, 0o600));
    let own = admin.shell(&format!("{line} list"));
    assert!(transcript(&own).contains("Total tokens: 3"), "{}", transcript(&own));
}

#[test]
fn a_token_that_nobody_could_read_is_named_so_that_it_can_be_removed() {
    let admin = Admin::new();
    let lost = admin.shell("\"$ADMIN\" --config mcp-server.yaml tokens add --note x > /dev/full");
    let said = transcript(&lost);
    assert_eq!(lost.status.code(), Some(2), "{said}");
    let id = said.lines().find_map(|line| line.split("tokens remove ").nth(1)).unwrap();
    assert_eq!(admin.run(&["tokens", "remove", id]).status.code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let admin = Admin::with_tokens(TWO);
    let piped = admin
        .shell("\"$ADMIN\" --config mcp-server.yaml tokens list | true; echo ${PIPESTATUS[0]}");
    assert_eq!(transcript(&piped), "0\nexit 0");
}

#[test]
fn on_a_terminal_what_is_missing_is_asked_for() {
    let admin = Admin::new();
    let mut terminal = Terminal::open(&admin, "tokens add");
    terminal.answer("Note (what the token is for): ", "Nightly job\n");
    terminal.wait_for("  1. production\n  2. staging\n");
    terminal.answer("Database (number or name, blank for the first): ", "nowhere\n");
    terminal.wait_for("there is no database nowhere\n");
    terminal.answer("Database (number or name, blank for the first): ", "2\n");
    terminal.answer("Expiry (12h, 30d, 2w, 1y or never; blank for 1y): ", "6m\n");
    terminal.wait_for("use 180d\n");
    terminal.answer("Expiry (12h, 30d, 2w, 1y or never; blank for 1y): ", "\n");
    terminal.wait_for("Note: Nightly job\nDatabase: staging\n");
    terminal.wait_for("(365 days from now)\n");
    assert_eq!(terminal.exit(), 0);
    let mut terminal = Terminal::open(&admin, "tokens add --note given --expiry 2w");
    terminal.answer("Database (number or name, blank for the first): ", "staging\n");
    terminal.wait_for("Database: staging\nExpiry: ");
    assert!(!terminal.seen().contains("Note ("));
    assert_eq!(terminal.exit(), 0);
    assert_eq!(count(&admin), 2);
}

#[test]
fn on_a_terminal_the_end_of_input_makes_nothing() {
    let admin = Admin::new();
    let mut terminal = Terminal::open(&admin, "tokens add");
    terminal.answer("Note (what the token is for): ", "\u{4}");
    terminal.wait_for("Error: cancelled: nothing was changed\n");
    assert_eq!(terminal.exit(), 1);
    assert!(!admin.path("tokens.yaml").exists());
}
