//! How often a statement goes to PostgreSQL and back: counted on the wire between the two, message
//! by message, behind a server that authenticates, limits and records.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{Installation, ServerProcess, query};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Server,
    PostgreSql,
}
use Sender::{PostgreSql, Server};

/// What one side sent until the other answered: the tags of its messages, one letter each
/// (PostgreSQL docs, "Message Formats").
type Turn = (Sender, String);

/// What passed on each connection, in the order of connecting.
#[derive(Default)]
struct Journal(Mutex<Vec<Vec<Turn>>>);

impl Journal {
    fn note(&self, connection: usize, sender: Sender, tag: u8) {
        let turns = &mut self.0.lock().unwrap()[connection];
        match turns.last_mut() {
            Some((last, tags)) if *last == sender => tags.push(char::from(tag)),
            _ => turns.push((sender, char::from(tag).to_string())),
        }
    }

    fn open(&self) -> usize {
        let mut connections = self.0.lock().unwrap();
        connections.push(Vec::new());
        connections.len() - 1
    }

    /// What has passed on the newest connection since the last look, and how many there are.
    fn take_newest(&self) -> (usize, Vec<Turn>) {
        let mut connections = self.0.lock().unwrap();
        let newest = connections.last_mut().map(std::mem::take).unwrap_or_default();
        (connections.len(), newest)
    }
}

/// One direction of a connection, cut into messages.
struct Messages {
    pending: Vec<u8>,
    /// The first message of a client bears no tag.
    begun: bool,
}

impl Messages {
    fn of(sender: Sender) -> Self {
        Self { pending: Vec::new(), begun: sender == PostgreSql }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The tag of the next whole message; 0 for one without.
    fn next(&mut self) -> Option<u8> {
        let tagged = usize::from(self.begun);
        let length = self.pending.get(tagged..)?.first_chunk::<4>()?;
        let total = tagged + usize::try_from(u32::from_be_bytes(*length)).unwrap();
        let message = self.pending.get(..total)?;
        let tag = if self.begun { message[0] } else { 0 };
        self.begun = true;
        self.pending.drain(..total);
        Some(tag)
    }
}

/// A way to PostgreSQL on which everything is noted before it is passed on. Gives its port.
fn noted(socket: PathBuf, journal: &Arc<Journal>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let journal = Arc::clone(journal);
    // Ends with the process of the test, as every thread of it.
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let postgres = UnixStream::connect(&socket).unwrap();
            let back = (postgres.try_clone().unwrap(), client.try_clone().unwrap());
            let connection = journal.open();
            let (there, here) = (Arc::clone(&journal), Arc::clone(&journal));
            std::thread::spawn(move || {
                let note = |tag| there.note(connection, Server, tag);
                carry(client, postgres, note, Messages::of(Server));
            });
            std::thread::spawn(move || {
                let note = |tag| here.note(connection, PostgreSql, tag);
                carry(back.0, back.1, note, Messages::of(PostgreSql));
            });
        }
    });
    port
}

fn carry(mut from: impl Read, mut to: impl Write, note: impl Fn(u8), mut messages: Messages) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        messages.push(&bytes[..count]);
        while let Some(tag) = messages.next() {
            note(tag);
        }
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// A server with a second database `noted`, the same one by the way that notes.
struct Observed {
    _installation: Installation,
    _server: ServerProcess,
    to: SocketAddr,
    token: String,
    journal: Arc<Journal>,
}

impl Observed {
    fn start(sql: &str) -> Self {
        let installation = Installation::new(sql);
        let journal = Arc::new(Journal::default());
        let port = installation.postgres().port();
        let socket = installation.postgres().socket_dir().join(format!(".s.PGSQL.{port}"));
        let port = noted(socket, &journal);
        installation.write_config(&format!(
            "  - name: noted\n    url: \"postgresql://agent@127.0.0.1:{port}/shop?sslmode=disable\"\n    \
             allow_writes: true\n"
        ));
        let token = installation.add_token(&["--database", "noted"]);
        let server = installation.start();
        let to = server.address();
        let observed = Self { _installation: installation, _server: server, to, token, journal };
        // Connects, so that what follows finds its connection.
        observed.ask(&json!({ "query": "SELECT 1" }));
        observed
    }

