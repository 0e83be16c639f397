//! Users that are made and removed, and to whom their file belongs.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

use mcp_store::{
    AddRejection, AdminsLeft, Change, EditRejection, StoreErrorKind, StoredHash, UserEdit,
    UserRecord,
};
use mcp_store_file::UserFile;

use crate::support::{BCRYPT, LIST, MAP, everything, kept, missing, name, note, record};

#[test]
fn the_first_user_makes_a_private_file_in_the_layout_of_pgedge() {
    let kept = missing();
    kept.users.insert_now(UserRecord { note: "Developer".into(), ..record("alice") }).unwrap();
    let expected = format!(
        "users:\n  alice:\n    username: alice\n    password_hash: {BCRYPT}\n    created_at: \
         \"2024-10-30T10:15:30Z\"\n    annotation: Developer\n    enabled: true\n"
    );
    assert_eq!(kept.text(), expected);
    for file in ["users.yaml", "users.yaml.lock"] {
        let mode = fs::metadata(kept.folder.path().join(file)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o600, "{file}");
    }
}

#[test]
fn a_record_comes_back_whole_in_every_layout() {
    for text in [MAP, LIST, "users: {}\n", "users: []\n", "{}\n", "users: []"] {
        let kept = kept(text);
        let before = kept.users.read().unwrap();
        for record in [everything("Dave"), record("eve")] {
            kept.users.insert_now(record.clone()).unwrap();
            assert_eq!(kept.find(record.name.as_str()).record, record, "{}", kept.text());
        }
        let all = kept.users.read().unwrap();
        assert_eq!(all[..before.len()], before);
        let names: Vec<_> = all[before.len()..].iter().map(|kept| &kept.record.name).collect();
        assert_eq!(names, [&name("Dave"), &name("eve")]);
    }
}

#[test]
fn a_new_user_leaves_every_other_byte_alone_in_both_layouts() {
    for (text, begins) in [(MAP, "    dave:\n"), (LIST, "  - username: dave\n")] {
        let kept = kept(text);
        kept.users.insert_now(record("dave")).unwrap();
        let (before, end) = text.split_at(text.find("# the end").unwrap());
        let after = kept.text();
        assert!(after.starts_with(&format!("{before}{begins}")), "{after}");
        assert!(after.ends_with(end), "{after}");
    }
}

#[test]
fn a_removal_takes_the_entry_and_leaves_every_other_line_alone() {
    let map = kept(MAP);
    assert_eq!(
        map.users.remove_now(&name("BOB b"), AdminsLeft::MayBeNone).unwrap().note,
        "two\nlines\n"
    );
    let (from, to) = (MAP.find("    \"Bob B\"").unwrap(), MAP.find("    carol:").unwrap());
    assert_eq!(map.text(), format!("{}{}", &MAP[..from], &MAP[to..]));

    let list = kept(LIST);
    list.users.remove_now(&name("alice"), AdminsLeft::MayBeNone).unwrap();
    let (from, to) = (LIST.find("  - username").unwrap(), LIST.find("\n  # the other").unwrap());
    assert_eq!(list.text(), format!("{}{}", &LIST[..from], &LIST[to..]));
}

#[test]
fn the_last_removal_leaves_a_file_that_says_that_it_is_empty() {
    for (text, empty) in [(LIST, "users: []\n"), (MAP, "users: {}\n")] {
        let kept = kept(text);
        for user in kept.users.read().unwrap() {
            kept.users.remove_now(&user.record.name, AdminsLeft::MayBeNone).unwrap();
        }
        assert_eq!(kept.users.read(), Ok(vec![]));
        assert!(kept.text().contains(empty), "{}", kept.text());
        kept.users.insert_now(everything("dave")).unwrap();
        assert_eq!(kept.find("dave").record, everything("dave"));
    }
}

#[test]
fn a_name_is_taken_in_every_spelling_and_an_address_in_upper_and_lower_case() {
    let kept = kept(MAP);
    for taken in ["alice", "ALICE", "ａｌｉｃｅ", "bob b"] {
        assert_eq!(kept.users.insert_now(record(taken)), Err(AddRejection::NameTaken));
    }
    let email = |email: &str| Some(email.to_owned());
    let twin = UserRecord { email: email("BOB@Example.COM"), ..record("dave") };
    assert_eq!(kept.users.insert_now(twin), Err(AddRejection::EmailTaken));
    let edit = UserEdit { email: Some(email("bob@EXAMPLE.com")), ..UserEdit::default() };
    let refused = kept.users.edit_now(&name("alice"), &edit);
    assert_eq!(refused, Err(EditRejection::EmailTaken));
    assert_eq!(kept.text(), MAP);
    // One's own address is not taken.
    assert!(kept.after("bob b", &edit).contains("email: bob@EXAMPLE.com\n"));
}

#[test]
fn who_is_not_there_is_not_changed() {
    let kept = kept(MAP);
    let refused = kept.users.edit_now(&name("mallory"), &note("x"));
    assert_eq!(refused, Err(EditRejection::NotFound));
    assert_eq!(
        kept.users.remove_now(&name("mallory"), AdminsLeft::MayBeNone),
        Err(EditRejection::NotFound)
    );
    assert_eq!(kept.users.find_now(&name("mallory")), Ok(None));
    assert_eq!(kept.text(), MAP);

    let missing = missing();
    let refused = missing.users.remove_now(&name("alice"), AdminsLeft::MayBeNone).unwrap_err();
    assert!(
        matches!(refused, EditRejection::Store(fault) if fault.kind == StoreErrorKind::Missing)
    );
    assert_eq!(fs::read_dir(missing.folder.path()).unwrap().count(), 0);
}

