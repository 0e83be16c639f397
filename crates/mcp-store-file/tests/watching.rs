//! What others do to a file is told to whoever listens, and what is told is what is there.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_identity::{TokenHash, TokenId, UserName};
use mcp_store::{
    Change, Changes, StoredHash, TokenRecord, TokenSelector, TokenStore as _, UserEdit, UserRecord,
};
use mcp_store_file::{FileState, TokenFile, UserFile};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

/// Far more than is promised: a loaded test machine promises nothing.
const PATIENCE: Duration = Duration::from_secs(20);

const HASH: &str = "$2a$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";

fn file_of(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.yaml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (folder, path)
}

/// A watch that runs until it is told to stop.
struct Running {
    stop: oneshot::Sender<()>,
    watch: JoinHandle<()>,
    state: FileState,
}

/// Starts what `watch` says, and waits until it runs.
macro_rules! run {
    ($file:expr) => {{
        let (stop, stopped) = oneshot::channel::<()>();
        let watch = $file.watch().unwrap();
        let state = watch.state();
        let watch = tokio::spawn(watch.run(async {
            let _ = stopped.await;
        }));
        yield_now().await;
        Running { stop, watch, state }
    }};
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.watch).await.unwrap().unwrap();
    }
}

async fn until(mut reached: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
}

async fn told(changes: &mut Changes) -> Change {
    timeout(PATIENCE, changes.next()).await.unwrap().unwrap()
}

fn token(n: usize) -> TokenRecord {
    let id = TokenId::parse(&format!("token-{n}")).unwrap();
    let hash = TokenHash::of_presented(id.as_str().as_bytes());
    TokenRecord::new(id, hash, SystemTime::UNIX_EPOCH)
}

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn user(text: &str) -> UserRecord {
    UserRecord::new(name(text), StoredHash::new(HASH), SystemTime::UNIX_EPOCH)
}

#[tokio::test]
async fn a_change_by_somebody_else_is_told_though_the_file_was_broken_in_between() {
    let (_folder, path) = file_of("tokens: []\n");
    let ours = Arc::new(TokenFile::open(&path));
    let mut changes = ours.changes();
    let running = run!(ours);

    fs::write(&path, "tokens:\n  - id: [\n").unwrap();
    fs::write(&path, "tokens: []\n").unwrap();
    TokenFile::open(&path).insert(token(1)).await.unwrap();
    assert_eq!(told(&mut changes).await, Change::Everything);
    assert_eq!(ours.all().await.unwrap(), [token(1)]);
    assert_eq!(ours.find(token(1).hash).await.unwrap(), Some(token(1)));
    running.stop().await;
}

