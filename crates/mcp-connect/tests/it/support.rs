//! Connections to a throwaway server, and a proxy that listens in.

use std::path::Path;
use std::sync::{Arc, Mutex};

use mcp_connect::{Connection, SessionSettings, Target, Transaction, WireError};
use mcp_testdb::{Options, Postgres, Tcp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

pub(crate) const PASSWORD: &str = "correct horse/battery@staple";

/// A server on its socket, and the first connection to it.
pub(crate) async fn connected() -> (Postgres, Connection) {
    let server = Postgres::for_tests().unwrap();
    let connection = connect(&server).await;
    (server, connection)
}

pub(crate) async fn connect(server: &Postgres) -> Connection {
    connect_with(server, &SessionSettings::default()).await
}

pub(crate) async fn connect_with(server: &Postgres, session: &SessionSettings) -> Connection {
    let target = Target::parse(&server.dsn("postgres")).unwrap();
    Connection::connect(&target, session).await.unwrap()
}

/// A server that also listens on TCP and wants [`PASSWORD`] there.
pub(crate) fn tcp_server() -> Postgres {
    let tcp = Tcp { password: PASSWORD.to_owned(), tls: None };
    Postgres::for_tests_with(Options { tcp: Some(tcp), settings: Vec::new() }).unwrap()
}

/// The superuser at 127.0.0.1, with the right password and no TLS.
pub(crate) fn tcp_target(server: &Postgres) -> Target {
    Target::builder()
        .set("host", "127.0.0.1")
        .and_then(|builder| builder.set("port", &server.port().to_string()))
        .and_then(|builder| builder.set("user", "postgres"))
        .and_then(|builder| builder.set("password", PASSWORD))
        .and_then(|builder| builder.set("sslmode", "disable"))
        .and_then(mcp_connect::TargetBuilder::build)
        .unwrap()
}

/// Everything that a read returns, NULL as `∅`.
pub(crate) async fn rows(
    connection: &mut Connection,
    sql: &str,
) -> Result<Vec<Vec<String>>, WireError> {
    run(connection, Transaction::ReadOnly, sql, &[]).await
}

pub(crate) async fn run(
    connection: &mut Connection,
    transaction: Transaction,
    sql: &str,
    params: &[Option<&str>],
) -> Result<Vec<Vec<String>>, WireError> {
    let mut running = connection.start(transaction, sql, params).await?;
    let mut rows = Vec::new();
    while let Some(row) = running.next().await? {
        rows.push(row.iter().map(|value| value.unwrap_or("∅").to_owned()).collect());
    }
    running.finish().await?;
    Ok(rows)
}

/// The one value of a read.
pub(crate) async fn value(connection: &mut Connection, sql: &str) -> String {
    rows(connection, sql).await.unwrap().remove(0).remove(0)
}

/// What becomes of a statement that is cancelled while it runs.
pub(crate) async fn cancelled(server: &Postgres, connection: &mut Connection) -> WireError {
    let handle = connection.cancel_handle();
    let pid = connection.backend_pid();
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND wait_event = 'PgSleep'"
    );
    let cancel = async {
        // A request that comes before its statement would be for nothing.
        while server.execute("postgres", &asleep).unwrap() == "0\n" {}
        handle.cancel().await
    };
    let (outcome, cancelled) = tokio::join!(rows(connection, "SELECT pg_sleep(60)"), cancel);
    cancelled.unwrap();
    outcome.unwrap_err()
}

pub(crate) fn sqlstate(error: &WireError) -> &str {
    match error {
        WireError::Database(error) => &error.sqlstate,
        other => panic!("not an error of the database: {other}"),
    }
}

/// Stands between a connection and its server, and keeps what the connection writes: one entry
/// for each time that it speaks, however many writes the kernel made of it in between answers.
pub(crate) struct Proxy {
    pub(crate) dir: tempfile::TempDir,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Proxy {
    /// Must be called inside a runtime; takes one connection.
    pub(crate) fn new(server: &Postgres) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join(".s.PGSQL.5432")).unwrap();
        let said: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let upstream = server.socket_dir().join(format!(".s.PGSQL.{}", server.port()));
        tokio::spawn(relay(listener, upstream, Arc::clone(&said)));
        Self { dir, said }
    }

    pub(crate) fn target(&self) -> Target {
        socket_target(self.dir.path())
    }

    /// What was said since the last call.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.said.lock().unwrap())
    }
}

async fn relay(
    listener: UnixListener,
    upstream: std::path::PathBuf,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
) {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut server = UnixStream::connect(upstream).await.unwrap();
    let (mut from_client, mut from_server) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        tokio::select! {
            count = client.read(&mut from_client) => {
                let bytes = &from_client[..count.unwrap()];
                if bytes.is_empty() { return }
                said.lock().unwrap().push(bytes.to_vec());
                server.write_all(bytes).await.unwrap();
            }
            count = server.read(&mut from_server) => {
                let bytes = &from_server[..count.unwrap()];
                if bytes.is_empty() { return }
                client.write_all(bytes).await.unwrap();
            }
        }
    }
}

/// The tags of the messages in a flight.
pub(crate) fn tags(flight: &[u8]) -> String {
    let mut tags = String::new();
    let mut rest = flight;
    while let [tag, a, b, c, d, ..] = *rest {
        tags.push(char::from(tag));
        rest = &rest[1 + usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap()..];
    }
    tags
}

/// The socket `.s.PGSQL.5432` in a directory.
pub(crate) fn socket_target(dir: &Path) -> Target {
    Target::builder()
        .set("host", dir.to_str().unwrap())
        .and_then(|builder| builder.set("user", "postgres"))
        .and_then(mcp_connect::TargetBuilder::build)
        .unwrap()
}
