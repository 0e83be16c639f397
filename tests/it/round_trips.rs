//! How often a statement goes to PostgreSQL and back: counted on the wire between the two, message
//! by message, behind a server that authenticates, limits and records.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use support::Sender::{PostgreSql, Server};
use support::{Installation, Journal, Sender, ServerProcess, Turn, query};

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
        let port = installation.postgres().port();
        let socket = installation.postgres().socket_dir().join(format!(".s.PGSQL.{port}"));
        let (port, journal) = Journal::before(socket);
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
