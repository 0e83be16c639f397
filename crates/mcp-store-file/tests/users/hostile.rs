//! No name, no note and no row of edits breaks the file.

use mcp_identity::{DatabaseName, DbRole, RoleName};
use mcp_store::{AdminsLeft, EditRejection, StoredHash, UserEdit, UserRecord};
use proptest::prelude::*;

use crate::support::{LIST, MAP, OTHER, kept, name, note, record};

#[test]
fn names_that_yaml_takes_for_something_else_stay_names() {
    let names = [
        "null",
        "~",
        "true",
        "1",
        "0x10",
        "1e3",
        "- a",
        "-",
        "?",
        "? a",
        "# a",
        "a # b",
        "{",
        "}",
        "[a",
        "&x",
        "*x",
        "!x",
        "|",
        ">",
        "%a",
        "`a",
        "'",
        "\"",
        "\\",
        "---",
        "...",
        "=",
        ",",
        "O'Neill",
        "名前",
        "Zoë",
        "नी",
        "2024-10-30",
        ".inf",
        "a b",
    ];
    let kept = kept(MAP);
    for text in names {
        kept.users.insert_now(record(text)).unwrap();
    }
    for text in names {
        assert_eq!(kept.find(text).record.name.as_str(), name(text).as_str());
        kept.after(text, &note("changed"));
    }
    for text in names {
        assert_eq!(
            kept.users.remove_now(&name(text), AdminsLeft::MayBeNone).unwrap().note,
            "changed"
        );
    }
    assert_eq!(kept.text(), MAP);
}

#[test]
fn a_colon_before_anything_survives_in_an_entry_on_one_line() {
    let kept = kept(MAP);
    for mark in ["?", ",", ":", "[", "]", "{", "}", "#", "-", "/", "\"", "'", " ", ""] {
        let said = format!("A:{mark}");
        kept.after("carol", &note(&said));
        assert_eq!(kept.find("carol").record.note, said);
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\u{1b}[31m",
        "\u{202e}",
        "\u{2066}",
        "\n",
        "\r\n",
        "\r",
        "\t",
        " ",
        "\u{0}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{200b}",
        "\u{e0041}",
        ": ",
        ":",
        "?",
        ",",
        "[",
        "}",
        " #",
        "- ",
        "---",
        "\"",
        "'",
        "\\",
        "{",
        "]",
        "&a",
        "*a",
        "!!",
        "|",
        ">",
        "%",
        "@",
        "`",
        "users:",
        "x",
        "é",
        "💥",
        "<<",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(pieces.clone(), 0..12).prop_map(|pieces| pieces.concat()),
        pieces.prop_map(|piece| piece.repeat(10_000 / piece.len())),
    ]
}

fn edits() -> impl Strategy<Value = UserEdit> {
    let databases = prop::sample::subsequence(vec!["shop", "staging", "1", "null"], 0..=4);
    let roles = prop::sample::subsequence(vec!["admin", "viewer", "true", "7"], 0..=4);
    let email = prop::option::of(prop::sample::select(vec!["a@x.org", "'\"#@x.org", "1@2"]));
    let db_role = prop::option::of(prop::sample::select(vec!["app", "a: b", "# c", "null"]));
    let some = |edit| (prop::option::of(hostile()), any::<Option<bool>>(), edit);
    let sets = (prop::option::of(prop::option::of(databases)), prop::option::of(roles));
    let rest = (prop::option::of(email), prop::option::of(db_role), any::<Option<bool>>());
    let person = (prop::option::of(prop::option::of(hostile())), any::<Option<bool>>());
    let all = (some(any::<bool>()), sets, rest, person);
    all.prop_map(|((note, enabled, rehash), sets, rest, (full_name, must_change))| UserEdit {
        admins: AdminsLeft::MayBeNone,
        checked: None,
        past: 4,
        note,
        enabled,
        password: rehash.then(|| StoredHash::new(OTHER)),
        databases: sets.0.map(|names| {
            names.map(|names| names.into_iter().map(|n| DatabaseName::parse(n).unwrap()).collect())
        }),
        roles: sets.1.map(|names| names.into_iter().map(|n| RoleName::parse(n).unwrap()).collect()),
        email: rest.0.map(|email| email.map(str::to_owned)),
        db_role: rest.1.map(|role| role.map(|role| DbRole::parse(role).unwrap())),
        read_only: rest.2,
        full_name,
        must_change_password: must_change,
        end_sessions: None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_note_survives_and_others_stay_byte_for_byte(first in hostile(), second in hostile()) {
        for text in [MAP, LIST] {
            let kept = kept(text);
            kept.users.insert_now(UserRecord { note: first.clone(), ..record("dave") }).unwrap();
            prop_assert_eq!(&kept.find("dave").record.note, &first);
            kept.after("dave", &note(&second));
            prop_assert_eq!(&kept.find("dave").record.note, &second);
            let (before, end) = text.split_at(text.find("# the end").unwrap());
            let after = kept.text();
            prop_assert!(after.starts_with(before) && after.ends_with(end), "{}", after);
            kept.users.remove_now(&name("dave"), AdminsLeft::MayBeNone).unwrap();
            prop_assert_eq!(kept.text(), text);
        }
    }

    #[test]
    fn any_edits_of_any_entry_leave_the_others_byte_for_byte(
        edits in prop::collection::vec((0_usize..3, edits()), 1..4),
    ) {
        for text in [MAP, LIST] {
            let kept = kept(text);
            let names = ["alice", "bob b", "carol"].map(name);
            let lone = edits.iter().all(|(place, _)| *place == 0);
            for (place, edit) in &edits {
                let user = &names[*place];
                if kept.users.find_now(user).unwrap().is_some() {
                    match kept.users.edit_now(user, edit) {
                        Ok(_) | Err(EditRejection::EmailTaken) => {}
                        Err(refused) => prop_assert!(false, "{refused}\n{edit:?}\n{}", kept.text()),
                    }
                }
            }
            if lone {
                let others = &text[text.find("# the other one").unwrap()..];
                prop_assert!(kept.text().ends_with(others), "{}", kept.text());
            }
            for comment in ["# the boss", "# do not remove", "# the other one", "# ours", "# the end"] {
                prop_assert!(kept.text().contains(comment), "{comment}\n{}", kept.text());
            }
        }
    }
}
