//! What was acknowledged is kept, whoever dies, and whoever writes at the same time.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Sender, channel};

use serde_json::Value;
use support::{Request, ServerProcess};

use crate::admin_folder::{Admin, transcript};
use crate::served_folder::{
    Kind, folder, hash_of, log_in, login_of, opens, put, serve, session_in, token_of,
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
            let session = session_in(&login_of("alice", crate::served_folder::PASSWORD).try_send(self.to)?)?;
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
            let session = session_in(&login_of("bob", crate::served_folder::PASSWORD).try_send(self.to)?)?;
            let revoked = self.folder.run(&["sessions", "revoke", "--user", "bob"]);
            assert!(revoked.status.success(), "{}", transcript(&revoked));
            self.told.send(Ended(session)).ok()?;
        }
    }
}

const ROUNDS: usize = 30;
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
    let victims = (0..ROUNDS).flat_map(|round| (0..LOCKED_A_ROUND).map(move |turn| victim(round, turn)));
    let names: Vec<_> = ["alice".to_owned(), "bob".to_owned()].into_iter().chain(victims).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    folder.write("users.yaml", &Kind::Users.text(&names));
    folder
}

/// Lets them call, and kills the server when so much was acknowledged: with whatever is under way.
/// What was acknowledged by then and while it died.
fn kill_after(folder: &Admin, server: ServerProcess, round: usize, count: usize) -> Vec<Acknowledged> {
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