#[test]
fn what_a_file_cannot_keep_is_refused_in_words_that_show_no_secret() {
    let kept = kept(MAP);
    let password = UserRecord { password: StoredHash::new("hunter2"), ..record("dave") };
    let email = UserRecord { email: Some("not an address".into()), ..record("dave") };
    for (record, said) in [
        (password, "expected a bcrypt or Argon2id hash"),
        (email, "expected an address"),
        (record("<<"), "`<<` cannot be a user name"),
    ] {
        let refused = kept.users.insert_now(record).unwrap_err().to_string();
        assert!(refused.contains(said) && !refused.contains("hunter2"), "{refused}");
    }
    let edit = UserEdit { password: Some(StoredHash::new("hunter2")), ..UserEdit::default() };
    let refused = kept.users.edit_now(&name("alice"), &edit).unwrap_err().to_string();
    assert!(!refused.contains("hunter2"), "{refused}");
    assert_eq!(kept.text(), MAP);
}

#[test]
fn a_broken_file_is_left_as_it_is() {
    for text in ["users:\n  alice: {}\n", "", "users: [\n"] {
        let kept = kept(text);
        kept.users.insert_now(record("dave")).unwrap_err();
        kept.users.edit_now(&name("alice"), &note("x")).unwrap_err();
        kept.users.remove_now(&name("alice"), AdminsLeft::MayBeNone).unwrap_err();
        assert_eq!(kept.text(), text);
    }
}

#[test]
fn a_new_file_and_its_lock_belong_to_the_owner_of_the_folder_and_a_rewrite_keeps_the_owner() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        // Only root can give files away; anybody else makes his own.
        return;
    }
    let kept = missing();
    chown(kept.folder.path(), Some(65_534), Some(65_534)).unwrap();
    let users = kept.users.clone().for_its_owner();
    users.insert_now(record("alice")).unwrap();
    users.edit_now(&name("alice"), &note("x")).unwrap();
    for file in ["users.yaml", "users.yaml.lock"] {
        let found = fs::metadata(kept.folder.path().join(file)).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (65_534, 65_534, 0o600));
    }
    let refused = kept.users.read().unwrap_err();
    assert!(refused.to_string().contains("whoever owns it makes users"), "{refused}");
}

#[test]
fn writers_that_meet_lose_nothing() {
    let kept = kept(MAP);
    std::thread::scope(|scope| {
        for writer in 0..20 {
            let path = &kept.path;
            scope.spawn(move || {
                let users = UserFile::open(path);
                let own = format!("user-{writer}");
                users.insert_now(record(&own)).unwrap();
                users.edit_now(&name(&own), &note("changed")).unwrap();
                if writer % 2 == 0 {
                    users.remove_now(&name(&own), AdminsLeft::MayBeNone).unwrap();
                }
            });
        }
    });
    let all = kept.users.read().unwrap();
    assert_eq!(all.len(), 3 + 10);
    assert!(all[3..].iter().all(|kept| kept.record.note == "changed"));
    assert!(kept.text().starts_with(&MAP[..MAP.find("# the end").unwrap()]));
}

#[tokio::test]
async fn every_change_is_told_and_none_blocks_the_runtime() {
    let kept = missing();
    let mut changes = kept.users.changes();
    kept.users.insert(record("alice")).await.unwrap();
    kept.users.edit(&name("alice"), &note("x")).await.unwrap();
    assert_eq!(kept.users.find(&name("ALICE")).await.unwrap().unwrap().record.note, "x");
    kept.users.remove(&name("alice"), AdminsLeft::MayBeNone).await.unwrap();
    assert_eq!(kept.users.all().await, Ok(vec![]));
    for _ in 0..3 {
        assert_eq!(changes.next().await, Some(Change::User(name("alice"))));
    }
}

#[test]
fn many_new_users_are_one_change_that_leaves_every_line_alone_in_both_layouts() {
    for text in [MAP, LIST] {
        let kept = kept(text);
        let before = kept.users.read().unwrap();
        let mut records: Vec<_> = (0..300).map(|n| record(&format!("user {n}"))).collect();
        records.insert(1, record("ALICE"));
        let hostile = UserRecord { note: "a: \"b\"\n# c".to_owned(), ..record("null") };
        records.push(hostile);
        let said = kept.users.insert_all_now(records.clone()).unwrap();
        assert_eq!(said.iter().position(|said| *said == Err(AddRejection::NameTaken)), Some(1));
        records.remove(1);
        let read = kept.users.read().unwrap();
        let (old, new) = read.split_at(before.len());
        assert_eq!(old, before);
        assert!(new.iter().map(|kept| &kept.record).eq(&records), "in their order");
        let mut lines = kept.text();
        for line in text.lines() {
            let place = lines.find(line).map(|place| place + line.len());
            assert!(place.is_some(), "{line} is gone");
            lines.drain(..place.unwrap_or_default());
        }
    }
}

#[test]
fn many_new_users_of_whom_the_file_takes_none_change_nothing() {
    let kept = kept(MAP);
    let said = kept.users.insert_all_now(vec![record("alice"), record("carol")]).unwrap();
    assert!(said.iter().all(|said| *said == Err(AddRejection::NameTaken)));
    assert_eq!(kept.text(), MAP);
}
