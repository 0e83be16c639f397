//! What an operator's editor does to users and their sessions.

use super::promptly;
use crate::served_folder::{Kind, folder, log_in, opens, put, serve};

const NAMES: [&str; 3] = ["disabled", "deleted", "untouched"];

#[test]
fn who_is_disabled_or_deleted_loses_his_sessions_for_good_and_nobody_else_does() {
    let folder = folder();
    let everybody = Kind::Users.text(&NAMES);
    folder.write("users.yaml", &everybody);
    let server = serve(&folder);
    let to = server.address();
    let before = NAMES.map(|name| log_in(to, name).unwrap());
    let disabled = Kind::Users.text(&["disabled"]).replace("enabled: true", "enabled: false");
    put(&folder.path("users.yaml"), &(disabled + &Kind::Users.entry("untouched")));
    assert!(promptly(|| !opens(to, &before[0]) && !opens(to, &before[1])), "{}", server.log());
    assert!(opens(to, &before[2]));
    assert!(log_in(to, "disabled").is_none() && log_in(to, "deleted").is_none());
    assert_eq!(folder.json(&["sessions", "list"])["total"], 1);
    // Back again, letter for letter.
    put(&folder.path("users.yaml"), &everybody);
    for name in NAMES {
        assert!(promptly(|| log_in(to, name).is_some()), "{name}");
    }
    assert_eq!(before.map(|session| opens(to, &session)), [false, false, true]);
    drop(server);
    let server = serve(&folder);
    let sessions = folder.json(&["sessions", "list", "disabled"]);
    assert_eq!(sessions["total"], 1, "the one that was opened since: {sessions}");
    drop(server);
}

#[test]
fn who_is_made_anew_under_an_old_name_inherits_no_session() {
    let folder = folder();
    folder.write("users.yaml", &Kind::Users.text(&["alice"]));
    let server = serve(&folder);
    let to = server.address();
    let before = log_in(to, "alice").unwrap();
    // In one save: there is no moment without an alice.
    let another = Kind::Users.text(&["alice"]).replace("2026-01-02", "2026-01-03");
    put(&folder.path("users.yaml"), &another);
    assert!(promptly(|| !opens(to, &before)), "{}", server.log());
    assert!(log_in(to, "alice").is_some());
    put(&folder.path("users.yaml"), &Kind::Users.text(&["alice"]));
    assert!(promptly(|| super::reloads(&server, Kind::Users) == 2), "{}", server.log());
    assert!(!opens(to, &before), "the first one has no sessions any more");
}

#[test]
fn sessions_survive_whatever_else_is_saved() {
    let folder = folder();
    folder.write("users.yaml", &Kind::Users.text(&["alice"]));
    let server = serve(&folder);
    let to = server.address();
    let session = log_in(to, "alice").unwrap();
    let text = |n: usize| {
        let entry = Kind::Users.text(&["alice"]);
        // A note, an address, and a neighbour.
        let note = entry.replace("annotation: ''", &format!("annotation: Note {n}"));
        note + &format!("    email: a{n}@b.example\n") + &Kind::Users.entry(&format!("name-{n}"))
    };
    for n in 0..5 {
        put(&folder.path("users.yaml"), &text(n));
        assert!(promptly(|| log_in(to, &format!("name-{n}")).is_some()), "{}", server.log());
        assert!(opens(to, &session), "{n}");
    }
    // Another password is another way in, not the end of the session.
    let hash = "$2b$04$Yk.lKXxBVuU.N/aTvSWaSezdWyTKBKQL9e9Z0kZFGnI4G3MQHqrSK";
    let changed: Vec<_> = text(5)
        .lines()
        .map(|line| match line.strip_prefix("    password_hash: ") {
            Some(_) => format!("    password_hash: {hash}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    put(&folder.path("users.yaml"), &changed.concat());
    assert!(promptly(|| super::reloads(&server, Kind::Users) == 6), "{}", server.log());
    assert!(opens(to, &session));
}