    fn ask(&self, arguments: &Value) -> (String, bool) {
        query(self.to, &self.token, arguments)
    }

    /// What passes for one call. It opens no connection.
    fn turns_of(&self, arguments: &Value) -> ((String, bool), Vec<Turn>) {
        let (before, _) = self.journal.take_newest();
        let answer = self.ask(arguments);
        let (after, turns) = self.journal.take_newest();
        assert_eq!(before, after, "no connection more");
        (answer, turns)
    }
}

fn turn(sender: Sender, tags: &str) -> Turn {
    (sender, tags.to_owned())
}

/// BEGIN, the statement with its description, ROLLBACK or COMMIT, each by Parse, Bind and Execute;
/// then the call that gives advisory locks back, which ends the flight.
const FLIGHT: &str = "PBEPBDEPBEF";

#[test]
fn a_query_with_a_token_goes_to_postgresql_and_back_once() {
    let observed = Observed::start(
        "CREATE TABLE goods (id int PRIMARY KEY, mood text); INSERT INTO goods VALUES (7, 'good')",
    );
    for (query, format) in [
        ("SELECT id, mood FROM goods WHERE id = 7", "tsv"),
        ("SELECT id, mood FROM goods WHERE id = 7", "json"),
        // Another text each time is nothing new.
        ("SELECT mood, id FROM goods WHERE id < 8 ORDER BY id", "tsv"),
        ("SHOW statement_timeout", "tsv"),
    ] {
        let ((text, failed), turns) =
            observed.turns_of(&json!({ "query": query, "format": format }));
        assert!(!failed && text.ends_with("-- 1 row of database noted"), "{text}");
        // BEGIN, a description, a row, its end, ROLLBACK, the answer of the call, and idle.
        let expected = [turn(Server, FLIGHT), turn(PostgreSql, "12C12TDC12CVZ")];
        assert_eq!(turns, expected, "{query} as {format}");
    }
}

#[test]
fn a_change_goes_to_postgresql_and_back_once() {
    let observed = Observed::start("CREATE TABLE goods (id int); GRANT INSERT ON goods TO agent");
    let ((text, failed), turns) =
        observed.turns_of(&json!({ "query": "INSERT INTO goods VALUES (1)" }));
    assert!(!failed && text == "-- INSERT: 1 row changed in database noted", "{text}");
    assert_eq!(turns, [turn(Server, FLIGHT), turn(PostgreSql, "12C12nC12CVZ")]);
}

#[test]
fn an_error_costs_one_more_round_trip_for_the_rollback() {
    // Fails on a row, not when it is planned.
    let observed = Observed::start("CREATE TABLE goods (id int); INSERT INTO goods VALUES (1)");
    let query = "SELECT 1 / (id - 1) FROM goods";
    let ((text, failed), turns) = observed.turns_of(&json!({ "query": query }));
    assert!(failed && text.starts_with("Error 22012"), "{text}");
    let expected = [
        turn(Server, FLIGHT),
        turn(PostgreSql, "12C12TE"),
        // Sync, for the server skips all up to one; then ROLLBACK and the end of every flight.
        turn(Server, "SPBEF"),
        turn(PostgreSql, "Z12CVZ"),
    ];
    assert_eq!(turns, expected);
}

#[test]
fn a_refused_statement_does_not_reach_postgresql() {
    let observed = Observed::start("");
    let ((text, failed), turns) = observed.turns_of(&json!({ "query": "COMMIT" }));
    assert!(failed, "{text}");
    assert_eq!(turns, []);
}
