//! Servers that do not do what PostgreSQL does: each plays one script.

use mcp_connect::{ConnectError, Connection, SessionSettings, Transaction, WireError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use crate::support::{socket_target, sqlstate};

/// One message of a server.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

fn row(values: &[&[u8]]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend(*value);
    }
    message(b'D', &body)
}

fn command(tag: &str) -> Vec<u8> {
    message(b'C', format!("{tag}\0").as_bytes())
}

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

fn error(sqlstate: &str) -> Vec<u8> {
    message(b'E', format!("C{sqlstate}\0\0").as_bytes())
}

/// Parsed, bound.
fn accepted() -> Vec<u8> {
    [message(b'1', b""), message(b'2', b"")].concat()
}

/// Up to the words that end a handshake.
fn authenticated() -> Vec<u8> {
    [message(b'R', &[0; 4]), message(b'K', &[0; 8])].concat()
}

/// The answer to the first flight.
fn prepared() -> Vec<u8> {
    let facts = row(&[b"1", b"off", b"f", b"f", b"2892"]);
    [accepted(), facts, command("SELECT 1"), ready(b'I')].concat()
}

/// Up to the first message that is about the statement.
fn begun() -> Vec<u8> {
    [accepted(), command("BEGIN")].concat()
}

/// The end of a flight, with the answer to the call that gives locks back.
fn unlocked(status: u8) -> Vec<u8> {
    [message(b'V', &[0; 4]), ready(status)].concat()
}

/// The answer to a ROLLBACK in a flight of its own.
fn rolled_back() -> Vec<u8> {
    [accepted(), command("ROLLBACK"), unlocked(b'I')].concat()
}

/// A connection to a server that answers each flight with the next of these.
async fn scripted(answers: Vec<Vec<u8>>) -> Result<Connection, ConnectError> {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join(".s.PGSQL.5432")).unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 1 << 16];
        for answer in answers {
            assert!(client.read(&mut heard).await.unwrap() > 0, "it hung up");
            client.write_all(&answer).await.unwrap();
        }
        // Silent from here on.
        while client.read(&mut heard).await.is_ok_and(|count| count > 0) {}
    });
    Connection::connect(&socket_target(dir.path()), &SessionSettings::default()).await
}

/// What becomes of a statement whose flights are answered so.
async fn answered(answers: &[Vec<u8>]) -> (WireError, Connection) {
    let handshake = [authenticated(), ready(b'I')].concat();
    let script = [&[handshake, prepared()], answers].concat();
    let mut connection = scripted(script).await.unwrap();
    let error = match connection.start(Transaction::ReadOnly, "SELECT 1", &[]).await {
        Err(error) => error,
        Ok(running) => running.finish().await.unwrap_err(),
    };
    (error, connection)
}

#[tokio::test]
async fn a_server_that_says_more_than_a_handshake_is_dropped() {
    let notice = message(b'N', b"\0");
    let error = scripted(vec![[authenticated(), ready(b'I'), notice].concat()]).await.unwrap_err();
    assert!(matches!(error, ConnectError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_is_in_a_transaction_after_the_handshake_is_dropped() {
    let error = scripted(vec![[authenticated(), ready(b'T')].concat()]).await.unwrap_err();
    assert!(matches!(error, ConnectError::Protocol { .. }), "{error}");
}

#[tokio::test]
async fn a_transaction_that_is_open_at_the_end_makes_the_connection_unusable() {
    let done = [accepted(), message(b'n', b""), command("SET"), accepted()].concat();
    let (error, connection) =
        answered(&[[begun(), done, command("ROLLBACK"), unlocked(b'T')].concat()]).await;
    assert!(matches!(error, WireError::Protocol(_)), "{error}");
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_failed_rollback_makes_the_connection_unusable() {
    let (first, again) =
        ([begun(), error("22012")].concat(), [ready(b'E'), error("57014")].concat());
    let (error, connection) = answered(&[first, again]).await;
    assert_eq!(sqlstate(&error), "22012");
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_lock_that_is_not_given_back_makes_the_connection_unusable() {
    let done = [begun(), accepted(), message(b'n', b""), command("SET"), accepted()].concat();
    let refused = [done, command("ROLLBACK"), error("42501"), ready(b'I')].concat();
    let (error, connection) = answered(&[refused]).await;
    assert!(matches!(error, WireError::Protocol(_)), "{error}");
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_failed_begin_makes_the_connection_unusable() {
    let (error, connection) =
        answered(&[error("57014"), [ready(b'I'), rolled_back()].concat()]).await;
    assert_eq!(sqlstate(&error), "57014");
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn another_command_than_begin_or_rollback_makes_the_connection_unusable() {
    let column = b"\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
    let statement = [accepted(), message(b'T', column), command("SELECT 0"), accepted()].concat();
    let no_begin = [accepted(), command("SELECT 0")].concat();
    let no_rollback = [begun(), statement, command("SELECT 0"), unlocked(b'I')].concat();
    for answer in [no_begin, no_rollback] {
        let (error, connection) = answered(&[answer]).await;
        assert!(matches!(error, WireError::Protocol(_)), "{error}");
        assert!(!connection.is_usable());
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_make_the_connection_unusable() {
    let column = b"\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
    let described = [begun(), accepted(), message(b'T', column)].concat();
    for (name, tail) in [
        ("a length below its own", b"D\0\0\0\x03".to_vec()),
        ("a row with too many values", row(&[b"1", b"2"])),
        ("a value longer than its row", message(b'D', b"\0\x01\0\0\0\x09x")),
        ("a value of negative length", message(b'D', b"\0\x01\xff\xff\xff\xfe")),
        ("a row that goes on", message(b'D', b"\0\x01\0\0\0\x01xx")),
        ("a value that is not UTF-8", row(&[b"\xff"])),
        ("an unknown message", message(b'?', b"")),
        ("rows behind their end", [command("SELECT 1"), row(&[b"1"])].concat()),
        ("an early end", ready(b'I')),
    ] {
        let (error, connection) = answered(&[[described.clone(), tail].concat()]).await;
        assert!(matches!(error, WireError::Protocol(_)), "{name}: {error}");
        assert!(!connection.is_usable(), "{name}");
    }
    let endless = [described, b"D\x7f\xff\xff\xff".to_vec()].concat();
    let (error, connection) = answered(&[endless]).await;
    assert!(matches!(error, WireError::TooLarge { .. }), "{error}");
    assert!(!connection.is_usable());
}
