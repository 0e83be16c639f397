//! What was acknowledged is kept, whoever dies, and whoever writes at the same time.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};

use support::{Request, ServerProcess};

use crate::admin_folder::{Admin, transcript};
use crate::served_folder::{
    Kind, PASSWORD, folder, log_in, login_of, opens, serve, session_in, token_of,
};

const STATE: &str = "mcp-server-state.db";

/// What somebody was told that it is done.
#[derive(Clone, Debug)]
enum Acknowledged {
    Opened(String),
    Ended(String),
    Locked(String),
}

use Acknowledged::{Ended, Locked, Opened};

/// Those who have something done, each on a thread of its own, until the server is gone.
struct Callers<'a> {
    folder: &'a Admin,
    to: SocketAddr,
    round: usize,
    told: Sender<Acknowledged>,
}

impl Callers<'_> {
    /// Logs in and, each other time, out again.
    fn come_and_go(&self) -> Option<()> {
        for turn in 0.. {
            let session = session_in(&login_of("alice", PASSWORD).try_send(self.to)?)?;
            if turn % 2 == 0 {
                self.told.send(Opened(session)).ok()?;
                continue;
            }
            let logout = Request::new("POST", "/auth/logout").bearer(&session);
            assert_eq!(logout.try_send(self.to)?.status, 200);
            self.told.send(Ended(session)).ok()?;
        }
        None
    }

    /// Locks one account after the other.
    fn guess(&self) -> Option<()> {
        for turn in 0..LOCKED_A_ROUND {
            let name = victim(self.round, turn);
            assert!(session_in(&login_of(&name, "Wrong1Password").try_send(self.to)?).is_none());
            self.told.send(Locked(name)).ok()?;
        }
        None
    }

    /// Has an admin end the sessions of somebody who has just come.
    fn throw_out(&self) -> Option<()> {
        loop {
            let session = session_in(&login_of("bob", PASSWORD).try_send(self.to)?)?;
            let revoked = self.folder.run(&["sessions", "revoke", "--user", "bob"]);
            assert!(revoked.status.success(), "{}", transcript(&revoked));
            self.told.send(Ended(session)).ok()?;
        }
    }
}

const ROUNDS: usize = 24;
const LOCKED_A_ROUND: usize = 12;

fn victim(round: usize, turn: usize) -> String {
    format!("victim-{round}-{turn}")
}

/// Enough accounts for every round, and a lock after the first wrong password.
fn with_victims() -> Admin {
    let folder = folder();
    let config = folder.text("mcp-server.yaml");
    let locking = "  auth:\n    max_failed_attempts_before_lockout: 1\n";
    folder.write("mcp-server.yaml", &config.replace("  auth:\n", locking));
    let victims =
        (0..ROUNDS).flat_map(|round| (0..LOCKED_A_ROUND).map(move |turn| victim(round, turn)));
    let names: Vec<_> = ["alice".to_owned(), "bob".to_owned()].into_iter().chain(victims).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    folder.write("users.yaml", &Kind::Users.text(&names));
    folder
}

/// Lets them call, and kills the server when so much was acknowledged: with whatever is under way.
/// What was acknowledged by then and while it died.
fn kill_after(
    folder: &Admin,
    server: ServerProcess,
    round: usize,
    count: usize,
) -> Vec<Acknowledged> {
    let (told, acknowledged) = channel();
    let callers = Callers { folder, to: server.address(), round, told };
    std::thread::scope(|scope| {
        for call in [Callers::come_and_go, Callers::guess, Callers::throw_out] {
            let callers = Callers { told: callers.told.clone(), ..callers };
            scope.spawn(move || call(&callers));
        }
        drop(callers);
        let first = acknowledged.iter().take(count).collect::<Vec<_>>();
        // A dropped server is killed: SIGKILL, at once.
        drop(server);
        first.into_iter().chain(acknowledged.iter()).collect()
    })
}

fn is_kept(to: SocketAddr, acknowledged: &Acknowledged) -> bool {
    match acknowledged {
        Opened(session) => opens(to, session),
        Ended(session) => !opens(to, session),
        // Not even with the right password.
        Locked(name) => log_in(to, name).is_none(),
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let folder = with_victims();
    let mut everything = Vec::new();
    for round in 0..ROUNDS {
        let server = serve(&folder);
        let acknowledged = kill_after(&folder, server, round, 1 + round * 7 % 11);
        everything.extend(acknowledged);
    }
    let server = serve(&folder);
    let to = server.address();
    let lost: Vec<_> = everything.iter().filter(|what| !is_kept(to, what)).collect();
    assert!(lost.is_empty(), "of {} were lost {lost:?}\n{}", everything.len(), server.log());
    let kinds: HashSet<_> = everything.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 3, "{everything:?}");
    assert!(!server.log().contains("damaged"), "{}", server.log());
}

/// The entries that a list prints, by one key.
fn listed(folder: &Admin, what: &str, key: &str) -> HashSet<String> {
    let said = folder.json(&[what, "list"]);
    let entries = said[what].as_array().unwrap();
    entries.iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}

fn names(prefix: &str) -> Vec<String> {
    (0..8).map(|n| format!("{prefix}-{n}")).collect()
}

fn set(names: &[&[String]]) -> HashSet<String> {
    names.concat().into_iter().collect()
}

