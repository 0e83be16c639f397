//! What is left of a server that is killed.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mcp_identity::{SessionId, UserName};
use mcp_store::{AccountStore as _, SessionSelector, UserRecord};

use crate::support::{House, ids, lock, name, open, record};

/// Names the folder of the child's server.
const FOLDER: &str = "MCP_STORE_FILE_TEST_FOLDER";

/// This very test program, in the part of the server. It begins with a umask of 0.
fn server(house: &House) -> Child {
    let ourselves = env::current_exe().unwrap();
    Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" \"$@\""])
        .arg(ourselves)
        .args(["--exact", "killed::the_part_of_the_server", "--nocapture"])
        .env(FOLDER, house.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Says each change as soon as it is acknowledged, and goes on until it is killed. Run by itself,
/// it has no part to play.
#[expect(clippy::disallowed_methods, reason = "how the parent speaks to its child")]
#[tokio::test]
async fn the_part_of_the_server() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let settings = mcp_store_file::FileAccountsSettings::new(
        Path::new(&folder).join("users.yaml"),
        Path::new(&folder),
    );
    let store = mcp_store_file::FileAccounts::open(settings, record("x").created_at).unwrap();
    for n in 0.. {
        let user = UserRecord { name: user(n), ..record("x") };
        store.add_account(user.clone()).await.unwrap();
        say("added", n);
        open(&store, &user, n).await.unwrap();
        say("opened", n);
        if ends(n) {
            store.end_sessions(SessionSelector::Id(id(n))).await.unwrap();
            say("ended", n);
        }
        lock(&store, &user.name).await;
        say("locked", n);
    }
}

fn say(what: &str, n: u64) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\n{what} {n}").and_then(|()| stdout.flush()).unwrap();
}

fn user(n: u64) -> UserName {
    name(&format!("user {n}"))
}

fn id(n: u64) -> SessionId {
    SessionId::from_bytes(n.to_be_bytes())
}

fn ends(n: u64) -> bool {
    n % 2 == 1
}

/// What it acknowledged.
fn said(line: &str) -> Option<(String, u64)> {
    let (what, n) = line.split_once(' ')?;
    let known = ["added", "opened", "ended", "locked"].contains(&what);
    Some((what.to_owned(), n.parse().ok()?)).filter(|_| known)
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    for after in [1, 2, 3, 4, 5, 6, 7, 8, 12, 17, 23] {
        let house = House::with("users: {}\n");
        let mut child = server(&house);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut acknowledged: Vec<_> =
            lines.by_ref().filter_map(|line| said(&line)).take(after).collect();
        child.kill().unwrap();
        // What it said before it died, while we were about to kill it.
        acknowledged.extend(lines.filter_map(|line| said(&line)));
        child.wait().unwrap();

        let store = house.server();
        let open = ids(&store).await;
        for (what, n) in &acknowledged {
            let account = store.find_account(&user(*n)).await.unwrap().unwrap();
            let kept = match what.as_str() {
                "added" => true,
                "opened" => ends(*n) || open.contains(&id(*n)),
                "ended" => !open.contains(&id(*n)),
                _ => account.lockout.lock.is_some(),
            };
            assert!(kept, "{what} {n}, lost after {after}");
            if what == "opened" {
                assert!(account.last_login.is_some(), "{what} {n}, lost after {after}");
            }
        }
    }
}

#[test]
fn every_file_is_private_from_the_first_byte_whatever_the_umask() {
    let house = House::with("users: {}\n");
    let mut child = server(&house);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.filter_map(|line| said(&line)).find(|(what, _)| what == "opened");
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = format!("{}{suffix}", house.state().display());
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{file}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(first, Some(("opened".to_owned(), 0)));
}
