//! What is read as a users file, and what is refused, in which words.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mcp_identity::DatabaseName;
use mcp_store::{StoreError, StoreErrorKind};
use mcp_store_file::{KeptUser, UserFile};
use tempfile::TempDir;

const HASH: &str = "$2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";

struct Kept {
    folder: TempDir,
    path: PathBuf,
}

fn kept(text: impl AsRef<[u8]>) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.yaml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    Kept { folder, path }
}

fn read(text: &str) -> Result<Vec<KeptUser>, StoreError> {
    UserFile::open(kept(text).path).read()
}

/// What an operator reads, without the folder: the fault, and the way out of it.
fn said(text: impl AsRef<[u8]>) -> (String, String) {
    let kept = kept(text);
    let error = UserFile::open(&kept.path).read().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    let hint = error.hint.clone().expect("each fault has a way out");
    let folder = format!("{}/", kept.folder.path().display());
    (error.to_string().replace(&folder, ""), hint.replace(&folder, ""))
}

/// One good entry of five lines under its name, and `more`.
fn entry(more: &str) -> String {
    format!(
        "users:\n  alice:\n    password_hash: {HASH}\n    created_at: 2024-10-30T10:15:30Z\n    \
         enabled: true\n{more}"
    )
}

#[test]
fn the_layout_of_pgedge_is_read_as_its_server_writes_it() {
    let text = format!(
        "users:\n    alice:\n        username: alice\n        password_hash: {HASH}\n        \
         created_at: 2024-10-30T12:15:30.5+02:00\n        last_login: \
         2024-11-14T09:30:00.123456789Z\n        enabled: true\n        annotation: Alice Smith - \
         Developer\n        failed_attempts: 2\n    bob:\n        username: bob\n        \
         password_hash: {HASH}\n        created_at: 2024-10-15T14:20:00Z\n        last_login: \
         null\n        enabled: false\n        annotation: \"\"\n        failed_attempts: 0\n"
    );
    let users = read(&text).unwrap();
    let [alice, bob] = users.as_slice() else { panic!("two users, not {users:?}") };
    let second = |n| SystemTime::UNIX_EPOCH + Duration::from_secs(n);
    assert_eq!(alice.record.name.as_str(), "alice");
    assert_eq!(alice.record.password.expose(), HASH);
    assert_eq!(alice.record.note, "Alice Smith - Developer");
    assert_eq!(alice.record.created_at, second(1_730_283_330) + Duration::from_millis(500));
    assert_eq!(alice.last_login, Some(second(1_731_576_600) + Duration::from_nanos(123_456_789)));
    assert_eq!((alice.record.enabled, alice.failed_attempts), (true, 2));
    assert_eq!(alice.record.databases, None);
    assert_eq!((bob.last_login, bob.record.enabled), (None, false));
}

#[test]
fn a_list_is_read_with_a_note_or_an_annotation_and_with_what_is_ours() {
    let text = format!(
        "users:\n- username: Alice\n  password_hash: {HASH}\n  note: a\n  created_at: \
         2024-10-30T10:15:30Z\n  enabled: true\n  email: alice@example.com\n  roles: [admin]\n  \
         databases: [shop, 7]\n  db_role: app\n  read_only: true\n- {{username: bob, \
         password_hash: {HASH}, annotation: b, created_at: 2024-10-30T10:15:30Z, enabled: true, \
         email: '', databases: []}}\n"
    );
    let users = read(&text).unwrap();
    let (alice, bob) = (&users[0].record, &users[1].record);
    assert_eq!((alice.note.as_str(), bob.note.as_str()), ("a", "b"));
    assert_eq!(alice.email.as_deref(), Some("alice@example.com"));
    assert_eq!(alice.roles.iter().next().unwrap().as_str(), "admin");
    let databases = alice.databases.as_ref().unwrap();
    assert_eq!(databases.iter().map(DatabaseName::as_str).collect::<Vec<_>>(), ["7", "shop"]);
    assert_eq!(alice.db_role.as_ref().unwrap().as_str(), "app");
    assert!(alice.read_only && !bob.read_only);
    assert_eq!(bob.email, None);
    assert_eq!(bob.databases.as_ref().unwrap().len(), 0);
}

#[test]
fn every_form_of_hash_is_kept_as_it_stands_there() {
    let forms = [
        HASH.to_owned(),
        HASH.replace("$2a$", "$2b$"),
        HASH.replace("$2a$", "$2y$"),
        "$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA".to_owned(),
    ];
    for hash in forms {
        let users = read(&entry("").replace(HASH, &hash)).unwrap();
        assert_eq!(users[0].record.password.expose(), hash);
    }
}

#[test]
fn what_is_no_hash_is_refused_with_its_place_and_without_it() {
    for text in [
        "hunter2",
        "$2a$12$tooshort",
        "$2x$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
        "$2a$1x$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
        "\"$2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123 \"",
        "\"$2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01é\"",
        "$argon2i$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
        "$argon2id$hunter2",
        "\"$argon2id$v=19$m=1$a b$c\"",
        "\"\"",
        "null",
    ] {
        let (fault, hint) = said(entry("").replace(HASH, text));
        let expected = "users.alice.password_hash: expected a bcrypt or Argon2id hash";
        assert_eq!(fault, format!("users.yaml:3: {expected}"), "{text}");
        assert_eq!(
            hint,
            "the file holds hashes only; set the password anew: mcp-admin users update"
        );
    }
}