/// A token file with entries that stay, that will be removed, and that have expired.
fn crowded_tokens() -> String {
    let entries =
        |prefix: &str| names(prefix).iter().map(|name| Kind::Tokens.entry(name)).collect();
    let expired = |entry: String| entry + "    expires_at: \"2026-01-02T03:04:06Z\"\n";
    let expired: String =
        names("expired").iter().map(|name| expired(Kind::Tokens.entry(name))).collect();
    let (kept, removed): (String, String) = (entries("kept"), entries("removed"));
    format!("tokens:\n{kept}{expired}{removed}")
}

/// Starts everything at once, and waits until all of it is done.
fn all_at_once(commands: Vec<Command>) {
    let start = |mut command: Command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who asks for nothing reads nothing.
        let _ = writeln!(child.stdin.take().unwrap(), "{PASSWORD}");
        child
    };
    let running: Vec<Child> = commands.into_iter().map(start).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", transcript(&output));
    }
}

#[test]
fn of_thirty_writers_and_a_server_that_starts_none_loses_a_change() {
    let folder = folder();
    let (kept, removed, added) = (names("kept"), names("removed"), names("added"));
    folder.write("tokens.yaml", &crowded_tokens());
    let accounts: Vec<_> = kept.iter().map(String::as_str).collect();
    folder.write("users.yaml", &Kind::Users.text(&accounts));
    let commands = (0..8).flat_map(|n| {
        [
            folder.command(&["tokens", "add", "--note", &added[n]]),
            folder.command(&["tokens", "remove", &removed[n]]),
            folder.command(&["users", "add", &added[n], "--note", "", "--password-stdin"]),
            folder.command(&["users", "update", &kept[n], "--note", &added[n]]),
        ]
    });
    // In the middle of them: it removes what has expired, through the same file.
    let mut commands: Vec<_> = commands.collect();
    let second_half = commands.split_off(commands.len() / 2);
    let server = std::thread::scope(|scope| {
        let first_half = scope.spawn(|| all_at_once(commands));
        let server = serve(&folder);
        all_at_once(second_half);
        first_half.join().unwrap();
        server
    });
    server.wait_for_line("Removed 8 expired token(s)");
    assert_eq!(listed(&folder, "users", "username"), set(&[&kept, &added]));
    let notes = listed(&folder, "users", "note");
    assert!(added.iter().all(|note| notes.contains(note)), "{notes:?}");
    let notes = listed(&folder, "tokens", "note");
    assert_eq!(notes, set(&[&added, &[String::new()]]));
    let ids = listed(&folder, "tokens", "id");
    assert!(kept.iter().all(|id| ids.contains(id)), "{ids:?}");
    assert_eq!(ids.len(), kept.len() + added.len(), "{ids:?}");
    // And the server knows what the files say.
    let to = server.address();
    for name in &kept {
        assert!(opens(to, &token_of(name)));
        assert!(support::eventually(|| log_in(to, name).is_some()), "{}", server.log());
    }
    for name in &added {
        assert!(support::eventually(|| log_in(to, name).is_some()), "{}", server.log());
    }
    assert!(removed.iter().all(|name| support::eventually(|| !opens(to, &token_of(name)))));
}

/// A folder whose server has let alice in and was stopped in good order; her session.
fn lived_in() -> (Admin, String) {
    let folder = folder();
    folder.write("users.yaml", &Kind::Users.text(&["alice"]));
    let mut server = serve(&folder);
    let session = log_in(server.address(), "alice").unwrap();
    server.signal("TERM");
    assert!(server.wait().success(), "{}", server.log());
    (folder, session)
}

#[test]
fn a_damaged_state_database_is_set_aside_and_the_server_starts_and_says_so() {
    let (folder, session) = lived_in();
    let mut damaged = fs::read(folder.path(STATE)).unwrap();
    damaged[..100].fill(0xa5);
    fs::write(folder.path(STATE), &damaged).unwrap();
    let server = serve(&folder);
    let to = server.address();
    let line = server.wait_for_line("The state database is damaged and was set aside");
    let entries = fs::read_dir(folder.folder()).unwrap().map(|entry| entry.unwrap());
    let aside = entries.map(|entry| entry.file_name().into_string().unwrap());
    let aside = aside.filter(|name| name.starts_with(&format!("{STATE}.damaged-")));
    let aside: Vec<_> = aside.collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(line.contains(&aside[0]), "{line}");
    assert_eq!(fs::read(folder.path(&aside[0])).unwrap(), damaged, "nothing is thrown away");
    assert!(!opens(to, &session));
    assert!(opens(to, &log_in(to, "alice").unwrap()));
}

#[test]
fn the_state_of_a_newer_release_stops_the_start_and_stays_as_it_is() {
    let (folder, session) = lived_in();
    assert!(!folder.path("mcp-server-state.db-wal").exists(), "what was stopped is one file");
    let known = fs::read(folder.path(STATE)).unwrap();
    // `user_version`, a big-endian number at offset 60 (sqlite.org/fileformat2.html, 1.3).
    let mut newer = known.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(folder.path(STATE), &newer).unwrap();

    let mut server = serve(&folder);
    assert_eq!(server.wait().code(), Some(1));
    let said = server.wait_for_line("layout 99");
    assert!(said.contains(&folder.path(STATE).to_string_lossy()[..]), "{said}");
    server.wait_for_line("hint: run the release that wrote it");
    assert_eq!(fs::read(folder.path(STATE)).unwrap(), newer);

    fs::write(folder.path(STATE), known).unwrap();
    assert!(opens(serve(&folder).address(), &session));
}
