//! `mcp-admin users`, as an operator meets it: every form of the sources, prompts on a terminal,
//! and what becomes of the files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;
use serde_json::{Value, json};
use support::binary;

use crate::admin_folder::{Admin, transcript};
use crate::admin_sessions::{lock, log_in};

/// The users of the sources, in the layout of the server that wrote them.
pub(crate) const THREE: &str = "\
users:
  alice:
    username: alice
    password_hash: $2a$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
    created_at: \"2024-10-30T10:15:00Z\"
    last_login: \"2024-11-14T09:30:00Z\"
    enabled: true
    annotation: Developer
    failed_attempts: 0
  bob:
    username: bob
    password_hash: $2a$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
    created_at: \"2024-10-15T14:20:00Z\"
    last_login: null
    enabled: true
    annotation: Admin
  charlie:
    username: charlie
    password_hash: $2a$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
    created_at: \"2024-09-01T08:00:00Z\"
    last_login: \"2024-10-10T16:45:00Z\"
    enabled: false
    annotation: Former employee
";

/// What the sources print for them.
pub(crate) const LISTED: &str = "\
Users:
==========================================================================================
Username             Created                   Last Login           Status      Annotation
------------------------------------------------------------------------------------------
alice                2024-10-30 10:15          2024-11-14 09:30     Enabled     Developer
bob                  2024-10-15 14:20          Never                Enabled     Admin
charlie              2024-09-01 08:00          2024-10-10 16:45     DISABLED    Former emp
==========================================================================================
";

/// Characters that act on a terminal, reorder text, cannot be seen, or break a line.
pub(crate) const HOSTILE: &str = "\u{1b}[31mred\u{202e}drow\nforged: yes\u{200b}\u{7}\t\u{9b}0m";

/// The password hash as the file has it.
pub(crate) fn hash_of(admin: &Admin, name: &str) -> String {
    let text = admin.text("users.yaml");
    let entry = text.split(&format!("username: {name}\n")).nth(1).unwrap();
    let hash = entry.lines().find_map(|line| line.trim().strip_prefix("password_hash: "));
    hash.unwrap().to_owned()
}

#[test]
fn the_list_is_the_one_of_the_sources() {
    let admin = Admin::with_users(THREE);
    assert_eq!(admin.stdout(&["-list-users"]), LISTED);
    assert_eq!(admin.stdout(&["users", "list"]), LISTED);
    let elsewhere = Admin::new();
    let file = admin.path("users.yaml");
    let file = file.to_str().unwrap();
    assert_eq!(elsewhere.stdout(&["-user-file", file, "-list-users"]), LISTED);
    // The state database changes nothing about what nobody has done here.
    drop(admin.store());
    assert_eq!(admin.stdout(&["-list-users"]), LISTED);
}