#[tokio::test]
async fn while_the_file_cannot_be_used_the_last_good_records_are_there() {
    let (_folder, path) = file_of("users: {}\n");
    let ours = UserFile::open(&path);
    let mut changes = ours.changes();
    let running = run!(ours);

    let theirs = UserFile::open(&path);
    theirs.insert(user("alice")).await.unwrap();
    assert_eq!(told(&mut changes).await, Change::Everything);
    for broken in ["", "users:\n  bob: [\n"] {
        fs::write(&path, broken).unwrap();
        until(async || running.state.is_faulty()).await;
        assert_eq!(ours.all().await.unwrap()[0].record, user("alice"));
        assert_eq!(ours.find(&name("ALICE")).await.unwrap().unwrap().record, user("alice"));
        assert!(ours.read().is_err());
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(ours.find(&name("alice")).await.unwrap().unwrap().record, user("alice"));

    theirs.insert(user("bob")).await.unwrap();
    until(async || !running.state.is_faulty()).await;
    assert_eq!(ours.find(&name("alice")).await.unwrap(), None);
    assert_eq!(ours.find(&name("bob")).await.unwrap().unwrap().record, user("bob"));
    running.stop().await;
}

#[tokio::test]
async fn what_is_told_is_there_though_the_file_is_empty_a_moment_later() {
    let (_folder, path) = file_of("tokens: []\n");
    let ours = Arc::new(TokenFile::open(&path));
    let mut changes = ours.changes();
    let running = run!(ours);
    TokenFile::open(&path).insert(token(1)).await.unwrap();
    assert_eq!(told(&mut changes).await, Change::Everything);
    // The listener was told and has not read yet.
    fs::write(&path, "").unwrap();
    assert_eq!(ours.all().await.unwrap(), [token(1)]);
    until(async || running.state.is_faulty()).await;
    assert_eq!(ours.all().await.unwrap(), [token(1)]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_finds_its_own_change_at_once_while_a_watch_runs() {
    let (_folder, path) = file_of("tokens: []\n");
    let tokens = Arc::new(TokenFile::open(&path));
    let running = run!(tokens);
    for n in 0..25 {
        tokens.insert(token(n)).await.unwrap();
        assert_eq!(tokens.all().await.unwrap(), [token(n)]);
        tokens.remove(TokenSelector::Id(token(n).id)).await.unwrap();
        assert_eq!(tokens.find(token(n).hash).await.unwrap(), None);
    }
    running.stop().await;

    let (_folder, path) = file_of("users: {}\n");
    let users = UserFile::open(&path);
    let running = run!(users);
    users.insert(user("alice")).await.unwrap();
    for n in 0..25 {
        let edit = UserEdit { note: Some(n.to_string()), ..UserEdit::default() };
        users.edit(&name("alice"), &edit).await.unwrap();
        let found = users.find(&name("alice")).await.unwrap().unwrap();
        assert_eq!(found.record.note, n.to_string());
    }
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_is_as_before_our_change_is_what_is_there() {
    let (_folder, path) = file_of("tokens: []\n");
    let ours = Arc::new(TokenFile::open(&path));
    let mut changes = ours.changes();
    let running = run!(ours);
    ours.insert(token(1)).await.unwrap();
    assert_eq!(told(&mut changes).await, Change::Token(token(1).id));
    // Before the watch has seen the change: to it, these are the bytes that it knows.
    fs::write(&path, "tokens: []\n").unwrap();
    assert_eq!(told(&mut changes).await, Change::Everything);
    until(async || ours.all().await == Ok(vec![])).await;
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_nobody_watches_any_more_is_asked_itself() {
    let (_folder, path) = file_of("users: {}\n");
    let ours = UserFile::open(&path);
    let running = run!(ours);
    running.stop().await;
    let theirs = UserFile::open(&path);
    theirs.insert(user("alice")).await.unwrap();
    assert_eq!(ours.all().await.unwrap().len(), 1);
    fs::write(&path, "").unwrap();
    assert!(ours.all().await.is_err());
}

#[tokio::test]
async fn a_file_that_appears_later_is_picked_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.yaml");
    let ours = UserFile::open(&path);
    let mut changes = ours.changes();
    let running = run!(ours);
    assert!(!running.state.is_faulty(), "nobody has written it yet");
    UserFile::open(&path).insert(user("alice")).await.unwrap();
    assert_eq!(told(&mut changes).await, Change::Everything);
    assert_eq!(ours.all().await.unwrap().len(), 1);
    fs::remove_file(&path).unwrap();
    until(async || running.state.is_faulty()).await;
    running.stop().await;
}

#[tokio::test]
async fn what_a_watch_has_read_is_there_before_it_runs_and_gone_with_it() {
    let (_folder, path) = file_of("tokens: []\n");
    let ours = Arc::new(TokenFile::open(&path));
    ours.insert(token(1)).await.unwrap();
    let watch = ours.watch().unwrap();
    fs::write(&path, "tokens:\n  - id: [\n").unwrap();
    assert_eq!(ours.all().await.unwrap(), [token(1)]);
    drop(watch);
    assert!(ours.all().await.is_err());
}
