//! How often a statement goes to PostgreSQL and back: counted on the wire between the two, message
//! by message, behind a server that authenticates, limits and records.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use support::Sender::{PostgreSql, Server};
use support::{Installation, Journal, Request, Sender, ServerProcess, Turn, query};

use crate::postgres_store::{PASSWORD, QUICK, by_hand, closes, opens, session};

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

/// What a server does beside its logins: what it reads again after them, and what it records.
const BESIDE: &[&str] = &["WITH wanted", "mcp_write_events"];

/// What a connection is asked that is new, and one that listens from time to time.
const OF_CONNECTIONS: &[&str] = &["set_config($1, $2, false)", "pg_is_in_recovery", "SELECT 1"];

/// A server with its accounts in PostgreSQL, by the way that notes, and Alice.
fn keeper_of_people() -> (Installation, ServerProcess, Arc<Journal>) {
    let installation = Installation::new("");
    let postgres = installation.postgres();
    postgres.execute("postgres", "CREATE ROLE keeper LOGIN").unwrap();
    postgres.execute("postgres", "CREATE DATABASE people").unwrap();
    postgres.execute("people", "GRANT USAGE, CREATE ON SCHEMA public TO keeper").unwrap();
    let socket = postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.port()));
    let (port, journal) = Journal::before(socket);
    let dsn = format!("postgresql://keeper@127.0.0.1:{port}/people?sslmode=disable");
    installation.write_config(&format!("{QUICK}users:\n  database_dsn: \"{dsn}\"\n"));
    installation.add_user("alice", PASSWORD);
    by_hand(&installation, "UPDATE users SET email = 'alice@example.com'");
    let server = installation.start();
    // What it hears of, it has read what was there before.
    server.wait_for_line("Hearing of changes from other servers");
    let first = session(server.address(), "alice", PASSWORD);
    by_hand(&installation, "DELETE FROM user_sessions");
    assert!(closes(server.address(), &first));
    (installation, server, journal)
}

#[test]
fn a_login_waits_for_two_round_trips_to_the_user_store() {
    let (installation, server, journal) = keeper_of_people();
    let to = server.address();
    for (name, password, last) in [
        ("alice", PASSWORD, "mcp_open_attempt"),
        ("alice@example.com", PASSWORD, "mcp_open_attempt"),
        ("ALICE", "wrong", "mcp_fail_attempt"),
        ("Alice@Example.com", "wrong", "mcp_fail_attempt"),
        ("nobody", "wrong", "mcp_fail_attempt"),
        ("nobody@example.com", "wrong", "mcp_fail_attempt"),
    ] {
        // Whatever waited for these would wait for ever.
        journal.hold(BESIDE);
        let _ = journal.take_all();
        let answer = log_in(to, name, password);
        let (mut statements, _) = journal.take_all();
        // What was held up before may go on just now.
        let is_beside =
            |text: &str| [BESIDE, OF_CONNECTIONS].concat().iter().any(|it| text.contains(it));
        statements.retain(|statement| !is_beside(statement));
        assert_eq!(statements.len(), 2, "{name}: {statements:#?}");
        assert!(statements[0].contains("mcp_begin_attempt"), "{name}: {statements:#?}");
        assert!(statements[1].contains(last), "{name}: {statements:#?}");
        assert_eq!(answer.is_some(), password == PASSWORD, "{name}");
        if let Some(token) = &answer {
            assert!(opens(to, token), "it is in force when it is told");
        }
        journal.hold(&[]);
        if let Some(token) = &answer {
            // What was held up has gone on then.
            by_hand(&installation, "DELETE FROM user_sessions");
            assert!(closes(to, token));
        }
    }
}

/// The token of a session, if one was opened.
fn log_in(to: SocketAddr, name: &str, password: &str) -> Option<String> {
    let arguments = json!({ "username": name, "password": password });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = Request::mcp(&message).send(to).json();
    let text = answer["result"]["content"][0]["text"].as_str()?;
    let said: Value = serde_json::from_str(text).ok()?;
    said["session_token"].as_str().map(str::to_owned)
}