#[test]
fn only_a_file_that_says_so_has_no_users() {
    for text in ["users: {}\n", "users: []\n", "{}\n", "# none\nusers: {} # yet\n"] {
        assert_eq!(read(text), Ok(vec![]), "{text:?}");
    }
    for (text, fault) in [
        ("", "users.yaml: it is empty"),
        ("\n", "users.yaml: it is empty"),
        ("# nothing\n", "users.yaml: it is empty"),
        ("users:\n", "`users` has no value"),
        ("users: null\n", "`users` has no value"),
        ("a: 1\n", "the key `users` is missing"),
    ] {
        let (said, hint) = said(text);
        assert!(said.ends_with(fault) || said.contains("it is empty"), "{text:?}: {said}");
        assert_eq!(hint, "a file without users says so: `users: {}`");
    }
}

#[test]
fn a_fault_is_named_with_file_line_and_key() {
    let bob = format!("    password_hash: {HASH}\n    created_at: 2024-10-30T10:15:30Z\n");
    let another = |name: &str| entry(&format!("  {name}:\n{bob}    enabled: true\n"));
    let cases = [
        (another("alice"), "users.yaml:6: users: the name `alice` appears twice"),
        (another("ALICE"), "users.yaml:6: users: the name `ALICE` appears twice"),
        (another("ａｌｉｃｅ"), "users.yaml:6: users: the name `ａｌｉｃｅ` appears twice"),
        (another("a@b"), "users.yaml:6: users: a user name must not hold '@'"),
        (another("\"\""), "users.yaml:6: users: a user name must not be empty"),
        (another("<<"), "users.yaml:6: users: a merge key is not accepted"),
        (
            entry("    username: bob\n"),
            "users.yaml:6: users.alice.username: `bob` stands under the name `alice`",
        ),
        (entry(&format!("  bob:\n{bob}")), "users.yaml:7: users.bob: `enabled` is missing"),
        (
            "users:\n  bob: {enabled: true}\n".into(),
            "users.yaml:2: users.bob: `password_hash` is missing",
        ),
        ("users:\n  - enabled: true\n".into(), "users.yaml:2: users[0]: `username` is missing"),
        (entry("    enabled: true\n"), "users.yaml:6: users.alice: `enabled` appears twice"),
        (
            entry("    read_only: yes\n"),
            "users.yaml:6: users.alice.read_only: expected true or false",
        ),
        (entry("    read_only:\n"), "users.alice.read_only: expected true or false"),
        (
            entry("    read_only: null\n"),
            "users.yaml:6: users.alice.read_only: expected true or false",
        ),
        (entry("    databases:\n"), "`databases` has no value"),
        (
            entry("    databases: shop\n"),
            "users.yaml:6: users.alice.databases: expected a list of names",
        ),
        (
            entry("    databases: [a, a]\n"),
            "users.yaml:6: users.alice.databases: a name appears twice",
        ),
        (
            entry("    roles: [\"a b\"]\n"),
            "users.yaml:6: users.alice.roles[0]: expected a role: letters, digits, `_`, `-`",
        ),
        (
            entry("    db_role: \"a\\tb\"\n"),
            "users.yaml:6: users.alice.db_role: a database role must not hold '\\t'",
        ),
        (
            entry("    last_login: never\n"),
            "users.yaml:6: users.alice.last_login: expected a time of RFC 3339",
        ),
        (
            entry("    failed_attempts: -1\n"),
            "users.yaml:6: users.alice.failed_attempts: expected a count",
        ),
        (
            entry("    email: alice\n"),
            "users.yaml:6: users.alice.email: expected an address: at most 254 bytes with an @ and no spaces",
        ),
        (
            entry("    note: a\n    annotation: b\n"),
            "users.yaml:7: users.alice: `note` appears twice",
        ),
        (entry("    mine: {x: 1, x: 2}\n"), "users.yaml:6: users.alice.mine: duplicate"),
        (entry("    mine: {<<: {a: 1}}\n"), "users.alice: a merge key is not accepted"),
        (entry("users: {}\n"), "users.yaml:6: `users` appears twice"),
        (
            "users: 5\n".into(),
            "users.yaml:1: users: expected a map from name to user, or a list of users",
        ),
        (
            "users: {alice: 5}\n".into(),
            "users.yaml:1: users.alice: expected a user: a map with `password_hash` and more",
        ),
        ("users:\n  alice: [\n".into(), "users.yaml:"),
        (entry("---\nusers: {}\n"), "more than one document"),
    ];
    for (text, expected) in cases {
        let (fault, _) = said(&text);
        assert!(fault.contains(expected), "expected {expected:?} in {fault:?} for\n{text}");
    }
}

