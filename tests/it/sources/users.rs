//! "User Account Management Syntax" of the first document, "User Management" of the second: the
//! same lines under two names of the program.

use insta::{allow_duplicates, assert_snapshot};

use super::place::{PROGRAMS, Place};
use crate::admin_folder::{Admin, Terminal, transcript};
use crate::admin_users::hash_of;

pub(super) const ADD: &str = r#"./bin/pgedge-mcp-server -add-user \
  -username alice \
  -password "SecurePassword123!" \
  -user-note "Alice Smith - Developer""#;

const LIST: &str = "./bin/pgedge-mcp-server -list-users";

const LISTED: &str = "\
Users:
==========================================================================================
Username             Created                   Last Login           Status      Annotation
------------------------------------------------------------------------------------------
alice                2024-10-30 10:15          2024-11-14 09:30     Enabled     Developer
bob                  2024-10-15 14:20          Never                Enabled     Admin
charlie              2024-09-01 08:00          2024-10-10 16:45     DISABLED    Former emp
==========================================================================================
";

const UPDATE_PASSWORD: &str = r#"./bin/pgedge-mcp-server -update-user \
  -username alice \
  -password "NewPassword456!""#;

const UPDATE_NOTE: &str = r#"./bin/pgedge-mcp-server -update-user \
  -username alice \
  -user-note "Alice Smith - Senior Developer""#;

const DISABLE: &str = "./bin/pgedge-mcp-server -disable-user -username charlie";
const ENABLE: &str = "./bin/pgedge-mcp-server -enable-user -username charlie";
const DELETE: &str = "./bin/pgedge-mcp-server -delete-user -username charlie";

const LIST_ELSEWHERE: &str =
    "./bin/pgedge-mcp-server -user-file /etc/pgedge/pgedge-mcp-server-users.yaml -list-users";

/// The users whose list is printed, in the layout that the documented server writes.
const LISTED_FILE: &str = "\
users:
  alice:
    username: alice
    password_hash: $2a$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
    created_at: \"2024-10-30T10:15:00Z\"
    last_login: \"2024-11-14T09:30:00Z\"
    enabled: true
    annotation: Developer
  bob:
    username: bob
    password_hash: $2a$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
    created_at: \"2024-10-15T14:20:00Z\"
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

/// The file beside the binary, under its name of today.
const FILE: &str = "bin/mcp-server-users.yaml";

/// `-password` is "less secure", the documents say; we say why.
const SEEN: &str = "warning: everybody on this machine can see a command line: use \
                    --password-stdin\n";

#[test]
fn each_line_about_users_does_what_stands_beside_it() {
    for program in PROGRAMS {
        let printed = |line: &str| line.replace("pgedge-mcp-server", program);
        let place = Place::quick();
        let said = |line: &str| place.said(&printed(line));
        let list = || place.said(&printed(LIST));
        assert_eq!(said(ADD), format!("User added: alice\n{SEEN}exit 0"));
        allow_duplicates! { assert_only_alice(&list()) };
        place.write(FILE, LISTED_FILE);
        assert_eq!(list(), format!("{LISTED}exit 0"));
        assert_eq!(said(UPDATE_PASSWORD), format!("User updated: alice\n{SEEN}exit 0"));
        assert!(!place.text(FILE).contains("alice\n    password_hash: $2a$12$N9qo8"));
        assert_eq!(said(UPDATE_NOTE), "User updated: alice\nexit 0");
        assert!(place.text(FILE).contains("annotation: Alice Smith - Senior Developer\n"));
        assert_eq!(said(ENABLE), "User enabled: charlie\nexit 0");
        assert!(!list().contains("DISABLED"));
        assert_eq!(said(DISABLE), "User disabled: charlie\nexit 0");
        assert!(list().contains("2024-10-10 16:45     DISABLED    Former emp"));
        place.write("/etc/pgedge/pgedge-mcp-server-users.yaml", LISTED_FILE);
        assert_eq!(said(LIST_ELSEWHERE), format!("{LISTED}exit 0"));
    }
}

/// The printed table with one row, the printed time in place of now.
fn assert_only_alice(list: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}", "2024-10-30 10:15");
    settings.bind(|| {
        assert_snapshot!(list, @r"
        Users:
        ==========================================================================================
        Username             Created                   Last Login           Status      Annotation
        ------------------------------------------------------------------------------------------
        alice                2024-10-30 10:15          Never                Enabled     Alice Smit
        ==========================================================================================
        exit 0
        ");
    });
}

#[test]
fn what_is_not_on_the_line_is_prompted_for() {
    let admin = Admin::new();
    let mut terminal = Terminal::open(&admin, "-add-user");
    terminal.answer("Username: ", "alice\n");
    terminal.answer("Password: ", "SecurePassword123!\n");
    terminal.answer("Confirm password: ", "SecurePassword123!\n");
    terminal.answer("Note (optional): ", "Alice Smith - Developer\n");
    terminal.wait_for("User added: alice\n");
    assert!(!terminal.seen().contains("SecurePassword123!"), "hidden");
    assert_eq!(terminal.exit(), 0);
    assert!(admin.stdout(&["-list-users"]).contains("Alice Smit\n"));

    let before = hash_of(&admin, "alice");
    let mut terminal = Terminal::open(&admin, "-update-user -username alice");
    terminal.answer("Password: ", "NewPassword456!\n");
    terminal.answer("Confirm password: ", "NewPassword456!\n");
    terminal.wait_for("User updated: alice\n");
    assert_eq!(terminal.exit(), 0);
    assert_ne!(hash_of(&admin, "alice"), before);

    admin.add_user("charlie", &[]);
    let mut terminal = Terminal::open(&admin, "-delete-user -username charlie");
    terminal.answer("Delete user charlie? [y/N] ", "yes\n");
    terminal.wait_for("User deleted: charlie\n");
    assert_eq!(terminal.exit(), 0);
    assert!(!admin.stdout(&["-list-users"]).contains("charlie"));
}

#[test]
fn where_nobody_can_be_asked_nothing_is_added_changed_or_deleted() {
    let place = Place::quick();
    place.write(FILE, LISTED_FILE);
    for (line, said) in [
        ("./bin/pgedge-mcp-server -add-user", "Error: no user name was given\n"),
        (
            "./bin/pgedge-mcp-server -update-user -username alice",
            "Error: nobody is there to ask for a password\n",
        ),
        (DELETE, "Error: nobody is there to confirm that charlie is deleted\n"),
    ] {
        let told = place.said(line);
        assert!(told.starts_with(said) && !told.ends_with("exit 0"), "{told}");
    }
    assert_eq!(place.text(FILE), LISTED_FILE);
}

/// "User Storage": no prompt says where and how, so this is what an operator finds.
#[test]
fn users_lie_beside_the_binary_for_its_owner_alone_hashed_at_cost_12() {
    let place = Place::new();
    assert!(transcript(&place.run(ADD)).ends_with("exit 0"));
    let text = place.text(FILE);
    assert!(text.contains("\n    password_hash: $2b$12$"), "{text}");
    assert!(!text.contains("SecurePassword123!"));
    assert_eq!(place.mode(FILE), 0o600);
}
