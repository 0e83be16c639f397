//! Files that cannot be used: what was good last stays in force.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{promptly, reloads};
use crate::served_folder::{Kind, folder, health, opens, put, serve, token_of};

/// A way to break a file, and what the log says of it.
type Breakage = (fn(&Path, Kind), &'static str);

const BREAKAGES: [Breakage; 8] = [
    (|path, kind| fs::write(path, kind.text(&["x"]) + "- [").unwrap(), "did not find expected"),
    (|path, _| fs::write(path, "").unwrap(), "it is empty"),
    (|path, _| fs::write(path, "# nothing but a comment\n").unwrap(), "it is empty"),
    (|path, kind| fs::write(path, format!("{}:\n", root(kind))).unwrap(), "has no value"),
    (
        |path, kind| {
            let text = kind.text(&["whole", "cut-off"]);
            fs::write(path, &text[..text.rfind("created_at").unwrap()]).unwrap();
        },
        "is missing",
    ),
    (|path, _| fs::remove_file(path).unwrap(), "No such file"),
    (
        |path, kind| {
            put(path, &kind.text(&["readable-by-all"]));
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        },
        "its mode is 0644",
    ),
    (|path, kind| put(path, &(kind.text(&["x"]) + "---\n" + &kind.text(&["y"]))), "document"),
];

fn root(kind: Kind) -> &'static str {
    kind.file().strip_suffix(".yaml").unwrap()
}

fn while_a_file_cannot_be_used_the_last_good_one_is_in_force(kind: Kind) {
    let folder = folder();
    let path = folder.path(kind.file());
    folder.write(kind.file(), &kind.text(&["good-0"]));
    let server = serve(&folder);
    let to = server.address();
    let in_use = kind.in_use(to, "good-0");
    let failures = || {
        let said = format!("[AUTH] Failed to reload {}: ", path.display());
        let log = server.log();
        log.lines().filter(|line| line.contains(&said)).map(str::to_owned).collect::<Vec<_>>()
    };
    for (n, (breaks, reason)) in BREAKAGES.iter().enumerate() {
        let (last, next) = (format!("good-{n}"), format!("good-{}", n + 1));
        assert_eq!(health(to), "ok", "before: {reason}");
        breaks(&path, kind);
        assert!(promptly(|| failures().len() > n), "{reason}\n{}", server.log());
        let line = failures().pop().unwrap();
        assert!(line.contains(reason), "{reason} in {line}");
        assert_eq!(health(to), "degraded", "{reason}");
        assert!(kind.lets_in(to, &last) && opens(to, &in_use), "{reason}");
        if path.exists() {
            // The same fault once more is not told again.
            fs::write(&path, fs::read(&path).unwrap()).unwrap();
        }
        put(&path, &kind.text(&["good-0", &next]));
        assert!(promptly(|| kind.lets_in(to, &next)), "{reason}\n{}", server.log());
        assert!(promptly(|| health(to) == "ok"), "{reason}");
        assert_eq!(failures().len(), n + 1, "{}", server.log());
    }
    assert_eq!(reloads(&server, kind), BREAKAGES.len());
}

#[test]
fn while_the_token_file_cannot_be_used_the_last_good_one_is_in_force() {
    while_a_file_cannot_be_used_the_last_good_one_is_in_force(Kind::Tokens);
}

#[test]
fn while_the_users_file_cannot_be_used_the_last_good_one_is_in_force() {
    while_a_file_cannot_be_used_the_last_good_one_is_in_force(Kind::Users);
}

