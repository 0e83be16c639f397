//! What an edit of one user does to the file, and what it leaves alone.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use mcp_identity::{DatabaseName, RoleName};
use mcp_store::{StoredHash, UserEdit, UserRecord};

use crate::support::{BCRYPT, LIST, MAP, OTHER, kept, name, note, second};

#[test]
fn an_edit_changes_its_line_and_no_other() {
    let cases = [
        ("alice", note("Alice Jones"), "\"Alice Smith - Developer\"", "Alice Jones"),
        (
            "alice",
            UserEdit { enabled: Some(false), ..UserEdit::default() },
            "enabled: true\n        #",
            "enabled: false\n        #",
        ),
        (
            "ALICE",
            UserEdit { password: Some(StoredHash::new(OTHER)), ..UserEdit::default() },
            BCRYPT,
            OTHER,
        ),
        (
            "bob b",
            UserEdit { email: Some(None), ..UserEdit::default() },
            "        email: bob@example.com\n",
            "",
        ),
        (
            "bob b",
            UserEdit { email: Some(Some("b@x.org".into())), ..UserEdit::default() },
            "bob@example.com",
            "b@x.org",
        ),
        ("bob b", note("one line"), "|\n            two\n            lines\n", "one line\n"),
        (
            "bob b",
            UserEdit { enabled: Some(true), ..UserEdit::default() },
            "enabled: false",
            "enabled: true",
        ),
        (
            "carol",
            UserEdit { enabled: Some(false), ..UserEdit::default() },
            "enabled: true}",
            "enabled: false}",
        ),
    ];
    for (user, edit, old, new) in cases {
        let after = kept(MAP).after(user, &edit);
        assert_eq!(after, MAP.replacen(old, new, 1), "{edit:?}");
    }
    let after = kept(LIST).after("alice", &note("x"));
    assert_eq!(after, LIST.replace("the boss   #", "x   #"));
    let after = kept(LIST).after("BOB B", &note("x"));
    assert_eq!(after, LIST.replace("'the other one'", "x"));
}

#[test]
fn what_an_edit_adds_stands_at_the_end_of_its_entry() {
    let databases = Some(Some(["shop"].map(|name| DatabaseName::parse(name).unwrap()).into()));
    let edit = UserEdit {
        email: Some(Some("alice@example.com".into())),
        databases,
        read_only: Some(true),
        ..UserEdit::default()
    };
    let added = |dent: &str| {
        format!(
            "{dent}email: alice@example.com\n{dent}databases:\n{dent}  - shop\n{dent}read_only: true\n"
        )
    };
    let last = "        badge: {number: 7, colour: red}   # ours\n";
    let expected = MAP.replace(last, &format!("{last}{}", added("        ")));
    assert_eq!(kept(MAP).after("alice", &edit), expected);
    let last = "    enabled: true\n\n";
    let expected = LIST.replace(last, &format!("    enabled: true\n{}\n", added("    ")));
    assert_eq!(kept(LIST).after("alice", &edit), expected);
}

#[test]
fn what_an_edit_takes_away_leaves_no_trace() {
    let edit = UserEdit {
        email: Some(None),
        roles: Some(BTreeSet::new()),
        databases: Some(None),
        ..UserEdit::default()
    };
    let after = kept(MAP).after("bob b", &edit);
    let from = MAP.find("        email: bob").unwrap();
    let to = MAP.find("    carol:").unwrap();
    assert_eq!(after, format!("{}{}", &MAP[..from], &MAP[to..]));
}

#[test]
fn no_database_at_all_is_not_every_database() {
    let edit = UserEdit { databases: Some(Some(BTreeSet::new())), ..UserEdit::default() };
    for (text, user) in [(MAP, "alice"), (MAP, "bob b"), (MAP, "carol"), (LIST, "alice")] {
        let kept = kept(text);
        assert!(kept.after(user, &edit).contains("databases: []"), "{}", kept.text());
        assert_eq!(kept.find(user).record.databases, Some(BTreeSet::new()));
    }
}

#[test]
fn other_ways_to_write_a_file_survive_an_edit_or_are_refused_untouched() {
    for text in [
        "users:\n  a: {password_hash: HASH, created_at: TIME, enabled: true}",
        "---\nusers:\n  a:\n    password_hash: HASH\n    created_at: TIME\n    enabled: true\n...\n",
        "users:\r\n  a:\r\n    password_hash: HASH\r\n    created_at: TIME\r\n    enabled: true\r\n",
        "users:\n- enabled: true\n  username: a\n  password_hash: HASH\n  created_at: TIME",
        "users: [{username: a, password_hash: HASH, created_at: TIME, enabled: true}]\n# end",
        "{\"users\": {\"a\": {\"password_hash\": \"HASH\", \"created_at\": TIME, \"enabled\": true}}}",
        "users:\n  -\n    username: a\n    note: >\n      two\n      lines\n    created_at: TIME\n    password_hash: HASH\n    enabled: true\n\n\n# end",
        "users:\n  ? a\n  : password_hash: HASH\n    created_at: TIME\n    enabled: true\n",
        "users:\n  a:\n    \"enabled\" : true # yes\n    password_hash:\n      HASH\n    created_at: TIME\n\n  # b\n",
    ] {
        let text = text.replace("HASH", BCRYPT).replace("TIME", "\"2024-10-30T10:15:30Z\"");
        let hostile = UserEdit {
            enabled: Some(false),
            password: Some(StoredHash::new(OTHER)),
            email: Some(Some("a@x.org".into())),
            roles: Some(["viewer"].map(|role| RoleName::parse(role).unwrap()).into()),
            ..note("a #c: \n d")
        };
        for edit in [note("x"), UserEdit { enabled: Some(false), ..UserEdit::default() }, hostile] {
            let kept = kept(&text);
            match kept.users.edit_now(&name("a"), &edit) {
                Ok(record) => {
                    assert_eq!(kept.find("a").record, record, "{}", kept.text());
                    for comment in ["# end", "# yes", "# b"] {
                        assert_eq!(kept.text().contains(comment), text.contains(comment));
                    }
                }
                Err(refused) => {
                    assert!(refused.to_string().contains("cannot be changed"), "{refused}");
                    assert_eq!(kept.text(), text);
                }
            }
        }
    }
}

#[test]
fn what_pgedge_wrote_survives_an_edit() {
    let kept = kept(MAP);
    kept.after("alice", &note("x"));
    let alice = kept.find("alice");
    assert_eq!(alice.last_login, Some(second(1_731_576_600)));
    assert_eq!(alice.failed_attempts, 2);
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let kept = kept(MAP);
    let inode = fs::metadata(&kept.path).unwrap().ino();
    let edit = UserEdit { end_sessions: Some(None), ..note("Alice Smith - Developer") };
    let record = kept.users.edit_now(&name("alice"), &edit).unwrap();
    assert_eq!(record, kept.find("alice").record);
    assert_eq!(fs::metadata(&kept.path).unwrap().ino(), inode);
}

#[test]
fn an_edit_that_expects_another_record_changes_nothing() {
    let kept = kept(MAP);
    let edit = UserEdit { password: Some(StoredHash::new(OTHER)), ..UserEdit::default() };
    let is_checked = |record: &UserRecord| record.password.expose() == OTHER;
    assert_eq!(kept.users.edit_if_now(&name("alice"), &edit, is_checked), Ok(None));
    assert_eq!(kept.text(), MAP);
    let edited = kept.users.edit_if_now(&name("alice"), &edit, |_| true).unwrap();
    assert_eq!(edited, Some(kept.find("alice").record));
}
