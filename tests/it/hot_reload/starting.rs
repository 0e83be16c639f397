//! Files that must not be started with.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::process::Command;

use support::binary;

use crate::admin_folder::Admin;
use crate::served_folder::{Kind, folder, hash_of};

/// Stands where a secret may.
const SECRET: &str = "SecretInTheWrongPlace";

/// What a start that is refused says; it shows no secret.
fn refusal(folder: &Admin) -> String {
    let config = folder.path("mcp-server.yaml");
    let mut command = Command::new(binary("mcp-server"));
    let output = command.arg("--config").arg(config).env_clear().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    said
}

/// What a start on that text says, and whether it is what was to be said: the place, the fault,
/// and a way out.
fn check(kind: Kind, text: &[u8], place: &str, fault: &str) {
    let folder = folder();
    fs::write(folder.path(kind.file()), text).unwrap();
    fs::set_permissions(folder.path(kind.file()), Permissions::from_mode(0o600)).unwrap();
    let said = refusal(&folder);
    let place = format!("{}{place}", kind.file());
    let text = String::from_utf8_lossy(text);
    assert!(said.contains(&place) && said.contains(fault), "{place} {fault}\n{said}\n{text}");
    assert!(said.contains("\nhint: "), "{said}");
}

/// With these lines behind the one entry.
fn and(kind: Kind, more: &str) -> Vec<u8> {
    format!("{}{more}", kind.text(&["alice"])).into_bytes()
}

#[test]
fn what_would_be_read_in_two_ways_is_refused_with_its_line_and_key() {
    for kind in Kind::BOTH {
        // The lines of the entry differ by kind; what is added stands behind it.
        let at = match kind {
            Kind::Tokens => ":6: ",
            Kind::Users => ":8: ",
        };
        let own = |value: &str| and(kind, &format!("    own: {value}\n"));
        check(kind, &and(kind, "    created_at: \"2026-01-02T03:04:05Z\"\n"), at, "`created_at`");
        check(kind, &own("&x 1"), at, "an anchor is not accepted");
        check(kind, &own("*x"), at, "an alias is not accepted");
        check(kind, &own(&format!("!!str {SECRET}")), at, "a tag is not accepted");
        check(kind, &and(kind, "    <<: {a: 1}\n"), at, "a merge key is not accepted");
        check(kind, &own("{x: 1, x: 2}"), at, "duplicate");
        let second = String::from_utf8(and(kind, "---\n")).unwrap() + &kind.text(&["bob"]);
        check(kind, second.as_bytes(), ":", "more than one document");
        check(kind, &[&own("")[..], b"    # \xff\n"].concat(), ":", "it is not UTF-8");
        check(kind, b"", "", "it is empty");
    }
}

#[test]
fn what_stands_there_twice_is_refused_with_its_line_and_key() {
    let same_id = and(Kind::Tokens, "  - id: alice\n");
    check(Kind::Tokens, &same_id, ":6: tokens[1].id: ", "the id `alice` appears twice");
    let same_hash = and(Kind::Tokens, &format!("  - id: bob\n    hash: {}\n", hash_of("alice")));
    check(Kind::Tokens, &same_hash, ":7: tokens[1].hash: ", "this hash appears twice");
    let same_name = and(Kind::Users, "  ALICE:\n    enabled: true\n");
    check(Kind::Users, &same_name, ":8: users: ", "the name `ALICE` appears twice");
    let same_address = "    email: a@b.example\n".to_owned()
        + &Kind::Users.entry("bob")
        + "    email: A@B.example\n";
    check(Kind::Users, &and(Kind::Users, &same_address), ":15: users.bob.email: ", "twice");
}

#[test]
fn what_is_no_hash_is_refused_and_not_shown() {
    let token = format!("tokens:\n  - id: a\n    hash: {SECRET}\n");
    check(Kind::Tokens, token.as_bytes(), ":3: tokens[0].hash: ", "");
    let user = format!("users:\n  alice:\n    password_hash: {SECRET}\n");
    check(Kind::Users, user.as_bytes(), ":3: users.alice.password_hash: ", "expected a bcrypt");
}

#[test]
fn a_file_over_64_mib_is_refused_unread() {
    for kind in Kind::BOTH {
        let folder = folder();
        folder.write(kind.file(), &kind.text(&["alice"]));
        let file = fs::OpenOptions::new().write(true).open(folder.path(kind.file())).unwrap();
        // A hole: it takes no room.
        file.set_len(64 * 1024 * 1024 + 1).unwrap();
        let said = refusal(&folder);
        assert!(said.contains("it is larger than 64 MiB") && said.contains("hint: "), "{said}");
    }
}

#[test]
fn a_file_that_others_have_a_right_to_is_refused_with_the_line_to_type() {
    for kind in Kind::BOTH {
        let folder = folder();
        folder.write(kind.file(), &kind.text(&["alice"]));
        let path = folder.path(kind.file());
        for mode in [0o644, 0o640, 0o602] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let said = refusal(&folder);
            let expected = format!("{}: its mode is {mode:04o}", path.display());
            assert!(said.contains(&expected), "{said}");
            assert!(said.contains(&format!("hint: chmod 600 {}", path.display())), "{said}");
        }
    }
}

#[test]
fn a_file_of_somebody_else_is_refused_by_its_name_and_by_a_link() {
    const SOMEBODY: u32 = 54_321;
    for kind in Kind::BOTH {
        let folder = folder();
        folder.write(kind.file(), &kind.text(&["alice"]));
        let path = folder.path(kind.file());
        // Who is not root cannot give a file away.
        if fs::metadata(&path).unwrap().uid() != 0 {
            return;
        }
        chown(&path, Some(SOMEBODY), None).unwrap();
        let said = refusal(&folder);
        assert!(said.contains("#54321 owns it"), "{said}");
        assert!(said.contains(&format!("hint: chown root {}", path.display())), "{said}");
        let target = folder.path("target.yaml");
        fs::rename(&path, &target).unwrap();
        symlink("target.yaml", &path).unwrap();
        let said = refusal(&folder);
        assert!(said.contains("it is a link to ") && said.contains("#54321 owns"), "{said}");
    }
}