#[test]
fn a_fault_is_told_with_its_line_and_the_way_out_and_without_the_secret() {
    let folder = folder();
    for kind in Kind::BOTH {
        folder.write(kind.file(), &kind.text(&["good"]));
    }
    let server = serve(&folder);
    let to = server.address();
    put(&folder.path("tokens.yaml"), "tokens:\n  - id: a\n    hash: TheTokenItself\n");
    let line = server.wait_for_line("Failed to reload");
    assert!(line.contains("tokens.yaml:3: tokens[0].hash: "), "{line}");
    assert!(line.contains("hint=") && line.contains("mcp-admin tokens add"), "{line}");
    put(&folder.path("users.yaml"), "users:\n  bob:\n    password_hash: ThePasswordItself\n");
    let line = server.wait_for_line("users.yaml:3: users.bob.password_hash: ");
    assert!(line.contains("hint=") && line.contains("mcp-admin users update"), "{line}");
    fs::set_permissions(folder.path("users.yaml"), Permissions::from_mode(0o640)).unwrap();
    let line = server.wait_for_line("its mode is 0640");
    assert!(line.contains("chmod 600 "), "{line}");
    assert!(!server.log().contains("Itself"), "{}", server.log());
    assert!(opens(to, &token_of("good")) && Kind::Users.lets_in(to, "good"));
}

#[test]
fn a_file_that_is_as_before_again_needs_no_reload() {
    let folder = folder();
    for kind in Kind::BOTH {
        folder.write(kind.file(), &kind.text(&["good"]));
    }
    let server = serve(&folder);
    let to = server.address();
    for kind in Kind::BOTH {
        let path = folder.path(kind.file());
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(promptly(|| health(to) == "degraded"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(promptly(|| health(to) == "ok"));
        server.wait_for_line(&format!("{} is as it was again", path.display()));
        assert_eq!(reloads(&server, kind), 0);
    }
}

#[test]
fn keys_of_the_operators_own_are_live_told_of_and_kept() {
    let folder = folder();
    for kind in Kind::BOTH {
        folder.write(kind.file(), &kind.text(&["before"]));
    }
    let server = serve(&folder);
    let to = server.address();
    for kind in Kind::BOTH {
        let path = folder.path(kind.file());
        let own =
            format!("# Ours.\n{}    team: {root}\n", kind.text(&["alice"]), root = root(kind));
        put(&path, &own);
        assert!(promptly(|| kind.lets_in(to, "alice")), "{}", server.log());
        put(&path, &format!("{own}{}    team: a\n", kind.entry("bob")));
        assert!(promptly(|| kind.lets_in(to, "bob")), "{}", server.log());
        let told = |line: &&str| line.contains("`team`") && line.contains(kind.file());
        let log = server.log();
        assert_eq!(log.lines().filter(told).count(), 1, "{log}");
        put(&path, &format!("{own}    expire_at: never\n"));
        server.wait_for_line("`expire_at`");
    }
    assert!(folder.run(&["tokens", "add", "--note", "x"]).status.success());
    assert!(folder.run(&["users", "update", "alice", "--note", "x"]).status.success());
    for kind in Kind::BOTH {
        let text = folder.text(kind.file());
        let own = format!("    team: {}\n", root(kind));
        assert!(text.starts_with("# Ours.\n") && text.contains(&own), "{text}");
        assert!(text.contains("    expire_at: never\n"), "{text}");
    }
}

#[test]
fn a_file_that_says_that_it_is_empty_is() {
    let folder = folder();
    for kind in Kind::BOTH {
        folder.write(kind.file(), &kind.text(&["alice"]));
    }
    let server = serve(&folder);
    let to = server.address();
    for kind in Kind::BOTH {
        for nothing in ["[]", "{}"] {
            let path = folder.path(kind.file());
            put(&path, &kind.text(&["alice"]));
            assert!(promptly(|| kind.lets_in(to, "alice")), "{}", server.log());
            let in_use = kind.in_use(to, "alice");
            fs::write(&path, format!("{}: {nothing}\n", root(kind))).unwrap();
            assert!(promptly(|| !opens(to, &in_use)), "{kind:?} {nothing}\n{}", server.log());
            assert!(!kind.lets_in(to, "alice"));
            assert_eq!(health(to), "ok");
        }
    }
}
