//! A database that is not there, goes away, and comes back.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::json;
use support::{Installation, eventually, query};

#[test]
fn a_server_starts_without_its_database_says_so_and_recovers() {
    let mut installation = Installation::new("CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    installation.postgres_mut().stop();
    let server = installation.start();
    let to = server.address();
    let (text, failed) = installation.query(to, "SELECT a FROM t");
    assert!(failed);
    assert_eq!(text, "Error: the database cannot be reached at the moment; try again later");
    server.wait_for_line("Database shop cannot be used: ");
    assert!(installation.query(to, "SELECT a FROM t").1);
    installation.postgres_mut().resume().unwrap();
    assert_eq!(installation.query(to, "SELECT a FROM t").0, "a\n7\n-- 1 row of database shop");
    server.wait_for_line("Database shop can be used again");
    assert_eq!(server.log().matches("cannot be used").count(), 1, "once per outage");
}

#[test]
fn a_restart_of_the_database_costs_no_more_than_one_answer() {
    let mut installation = Installation::new("CREATE TABLE t (a int); INSERT INTO t VALUES (7)");
    let server = installation.start();
    let to = server.address();
    assert!(!installation.query(to, "SELECT a FROM t").1);
    installation.postgres_mut().restart().unwrap();
    let answers: Vec<_> = (0..3).map(|_| installation.query(to, "SELECT a FROM t")).collect();
    assert!(!answers[1].1 && !answers[2].1, "{answers:?}");
    assert!(!answers[0].0.contains("socket") && !answers[0].0.contains("agent"), "{answers:?}");
}

/// Tells the clients to stop, when the test is over or has failed: it ends only when they do.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_database_that_crashes_under_load_costs_errors_and_never_anothers_rows() {
    const CLIENTS: u32 = 6;
    let mut installation = Installation::new("");
    // It acknowledges before it writes: what was made a moment ago would be lost in the crash.
    installation.postgres().execute("postgres", "CHECKPOINT").unwrap();
    let tokens: Vec<_> = (0..3).map(|_| installation.add_token(&[])).collect();
    let server = installation.start();
    let to = server.address();
    let (stop, answered, failed) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        for client in 0..CLIENTS {
            let token = &tokens[usize::try_from(client % 3).unwrap()];
            let (stop, answered, failed) = (&stop, &answered, &failed);
            scope.spawn(move || {
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    round += 1;
                    match ask(to, token, &format!("{client}/{round}")) {
                        Ok(()) => answered.fetch_add(1, Ordering::Relaxed),
                        Err(()) => failed.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
        for _ in 0..3 {
            let (good, bad) = (answered.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
            let recovered = eventually(|| answered.load(Ordering::Relaxed) > good + 30);
            assert!(recovered, "{answered:?} answered, {failed:?} failed: {}", server.log());
            installation.postgres_mut().crash();
            assert!(eventually(|| failed.load(Ordering::Relaxed) > bad));
            installation.postgres_mut().resume().unwrap();
        }
        let good = answered.load(Ordering::Relaxed);
        assert!(eventually(|| answered.load(Ordering::Relaxed) > good + 30), "it recovered");
    });
    for token in &tokens {
        ask(to, token, "afterwards").unwrap();
    }
}

/// Asks for rows that bear a nonce. Whatever comes is this nonce, or an error in known words.
fn ask(to: SocketAddr, token: &str, nonce: &str) -> Result<(), ()> {
    let sql = format!("SELECT '{nonce}' AS nonce FROM generate_series(1, 3)");
    let (text, failed) = query(to, token, &json!({ "query": sql }));
    if !failed {
        let rows = format!("nonce\n{nonce}\n{nonce}\n{nonce}\n-- 3 rows of database");
        assert!(text.starts_with(&rows), "{nonce} got {text}");
        return Ok(());
    }
    let known = ["cannot be reached", "broke while the query ran", "57P0", "ran longer than"];
    assert!(known.iter().any(|words| text.contains(words)), "{text}");
    Err(())
}

/// A way to a server that can fall silent: what is open stays open, and nothing passes any more.
struct Line {
    port: u16,
    silent: Arc<AtomicBool>,
}

impl Line {
    fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = Arc::new(AtomicBool::new(false));
        let passes = Arc::clone(&silent);
        // Ends with the process of the test, as every thread of it.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = UnixStream::connect(&socket).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (there, here) = (Arc::clone(&passes), Arc::clone(&passes));
                std::thread::spawn(move || carry(client, server, &there));
                std::thread::spawn(move || carry(back.0, back.1, &here));
            }
        });
        Self { port, silent }
    }

    fn fall_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }
}

/// Carries bytes one way until the line falls silent; from then on it swallows them, for ever.
fn carry(mut from: impl std::io::Read, mut to: impl std::io::Write, silent: &AtomicBool) {
    let mut bytes = [0; 4096];
    let mut lost = false;
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        lost |= silent.load(Ordering::SeqCst);
        if !lost && to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

#[test]
fn a_line_that_falls_silent_costs_a_bounded_error_and_heals_by_itself() {
    let installation = Installation::new("");
    let socket = installation.postgres().socket_dir().join(".s.PGSQL.5432");
    let line = Line::to(socket);
    installation.write_config(&format!(
        "  - name: far\n    url: \"postgresql://agent@127.0.0.1:{}/shop?connect_timeout=1\"\n    \
         statement_timeout: 300ms\n",
        line.port
    ));
    let far = installation.add_token(&["--database", "far"]);
    let server = installation.start();
    let to = server.address();
    ask(to, &far, "before").unwrap();
    line.fall_silent(true);
    // The connection that lies in the pool looks well, and is dead.
    ask(to, &far, "dead").unwrap_err();
    ask(to, &far, "new").unwrap_err();
    ask(to, installation.token(), "near").unwrap();
    line.fall_silent(false);
    ask(to, &far, "after").unwrap();
}
