//! `mcp-admin users` on a terminal: what is asked for, what is not seen, and how to say no.

use crate::admin_folder::{Admin, Terminal};
use crate::admin_users::hash_of;

#[test]
fn on_a_terminal_a_new_user_is_asked_for_and_the_password_is_not_seen() {
    let admin = Admin::new();
    admin.add_user("taken", &[]);
    let mut terminal = Terminal::open(&admin, "-add-user");
    terminal.answer("Username: ", "Taken\n");
    terminal.wait_for("the name is taken\n");
    terminal.answer("Username: ", "alice\n");
    terminal.answer("Password: ", "weak\n");
    terminal.wait_for("the password breaks the policy: Minimum 8 characters; ");
    terminal.answer("Password: ", "SecurePassword123!\n");
    terminal.answer("Confirm password: ", "SecurePassword124!\n");
    terminal.wait_for("the two are not the same\n");
    // Corrected as it is typed: the last character, then the whole line.
    terminal.answer("Password: ", "SecurePassword123?\u{7f}!\n");
    terminal.answer("Confirm password: ", "wrong\u{15}SecurePassword123!\n");
    terminal.answer("Note (optional): ", "Alice Smith - Developer\n");
    terminal.wait_for("User added: alice\n");
    assert!(!terminal.seen().contains("Secure") && !terminal.seen().contains("weak"));
    assert_eq!(terminal.exit(), 0);
    assert_eq!(admin.text("before"), admin.text("after"));
    assert_eq!(admin.json(&["users", "show", "alice"])["note"], "Alice Smith - Developer");
    let before = hash_of(&admin, "alice");
    let mut terminal = Terminal::open(&admin, "-update-user -username alice");
    terminal.answer("Password: ", "NewSecurePassword456!\n");
    terminal.answer("Confirm password: ", "NewSecurePassword456!\n");
    terminal.wait_for("User updated: alice\n");
    assert_eq!(terminal.exit(), 0);
    assert_ne!(hash_of(&admin, "alice"), before);
}

#[test]
fn on_a_terminal_the_end_of_input_is_a_no_and_ctrl_c_leaves_it_as_it_was() {
    let admin = Admin::new();
    admin.add_user("charlie", &[]);
    let before = admin.text("users.yaml");
    for (question, keys, code) in [
        ("Password: ", "\u{4}", 1),
        ("Password: ", "Secure\u{3}", 130),
        ("Password: ", "\u{1c}", 130),
    ] {
        let mut terminal = Terminal::open(&admin, "users add alice");
        terminal.answer(question, keys);
        assert_eq!(terminal.exit(), code, "{keys:?}");
        assert_eq!(admin.text("before"), admin.text("after"), "{keys:?}");
    }
    for keys in ["\u{4}", "\n", "no\n", "n\n", "yess\n"] {
        let mut terminal = Terminal::open(&admin, "-delete-user -username charlie");
        terminal.answer("Delete user charlie? [y/N] ", keys);
        terminal.wait_for("Error: cancelled: nothing was changed\n");
        assert_eq!(terminal.exit(), 1, "{keys:?}");
    }
    assert_eq!(admin.text("users.yaml"), before);
    let mut terminal = Terminal::open(&admin, "-delete-user -username charlie");
    terminal.answer("Delete user charlie? [y/N] ", "y\n");
    terminal.wait_for("User deleted: charlie\n");
    assert_eq!(terminal.exit(), 0);
    assert_eq!(admin.text("users.yaml"), "users: {}\n");
}