#[test]
fn an_address_that_two_have_is_refused() {
    let bob = entry("")
        .replace("users:\n  alice:", "  bob:")
        .replace("true\n", "true\n    email: A@X.ORG\n");
    let (fault, hint) = said(entry(&format!("    email: a@x.org\n{bob}")));
    assert_eq!(fault, "users.yaml:11: users.bob.email: the email `A@X.ORG` appears twice");
    assert_eq!(hint, "remove one of the two");
}

#[test]
fn references_and_tags_are_refused_with_their_line() {
    for (more, what) in [
        ("    note: &x a\n", "an anchor"),
        ("    note: *x\n", "an alias"),
        ("    note: !!str a\n", "a tag"),
    ] {
        let (fault, hint) = said(entry(more));
        assert_eq!(fault, format!("users.yaml:6: {what} is not accepted"));
        assert_eq!(hint, "write the value out, or quote it if it is text");
    }
    let (fault, hint) = said(entry("    <<: {a: 1}\n"));
    assert_eq!(fault, "users.yaml:6: users.alice: a merge key is not accepted");
    assert_eq!(hint, "write the values out");
}

#[test]
fn no_error_repeats_a_value() {
    for text in [
        format!("users:\n  a:\n    password_hash: [{HASH}]\n"),
        format!("users:\n  a:\n    password_hash: x{HASH}\n"),
        format!("users:\n  - {HASH}\n"),
        format!("users: {HASH}\n"),
        format!("{HASH}\n"),
        format!("users:\n  a: {HASH}\n"),
        format!("users:\n  a:\n    enabled: {HASH}\n"),
        format!("users:\n  a:\n    created_at: {HASH}\n"),
        format!("users:\n  a:\n    failed_attempts: {HASH}\n"),
        format!("users:\n  a:\n    roles: {HASH}\n"),
        format!("users:\n  a:\n    roles: [{HASH}]\n"),
        format!("users:\n  a:\n    email: {HASH}\n"),
        format!("users:\n  a:\n    databases: {HASH}\n"),
        format!("users:\n  a:\n    password_hash: \"{HASH}\n"),
        format!("users:\n  invalid expected a:\n    roles: \"x, expected {HASH}\"\n"),
    ] {
        let (fault, _) = said(&text);
        assert!(!fault.contains("abcdefgh"), "{fault}");
    }
    let users = format!("{:?}", read(&entry("")).unwrap());
    assert!(!users.contains("abcdefgh"), "{users}");
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let mut bytes = entry("    note: ").into_bytes();
    bytes.extend(b"\xff\n");
    let (fault, hint) = said(bytes);
    assert_eq!(fault, "users.yaml:6: it is not UTF-8");
    assert_eq!(hint, "save the file as UTF-8");
}

#[test]
fn a_file_over_the_limit_is_refused_unread() {
    let kept = kept("users: {}\n");
    let file = fs::OpenOptions::new().write(true).open(&kept.path).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    let error = UserFile::open(&kept.path).read().unwrap_err();
    assert!(error.to_string().ends_with("it is larger than 64 MiB"), "{error}");
    assert_eq!(error.hint.unwrap(), "remove users who are gone");
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_its_own_kind() {
    let kept = kept("");
    let path = kept.folder.path().join("nothing.yaml");
    let error = UserFile::open(&path).read().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Missing);
    assert_eq!(error.to_string(), format!("{}: there is no such file", path.display()));
    assert_eq!(error.hint.unwrap(), "create it with the first user: mcp-admin users add");
}

#[test]
fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
    let kept = kept("users: {}\n");
    for mode in [0o640, 0o604, 0o610, 0o666] {
        fs::set_permissions(&kept.path, Permissions::from_mode(mode)).unwrap();
        let error = UserFile::open(&kept.path).read().unwrap_err();
        let said = format!("its mode is {mode:04o}: others than its owner have a right to it");
        assert!(error.to_string().ends_with(&said), "{error}");
        assert_eq!(error.hint.unwrap(), format!("chmod 600 {}", kept.path.display()));
    }
}

#[test]
fn a_link_is_followed_and_what_is_no_regular_file_is_refused() {
    let kept = kept("users: {}\n");
    let link = kept.folder.path().join("link.yaml");
    symlink("users.yaml", &link).unwrap();
    assert_eq!(UserFile::open(&link).read(), Ok(vec![]));
    let error = UserFile::open(kept.folder.path()).read().unwrap_err();
    assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
}

#[test]
fn an_error_is_one_line_whatever_the_file_holds() {
    for key in ["\"\\e[31m\"", "\"a\\nb\"", "\"\\u202E\""] {
        for text in [
            entry(&format!("    {key}: 1\n    {key}: 2\n")),
            entry(&format!("    username: {key}\n")),
            entry(&format!("    email: {key}\n")),
            entry("").replace("alice", key),
        ] {
            let (fault, _) = said(text);
            assert!(!fault.chars().any(|c| c.is_control() || c == '\u{202e}'), "{fault:?}");
        }
    }
}
