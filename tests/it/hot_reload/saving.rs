//! Every way of saving a file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use support::{ServerProcess, binary};

use super::{promptly, reloads};
use crate::served_folder::{
    Kind, folder, hash_of, health, put, serve, sibling, token_of, write_private,
};

/// A file in which one name takes the place of another.
struct Save {
    path: PathBuf,
    kind: Kind,
    old: String,
    new: String,
}

impl Save {
    fn text(&self) -> String {
        self.kind.text(&[&self.new])
    }

    fn rename_over(&self) {
        put(&self.path, &self.text());
    }

    fn move_in_from_elsewhere(&self) {
        let elsewhere = self.path.parent().unwrap().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let new = elsewhere.join("anything");
        write_private(&new, &self.text());
        run("mv", &["-f", &new.to_string_lossy(), &self.path.to_string_lossy()]);
    }

    fn truncate_and_rewrite(&self) {
        fs::write(&self.path, self.text()).unwrap();
    }

    fn rewrite_in_pieces(&self) {
        let text = self.text();
        let (first, second) = text.split_at(text.len() / 2);
        fs::write(&self.path, first).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(&self.path).unwrap();
        file.sync_all().unwrap();
        std::io::Write::write_all(&mut file, second.as_bytes()).unwrap();
    }

    fn copy_over(&self) {
        let other = sibling(&self.path, ".other");
        write_private(&other, &self.text());
        run("cp", &[&*other.to_string_lossy(), &self.path.to_string_lossy()]);
    }

    fn delete_and_recreate(&self) {
        fs::remove_file(&self.path).unwrap();
        write_private(&self.path, &self.text());
    }

    /// As vim does with `backupcopy=no`.
    fn move_away_and_recreate(&self) {
        let backup = sibling(&self.path, "~");
        fs::rename(&self.path, &backup).unwrap();
        write_private(&self.path, &self.text());
        fs::remove_file(&backup).unwrap();
    }