#[test]
fn every_command_line_of_the_sources_does_what_it_says() {
    let admin = Admin::new();
    assert_snapshot!(admin.transcript(&["-add-user", "-username", "alice", "-password", "SecurePassword123!", "-user-note", "Alice Smith - Developer"]), @r"
    User added: alice
    warning: everybody on this machine can see a command line: use --password-stdin
    exit 0
    ");
    let first = hash_of(&admin, "alice");
    assert!(first.starts_with("$2b$04$"), "{first}");
    assert_snapshot!(admin.transcript(&["-update-user", "-username", "alice", "-password", "NewPassword456!"]), @r"
    User updated: alice
    warning: everybody on this machine can see a command line: use --password-stdin
    exit 0
    ");
    assert_ne!(hash_of(&admin, "alice"), first);
    let updated =
        ["-update-user", "-username", "alice", "-user-note", "Alice Smith - Senior Developer"];
    assert_eq!(admin.transcript(&updated), "User updated: alice\nexit 0");
    admin.add_user("charlie", &[]);
    let status = || admin.json(&["users", "show", "charlie"])["status"].clone();
    assert_eq!(
        admin.transcript(&["-disable-user", "-username", "charlie"]),
        "User disabled: charlie\nexit 0"
    );
    assert_eq!(status(), "disabled");
    assert_eq!(
        admin.transcript(&["-enable-user", "-username", "charlie"]),
        "User enabled: charlie\nexit 0"
    );
    assert_eq!(status(), "enabled");
    assert_snapshot!(admin.transcript(&["-delete-user", "-username", "charlie"]), @r"
    Error: nobody is there to confirm that charlie is deleted
    hint: say so on the command line: --yes
    exit 1
    ");
    assert_eq!(status(), "enabled");
    assert_eq!(
        admin.transcript(&["users", "delete", "charlie", "--yes"]),
        "User deleted: charlie\nexit 0"
    );
    let users = admin.json(&["users", "list"]);
    assert_eq!(
        (&users["total"], &users["users"][0]["note"]),
        (&json!(1), &json!("Alice Smith - Senior Developer"))
    );
}

#[test]
fn everything_about_an_account_is_shown_but_its_password() {
    let admin = Admin::with_users(THREE);
    assert_snapshot!(admin.transcript(&["users", "show", "ALICE"]), @r"
    Username: alice
    Email:
    Note: Developer
    Status: Enabled
    Failed logins: 0
    Created: 2024-10-30 10:15:00
    Last login: 2024-11-14 09:30:00
    Roles:
    Databases: every one that is open to users
    Database role: the login's own
    Read-only: no
    Password: bcrypt, cost 12
    Sessions: 0
    exit 0
    ");
    let more = [
        "--note",
        "Nightly",
        "--email",
        "reports@example.com",
        "--role",
        "viewer",
        "--role",
        "operator",
    ];
    let rights = ["--database", "staging", "--db-role", "reader", "--read-only"];
    admin.add_user("reports", &[more.as_slice(), &rights].concat());
    let shown = admin.json(&["users", "show", "reports"]);
    for (key, value) in [
        ("email", json!("reports@example.com")),
        ("note", json!("Nightly")),
        ("roles", json!(["operator", "viewer"])),
        ("databases", json!(["staging"])),
        ("db_role", json!("reader")),
        ("read_only", json!(true)),
        ("last_login", Value::Null),
        ("sessions", json!([])),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    assert!(!shown.to_string().contains("$2"), "{shown}");
}

#[test]
fn nothing_in_so_many_words_takes_away_what_was_there() {
    let admin = Admin::new();
    admin.add_user("alice", &["--note", "x", "--email", "a@example.com", "--role", "admin"]);
    let before = hash_of(&admin, "alice");
    admin.stdout(&["users", "update", "alice", "--note", "", "--email", "", "--role", ""]);
    let shown = admin.json(&["users", "show", "alice"]);
    assert_eq!(
        (&shown["note"], &shown["email"], &shown["roles"]),
        (&json!(""), &Value::Null, &json!([]))
    );
    assert_eq!(hash_of(&admin, "alice"), before);
}

#[test]
fn what_cannot_be_made_is_refused_with_the_way_out() {
    let admin = Admin::new();
    admin.add_user("alice", &["--email", "alice@example.com"]);
    let add = |input: &str, arguments: &[&str]| {
        transcript(&admin.feed(input, &[&["users", "add"], arguments].concat()))
    };
    assert_snapshot!(add("", &["Alice", "--password-stdin"]), @r"
    Error: the name is taken
    hint: the names are in: mcp-admin users list
    exit 1
    ");
    assert_snapshot!(add("SecurePassword123!", &["bob", "--email", "ALICE@example.com", "--password-stdin"]), @r"
    Error: the email is taken
    exit 1
    ");
    assert_snapshot!(add("short", &["bob", "--password-stdin"]), @r"
    Error: the password breaks the policy: Minimum 8 characters; At least one uppercase letter; At least one digit
    hint: the policy: Minimum 8 characters; At least one uppercase letter; At least one lowercase letter; At least one digit; Maximum 72 bytes, because bcrypt takes no more (`passwords.algorithm: argon2id` takes 1024); No NUL character; Not one of the common passwords, which are guessed first; Not your user name or email address with little more; Not the name of this product with little more
    exit 1
    ");
    assert_snapshot!(add("", &["bob"]), @r"
    Error: nobody is there to ask for a password
    hint: give it on standard input: --password-stdin
    exit 1
    ");
    assert_snapshot!(add("", &[]), @r"
    Error: no user name was given
    hint: mcp-admin users add NAME
    exit 64
    ");
    assert_snapshot!(add("x", &["a@b", "--password-stdin"]), @r"
    Error: a user name must not hold '@'
    exit 1
    ");
    assert_snapshot!(add("x", &["bob", "--database", "stagin", "--password-stdin"]), @r"
    Error: there is no database stagin
    hint: configured: production, staging
    exit 1
    ");
    // bcrypt takes 72 bytes, and never the first 72 of more.
    let long = format!("Aa1{}", "x".repeat(70));
    assert!(
        add(&long, &["bob", "--password-stdin"])
            .contains("policy: Maximum 72 bytes, because bcrypt takes no more")
    );
    assert_eq!(admin.json(&["users", "list"])["total"], 1);
}

#[test]
fn nobody_is_said_to_be_nobody_without_repeating_the_name() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    for arguments in [
        ["users", "show", "Passw0rd!"].as_slice(),
        &["users", "update", "Passw0rd!", "--note", "x"],
        &["users", "enable", "Passw0rd!"],
        &["users", "disable", "Passw0rd!"],
        &["users", "unlock", "Passw0rd!"],
        &["users", "delete", "Passw0rd!", "--yes"],
        &["sessions", "list", "Passw0rd!"],
        &["sessions", "revoke", "--user", "Passw0rd!"],
    ] {
        let said = admin.transcript(arguments);
        let expected =
            "Error: User not found\nhint: the names are in: mcp-admin users list\nexit 1";
        assert_eq!(said, expected, "{arguments:?}");
    }
    assert_eq!(admin.run(&["users", "disable"]).status.code(), Some(64));
    assert_eq!(admin.run(&["-update-user", "-password"]).status.code(), Some(64));
}

#[test]
fn a_missing_users_file_is_made_with_the_first_user() {
    let admin = Admin::new();
    assert_snapshot!(admin.transcript(&["users", "list"]), @r"
    Error: users.yaml: there is no such file
    hint: create it with the first user: mcp-admin users add
    exit 1
    ");
    admin.add_user("alice", &[]);
    for name in ["users.yaml", "mcp-server-state.db", "audit.jsonl"] {
        let mode = fs::metadata(admin.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    assert!(!admin.text("users.yaml").contains("SecurePassword"));
}

#[test]
fn standard_input_that_cannot_be_read_is_our_failure() {
    let admin = Admin::new();
    let mut command = admin.command(&["users", "add", "alice", "--password-stdin"]);
    // A folder can be opened, and not be read.
    command.stdin(fs::File::open(admin.folder()).unwrap());
    assert_snapshot!(transcript(&command.output().unwrap()), @r"
    Error: cannot read the password: Is a directory (os error 21)
    exit 2
    ");
}

#[test]
fn a_policy_that_remembers_refuses_the_password_of_now() {
    let admin = Admin::new();
    admin.configure("  policy: strict\n");
    let feed = |password: &str, arguments: &[&str]| transcript(&admin.feed(password, arguments));
    let password = "Plum tree gate 7\n";
    assert_eq!(
        feed(password, &["users", "add", "alice", "--password-stdin"]),
        "User added: alice\nexit 0"
    );
    let again = feed(password, &["users", "update", "alice", "--password-stdin"]);
    assert!(
        again.contains("None of your last 5 passwords") && again.ends_with("exit 1"),
        "{again}"
    );
    let other = feed("Pear tree gate 7\n", &["users", "update", "alice", "--password-stdin"]);
    assert_eq!(other, "User updated: alice\nexit 0");
}

#[test]
fn a_locked_account_says_for_how_long_and_is_unlocked_by_unlock_and_by_enable() {
    let admin = Admin::new();
    admin.configure("  policy: classic\n");
    for name in ["alice", "bob"] {
        admin.add_user(name, &[]);
        lock(&admin, name, Some(12));
    }
    let list = admin.stdout(&["users", "list"]);
    assert_eq!(list.matches(" LOCKED 12m\n").count(), 2, "{list}");
    assert_eq!(admin.transcript(&["users", "unlock", "alice"]), "User unlocked: alice\nexit 0");
    assert_eq!(
        admin.transcript(&["-unlock-user", "-username", "alice"]),
        "User was not locked: alice\nexit 0"
    );
    assert_eq!(
        admin.transcript(&["-enable-user", "-username", "bob"]),
        "User enabled: bob\nexit 0"
    );
    assert!(!admin.stdout(&["users", "list"]).contains("LOCKED"));
    lock(&admin, "bob", None);
    assert!(admin.stdout(&["users", "list"]).contains(" LOCKED\n"), "until somebody lifts it");
    assert_eq!(admin.json(&["users", "show", "bob"])["status"], "locked");
}

#[test]
fn a_new_password_keeps_sessions_unless_told_otherwise_and_disabling_ends_them() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    let sessions = || admin.json(&["sessions", "list", "alice"])["total"].clone();
    log_in(&admin, "alice", "client");
    let update = ["users", "update", "alice", "--password-stdin"];
    assert_eq!(admin.feed("NewSecurePassword456!\n", &update).status.code(), Some(0));
    assert_eq!(sessions(), 1);
    let last_login = admin.json(&["users", "show", "alice"])["last_login"].clone();
    assert!(last_login.is_string(), "{last_login}");
    let revoke = [update.as_slice(), &["--revoke-sessions"]].concat();
    assert_eq!(admin.feed("NewPassword456!\n", &revoke).status.code(), Some(0));
    assert_eq!(sessions(), 0);
    log_in(&admin, "alice", "client");
    admin.stdout(&["users", "update", "alice", "--revoke-sessions"]);
    assert_eq!(sessions(), 0, "no password is asked for where something else is given");
    log_in(&admin, "alice", "client");
    admin.stdout(&["users", "disable", "alice"]);
    assert_eq!(sessions(), 0);
}

#[test]
fn without_a_usable_state_database_the_list_still_stands() {
    let admin = Admin::with_users(THREE);
    assert_eq!(admin.stdout(&["users", "list"]), LISTED);
    assert!(!admin.path("mcp-server-state.db").exists(), "a look makes nothing");
    admin.write("mcp-server-state.db", &"no database at all ".repeat(100));
    let listed = admin.run(&["users", "list"]);
    assert_eq!((listed.status.code(), listed.stdout.as_slice()), (Some(0), LISTED.as_bytes()));
    let said = String::from_utf8(listed.stderr).unwrap();
    assert!(said.starts_with("warning: no locks, no sessions: "), "{said}");
    // What must end sessions does not pretend to.
    assert_ne!(admin.run(&["users", "disable", "alice"]).status.code(), Some(0));
    assert_eq!(admin.text("users.yaml"), THREE);
}

#[test]
fn what_was_done_and_cannot_be_shown_is_in_the_failure() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    let line = "\"$ADMIN\" --config mcp-server.yaml users disable alice > /dev/full";
    let disabled = admin.shell(line);
    let said = transcript(&disabled);
    assert_eq!(disabled.status.code(), Some(2), "{said}");
    assert!(said.starts_with("Error: User disabled: alice (but standard output"), "{said}");
    assert_eq!(admin.json(&["users", "show", "alice"])["status"], "disabled");
}

#[test]
fn hostile_notes_are_kept_and_shown_without_acting() {
    let admin = Admin::new();
    admin.add_user("alice", &["--note", HOSTILE]);
    admin.add_user("bob", &["--note", &"x".repeat(10_240)]);
    admin.add_user("日本語", &["--note", "日本語日本語"]);
    admin.add_user("e\u{301}tienne\u{302}", &["--note", "n"]);
    let list = admin.stdout(&["users", "list"]);
    assert_eq!(list.lines().count(), 9, "{list}");
    let rows: Vec<&str> = list.lines().skip(4).take(4).collect();
    // The columns in front are 80 wide, whatever stands in them.
    let wide = |c: char| {
        if c > '\u{2e80}' { 2 } else { usize::from(!('\u{300}'..'\u{370}').contains(&c)) }
    };
    let width = |text: &str| text.chars().map(wide).sum::<usize>();
    for (row, note) in rows.iter().zip([r"\u{1b}[31m", "xxxxxxxxxx", "日本語日本", "n"]) {
        assert_eq!(width(row.strip_suffix(note).unwrap()), 80, "{row}");
    }
    let shown = admin.stdout(&["users", "show", "alice"]);
    let line = r"Note: \u{1b}[31mred\u{202e}drow\nforged: yes\u{200b}\u{7}\t\u{9b}0m";
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
    for text in [list, shown, admin.stdout(&["users", "export"])] {
        assert!(
            !text.contains(['\u{1b}', '\u{202e}', '\u{200b}', '\u{7}', '\t', '\u{9b}']),
            "{text}"
        );
    }
    assert_eq!(admin.json(&["users", "list"])["users"][0]["note"], HOSTILE);
    for name in ["a\u{1b}[31mb", "a\u{202e}b", "a\nb", "a\u{200b}b"] {
        let refused =
            admin.feed("SecurePassword123!\n", &["users", "add", name, "--password-stdin"]);
        let said = transcript(&refused);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{said}");
    }
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    let admin = Admin::with_users(THREE);
    let rights = ["--database", "staging", "--db-role", "reader", "--read-only", "--role", "admin"];
    admin.add_user(
        "Zoë Müller",
        &[&["--note", HOSTILE, "--email", "zoe@example.com"], rights.as_slice()].concat(),
    );
    let other = Admin::new();
    for (name, arguments) in
        [("a.yaml", ["users", "export"].as_slice()), ("b.yaml", &["users", "export", "--json"])]
    {
        other.write(name, &admin.stdout(arguments));
    }
    assert_eq!(other.transcript(&["users", "import", "a.yaml"]), "Users imported: 4\nexit 0");
    let records = |admin: &Admin| {
        admin
            .store()
            .users()
            .read()
            .unwrap()
            .into_iter()
            .map(|kept| kept.record)
            .collect::<Vec<_>>()
    };
    assert_eq!(records(&other), records(&admin));
    // Once more, and from JSON: they are there.
    let again = "Users imported: 0\nAlready there: 4\nexit 0";
    assert_eq!(other.transcript(&["users", "import", "b.yaml"]), again);
    assert_eq!(Admin::with_users("users: {}\n").stdout(&["users", "export"]), "users: {}\n");
}

#[test]
fn an_import_takes_what_it_can_and_names_the_rest() {
    let admin = Admin::new();
    admin.add_user("ALICE", &[]);
    // A list is a layout of its own, and a cost of 31 is a way to stop a server.
    admin.write(
        "other.yaml",
        "users:\n  - username: alice\n    password_hash: \
         $2a$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy\n    created_at: \
         \"2024-10-30T10:15:00Z\"\n    enabled: true\n  - username: bob\n    password_hash: \
         $2a$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy\n    created_at: \
         \"2024-10-30T10:15:00Z\"\n    enabled: true\n  - username: eve\n    password_hash: \
         $2a$31$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy\n    created_at: \
         \"2024-10-30T10:15:00Z\"\n    enabled: true\n",
    );
    assert_snapshot!(admin.transcript(&["users", "import", "other.yaml"]), @r"
    Users imported: 1
    warning: alice was not imported: the name is taken
    warning: eve was not imported: the password hash bcrypt cost is 31, and must be 4 to 15
    Error: 2 of 3 were not imported
    exit 1
    ");
    assert_eq!(admin.json(&["users", "list"])["total"], 2);
    assert_eq!(admin.run(&["users", "import", "missing.yaml"]).status.code(), Some(1));
}

#[test]
fn a_command_line_for_the_other_binary_names_the_one_that_works() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    for line in [
        "-list-users",
        "-add-user -username bob -password SecurePassword123! -user-note Bob",
        "-update-user -username alice -user-note x",
        "-disable-user -username alice",
        "-enable-user -username alice",
        "-unlock-user -username alice",
        "-delete-user -username alice",
        "-user-file users.yaml -list-users",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let server = std::process::Command::new(binary("mcp-server"));
        let said = { server }.args(&words).env_clear().output().unwrap();
        let told = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.status.code(), Some(64), "{told}");
        let command = told.lines().find_map(|line| line.trim().strip_prefix("mcp-admin ")).unwrap();
        assert_eq!(command, line.replace("SecurePassword123!", "PASSWORD"));
        let words: Vec<&str> = command.split(' ').collect();
        assert_ne!(admin.run(&words).status.code(), Some(64), "{command}");
    }
}
