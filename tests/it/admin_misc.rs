//! What else `mcp-admin` does: checks, hashes, completions, manual pages.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use crate::admin_folder::{Admin, Terminal, transcript};
use crate::admin_users::{LISTED, THREE};

#[test]
fn an_installation_in_order_passes_every_check() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    admin.stdout(&["tokens", "add", "--note", "x"]);
    let checked = admin.json(&["check"]);
    let checks = checked["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["result"] == "ok"), "{checked}");
    let names: Vec<_> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    let expected = [
        "configuration",
        "token file",
        "users file",
        "state directory",
        "state database",
        "audit log",
    ];
    assert_eq!(names, expected);
    assert!(admin.transcript(&["check"]).starts_with("ok    configuration    mcp-server.yaml\n"));
}

#[test]
fn a_list_names_who_has_a_hash_that_no_server_looks_at() {
    let costly = THREE.replacen("$2a$12$", "$2a$31$", 1);
    let admin = Admin::with_users(&costly);
    let warning = "warning: alice cannot log in: the password hash bcrypt cost is 31, and must be 4 \
                   to 15; set the password anew: mcp-admin users update alice\n";
    let listed = admin.run(&["users", "list"]);
    assert_eq!(String::from_utf8_lossy(&listed.stderr), warning);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), LISTED, "the table is as ever");
    let checked = admin.run(&["check"]);
    let checked = String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.contains("alice cannot log in: the password hash bcrypt cost is 31"),
        "{checked}"
    );
}

#[test]
fn what_the_server_could_not_use_fails_with_the_way_out() {
    let admin = Admin::new();
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let owned = format!(".: {} owns it", String::from_utf8(user).unwrap().trim());
    assert_snapshot!(admin.transcript(&["check"]).replace(&owned, ".: [USER] owns it"), @r"
    ok    configuration    mcp-server.yaml
    ok    token file       tokens.yaml: there is none
    ok    users file       users.yaml: there is none
    fail  credentials      there is neither a token file nor a users file: nobody could be let in
          hint: mcp-admin users add, or mcp-admin tokens add
    ok    state directory  .: [USER] owns it
    ok    state database   ./mcp-server-state.db: there is none yet
    ok    audit log        ./audit.jsonl: there is none yet
    Error: 1 check failed
    exit 1
    ");
    admin.add_user("alice", &["--database", "staging"]);
    let text = admin.text("users.yaml").replace("- staging", "- gone");
    admin.write("users.yaml", &text);
    let open = Permissions::from_mode(0o644);
    for name in ["mcp-server-state.db", "audit.jsonl"] {
        fs::set_permissions(admin.path(name), open.clone()).unwrap();
    }
    fs::set_permissions(admin.folder(), Permissions::from_mode(0o777)).unwrap();
    admin.configure("http.enabled: true\n");
    let broken = admin.transcript(&["check"]);
    assert!(broken.contains("fail  configuration    mcp-server.yaml:"), "{broken}");
    assert!(broken.ends_with("Error: 1 check failed\nexit 1"), "{broken}");
    let config = admin.text("mcp-server.yaml").replace("http.enabled: true\n", "");
    let config =
        config.replace("    host: localhost\n", "    host: localhost\n    password: hunter2\n");
    let config = config.replace("http:\n", "http:\n  enabled: true\n  address: \":8080\"\n");
    fs::write(admin.path("mcp-server.yaml"), config).unwrap();
    fs::set_permissions(admin.path("mcp-server.yaml"), open).unwrap();
    let said = admin.transcript(&["check"]);
    for line in [
        "warn  configuration    mcp-server.yaml: others may read the secrets in it\n",
        "warn  encryption       :8080 speaks plain HTTP",
        "warn  users file       alice has the database gone, which is not configured\n",
        "fail  state directory  .: others than its owner may write to it\n      hint: chmod go-w .\n",
        "fail  state database   ",
        "fail  audit log        ",
        "Error: 3 checks failed\nexit 1",
    ] {
        assert!(said.contains(line), "{line:?} in {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn databases_are_asked_only_where_somebody_wants_it() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    let config = admin.text("mcp-server.yaml").replace("host: localhost", "host: /nowhere");
    admin.write("mcp-server.yaml", &config);
    assert_eq!(admin.run(&["check"]).status.code(), Some(0));
    let said = admin.transcript(&["check", "--databases"]);
    assert!(said.contains("fail  database         production: /nowhere"), "{said}");
    assert!(said.ends_with("Error: 2 checks failed\nexit 1"), "{said}");
}

#[test]
fn a_password_is_hashed_from_standard_input_and_from_a_terminal() {
    let admin = Admin::new();
    let hashed = |input: &str, arguments: &[&str]| {
        transcript(&admin.feed(input, &[&["hash-password"], arguments].concat()))
    };
    let bcrypt = hashed("SecurePassword123!\n", &[]);
    assert!(bcrypt.starts_with("$2b$04$") && bcrypt.ends_with("\nexit 0"), "{bcrypt}");
    let argon2id = hashed("SecurePassword123!", &["--algorithm", "argon2id"]);
    assert!(argon2id.starts_with("$argon2id$v=19$m=8192,t=3,p=1$"), "{argon2id}");
    assert!(hashed("password1\n", &[]).ends_with("exit 1"));
    assert!(hashed("", &[]).starts_with("Error: there is no password on standard input\n"));
    assert_eq!(admin.feed("x", &["hash-password", "--algorithm", "md5"]).status.code(), Some(64));
    let mut terminal = Terminal::open(&admin, "hash-password");
    terminal.answer("Password: ", "SecurePassword123!\n");
    terminal.answer("Confirm password: ", "SecurePassword123!\n");
    terminal.wait_for("$2b$04$");
    assert!(!terminal.seen().contains("Secure"));
    assert_eq!(terminal.exit(), 0);
}

#[test]
fn the_command_line_describes_itself() {
    let admin = Admin::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = admin.stdout(&["completions", shell]);
        assert!(script.contains("hash-password"), "{shell}");
    }
    let page = admin.stdout(&["man", "users", "add"]);
    assert!(page.contains(".TH MCP-ADMIN-USERS-ADD 1"), "{page}");
    assert!(page.contains("password\\-stdin"), "{page}");
    assert!(admin.stdout(&["man"]).contains(".TH MCP-ADMIN 1"));
    assert_eq!(admin.run(&["man", "nonsense"]).status.code(), Some(1));
    let help = admin.stdout(&["--help"]);
    assert!(help.lines().count() <= 45, "fits a screen: {help}");
    // The old form of a password is understood and not advertised.
    assert!(!admin.stdout(&["users", "add", "--help"]).contains("--password "));
}

#[test]
fn the_reference_page_is_what_the_command_line_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let written = fs::read_to_string(page).unwrap();
    let fresh = Admin::new().stdout(&["man", "--markdown"]);
    assert!(written == fresh, "docs/cli.md is out of date: run `cargo xtask schema`");
}

#[test]
fn postgresql_without_a_database_is_refused_in_a_sentence() {
    let admin = Admin::new();
    assert_snapshot!(admin.transcript(&["--store", "postgres", "users", "list"]), @r"
    Error: --store: users.store: needs users.database_dsn
    hint: set USER_DATABASE_DSN, or users.database_dsn_file for a file that holds it
    exit 1
    ");
    admin.add_user("alice", &[]);
    assert_eq!(admin.run(&["--store", "file", "users", "list"]).status.code(), Some(0));
}