    fn edit_with_sed(&self) {
        let Self { old, new, .. } = self;
        let script = format!("s/{}/{}/; s/{old}/{new}/", hash_of(old), hash_of(new));
        run("sed", &["-i", &script, &self.path.to_string_lossy()]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program}");
}

/// A way of saving, and its name.
type Way = (&'static str, fn(&Save));

const WAYS: [Way; 8] = [
    ("rename over", Save::rename_over),
    ("move in from elsewhere", Save::move_in_from_elsewhere),
    ("truncate and rewrite", Save::truncate_and_rewrite),
    ("rewrite in pieces", Save::rewrite_in_pieces),
    ("copy over", Save::copy_over),
    ("delete and recreate", Save::delete_and_recreate),
    ("move away and recreate", Save::move_away_and_recreate),
    ("edit with sed", Save::edit_with_sed),
];

fn every_way_of_saving_is_live_and_told_once(kind: Kind) {
    let folder = folder();
    let path = folder.path(kind.file());
    folder.write(kind.file(), &kind.text(&["name-0"]));
    let server = serve(&folder);
    let to = server.address();
    let names: Vec<_> = (0..=WAYS.len()).map(|n| format!("name-{n}")).collect();
    for (n, (way, save)) in WAYS.iter().enumerate() {
        let (old, new) = (&names[n], &names[n + 1]);
        assert!(kind.lets_in(to, old), "before: {way}");
        save(&Save { path: path.clone(), kind, old: old.clone(), new: new.clone() });
        assert!(promptly(|| kind.lets_in(to, new)), "{way}\n{}", server.log());
        assert!(!kind.lets_in(to, old), "both are one swap: {way}");
        assert!(promptly(|| reloads(&server, kind) > n), "{way}\n{}", server.log());
    }
    // Behind the last line of the file, as `>>` does.
    let appended = fs::read_to_string(&path).unwrap() + &kind.entry("appended");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut file, kind.entry("appended").as_bytes()).unwrap();
    assert!(promptly(|| kind.lets_in(to, "appended")), "{}", server.log());
    assert!(kind.lets_in(to, &names[WAYS.len()]));
    assert_eq!(fs::read_to_string(&path).unwrap(), appended, "the server writes nothing");
    assert!(promptly(|| reloads(&server, kind) == WAYS.len() + 1), "{}", server.log());
    assert!(!server.log().contains("Failed to reload"), "{}", server.log());
}

#[test]
fn every_way_of_saving_the_token_file_is_live_and_told_once() {
    every_way_of_saving_is_live_and_told_once(Kind::Tokens);
}

#[test]
fn every_way_of_saving_the_users_file_is_live_and_told_once() {
    every_way_of_saving_is_live_and_told_once(Kind::Users);
}

#[test]
fn behind_a_link_the_target_counts_however_it_changes() {
    let folder = folder();
    for kind in Kind::BOTH {
        for place in ["one", "two"] {
            fs::create_dir_all(folder.path(place)).unwrap();
            folder.write(&format!("{place}/{}", kind.file()), &kind.text(&[place]));
        }
        symlink(format!("one/{}", kind.file()), folder.path(kind.file())).unwrap();
    }
    let server = serve(&folder);
    let to = server.address();
    for kind in Kind::BOTH {
        let link = folder.path(kind.file());
        let target = |place: &str| folder.path(place).join(kind.file());
        assert!(kind.lets_in(to, "one"));
        put(&target("one"), &kind.text(&["renamed-over"]));
        assert!(promptly(|| kind.lets_in(to, "renamed-over")), "{kind:?} {}", server.log());
        fs::write(target("one"), kind.text(&["rewritten"])).unwrap();
        assert!(promptly(|| kind.lets_in(to, "rewritten")), "{kind:?} {}", server.log());
        // `ln -sfn`: another link takes the name.
        let new = sibling(&link, ".new");
        symlink(target("two"), &new).unwrap();
        fs::rename(&new, &link).unwrap();
        assert!(promptly(|| kind.lets_in(to, "two")), "{kind:?} {}", server.log());
        put(&target("two"), &kind.text(&["followed"]));
        assert!(promptly(|| kind.lets_in(to, "followed")), "{kind:?} {}", server.log());
    }
    let added = folder.run(&["tokens", "add", "--note", "x"]);
    assert!(added.status.success());
    assert!(fs::symlink_metadata(folder.path("tokens.yaml")).unwrap().is_symlink());
    assert!(folder.text("two/tokens.yaml").contains("note: x"), "the target is replaced");
}

#[test]
fn a_volume_of_kubernetes_is_swapped_as_a_whole() {
    let folder = folder();
    let config = folder.text("mcp-server.yaml");
    let config = config.replace("_file: ", "_file: volume/");
    folder.write("mcp-server.yaml", &config);
    let volume = folder.path("volume");
    let write = |version: &str| {
        fs::create_dir_all(volume.join(version)).unwrap();
        for kind in Kind::BOTH {
            let path = volume.join(version).join(kind.file());
            write_private(&path, &kind.text(&[&version[2..], "stays"]));
        }
    };
    let swap = |version: &str| {
        symlink(version, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    write("..version-1");
    swap("..version-1");
    for kind in Kind::BOTH {
        symlink(format!("..data/{}", kind.file()), volume.join(kind.file())).unwrap();
    }
    let server = serve(&folder);
    let to = server.address();
    for (old, new) in
        [("..version-1", "..version-2"), ("..version-2", "..version-3"), ("..version-3", "..v-4")]
    {
        write(new);
        swap(new);
        fs::remove_dir_all(volume.join(old)).unwrap();
        for kind in Kind::BOTH {
            let log = || server.log();
            assert!(promptly(|| kind.lets_in(to, &new[2..])), "{kind:?} {new}\n{}", log());
            assert!(!kind.lets_in(to, &old[2..]) && kind.lets_in(to, "stays"), "{kind:?} {new}");
        }
    }
    assert!(!server.log().contains("Failed to reload"), "{}", server.log());
}

#[test]
fn files_that_appear_later_are_picked_up_and_were_no_fault_before() {
    let folder = folder();
    let server = serve(&folder);
    let to = server.address();
    assert_eq!(health(to), "ok", "nobody has written them yet");
    assert!(!Kind::Tokens.lets_in(to, "first") && !Kind::Users.lets_in(to, "first"));
    for kind in Kind::BOTH {
        put(&folder.path(kind.file()), &kind.text(&["first"]));
        assert!(promptly(|| kind.lets_in(to, "first")), "{kind:?} {}", server.log());
    }
    assert_eq!(health(to), "ok");
    assert!(!server.log().contains("Failed to reload"), "{}", server.log());
}

#[test]
fn what_mcp_admin_makes_first_is_good_at_once() {
    let folder = folder();
    let server = serve(&folder);
    let to = server.address();
    let added = folder.stdout(&["tokens", "add", "--note", "first"]);
    let token = added.lines().find_map(|line| line.strip_prefix("Token: ")).unwrap();
    assert!(promptly(|| crate::served_folder::opens(to, token)), "{}", server.log());
    folder.add_user("alice", &[]);
    assert!(promptly(|| Kind::Users.lets_in(to, "alice")), "{}", server.log());
}

#[test]
fn bare_relative_names_are_watched_in_the_folder_of_the_start() {
    let folder = folder();
    for kind in Kind::BOTH {
        folder.write(kind.file(), &kind.text(&["before"]));
    }
    let mut command = Command::new(binary("mcp-server"));
    command
        .args(["--http", "--addr", "127.0.0.1:0", "--log-format", "text"])
        .args(["--token-file", "tokens.yaml", "--user-file", "users.yaml"])
        .env_clear()
        .env("MCP_HTTP_AUTH_BEARER_FAILURES", "100000")
        .env("MCP_HTTP_AUTH_RATE_LIMIT_MAX_ATTEMPTS", "10000")
        .env("MCP_PASSWORDS_BCRYPT_COST", "4")
        .env("MCP_PASSWORDS_MIN_RESPONSE_MS", "0")
        .current_dir(folder.folder());
    let server = ServerProcess::spawn(command);
    let to = server.address();
    for kind in Kind::BOTH {
        assert!(kind.lets_in(to, "before"));
        put(&folder.path(kind.file()), &kind.text(&["renamed-over"]));
        assert!(promptly(|| kind.lets_in(to, "renamed-over")), "{kind:?} {}", server.log());
        fs::write(folder.path(kind.file()), kind.text(&["rewritten"])).unwrap();
        assert!(promptly(|| kind.lets_in(to, "rewritten")), "{kind:?} {}", server.log());
        let line = format!("[AUTH] Reloaded {}", kind.file());
        assert!(server.log().lines().any(|said| said.ends_with(&line)), "{}", server.log());
    }
    assert!(!crate::served_folder::opens(to, &token_of("before")));
}
