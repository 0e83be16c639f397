//! What was begun with a credential ends with it: answers on the way, event streams, statements.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Installation, Request};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use super::promptly;
use crate::served_folder::{Kind, hash_of, opens, put};

/// Nobody's statement ends by itself as long as the table is locked.
const CONFIG: &str = "    lock_timeout: 60s\n    statement_timeout: 60s\npasswords:\n  \
                      bcrypt_cost: 4\n  min_response_ms: 0\n";

/// A response that goes on and on.
struct Stream(TcpStream);

impl Stream {
    fn begin(to: SocketAddr, method: &str, headers: &[String], body: &str) -> Self {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (headers, length) = (headers.join("\r\n"), body.len());
        write!(
            stream,
            "{method} /mcp/v1 HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n\r\n{body}"
        )
        .unwrap();
        Self(stream)
    }

    /// Waits until it has begun.
    fn read_head(&mut self) {
        let head = self.read_until("\r\n\r\n");
        assert!(head.starts_with("http/1.1 200") && head.contains("text/event-stream"), "{head}");
    }

    /// The id of the next event.
    fn read_id(&mut self) -> String {
        let event = self.read_until("\n\n");
        let id = event.lines().find_map(|line| line.strip_prefix("id:"));
        id.unwrap_or_else(|| panic!("no id in {event}")).trim().to_owned()
    }

    /// In lower case.
    fn read_until(&mut self, end: &str) -> String {
        let (mut read, mut byte) = (Vec::new(), [0]);
        while !read.ends_with(end.as_bytes()) {
            self.0.read_exact(&mut byte).unwrap();
            read.push(byte[0]);
        }
        String::from_utf8(read).unwrap().to_ascii_lowercase()
    }

    /// Is there no more to come?
    fn has_ended(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let ended = loop {
            match self.0.read(&mut [0; 4096]) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        self.0.set_nonblocking(false).unwrap();
        ended
    }

    fn read_to_end(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// A client in the middle of things: it waits for a statement in its session, on two streams. The
/// second is what a client asks for that lost the first.
struct Holder {
    name: &'static str,
    credential: String,
    headers: Vec<String>,
    answer: Stream,
    resumed: Option<Stream>,
}

impl Holder {
    fn begin(to: SocketAddr, kind: Kind, name: &'static str) -> Self {
        let credential = kind.in_use(to, name);
        let session = session(to, &credential);
        let headers = vec![
            format!("Authorization: Bearer {credential}"),
            format!("Mcp-Session-Id: {session}"),
            "MCP-Protocol-Version: 2025-11-25".to_owned(),
            "Accept: application/json, text/event-stream".to_owned(),
        ];
        let arguments = json!({ "query": "SELECT count(*) AS rows_of_t FROM t" });
        let params = json!({ "name": "query_database", "arguments": arguments });
        let call = message("tools/call", &params).to_string();
        let answer = Stream::begin(to, "POST", &headers, &call);
        Self { name, credential, headers, answer, resumed: None }
    }

    /// Waits until the answer has become a stream, and asks for it once more.
    fn resume(&mut self, to: SocketAddr) {
        self.answer.read_head();
        let last = format!("Last-Event-ID: {}", self.answer.read_id());
        let headers = [&self.headers[..], &[last]].concat();
        let mut resumed = Stream::begin(to, "GET", &headers, "");
        resumed.read_head();
        self.resumed = Some(resumed);
    }

    fn streams(&mut self) -> impl Iterator<Item = &mut Stream> {
        [&mut self.answer].into_iter().chain(&mut self.resumed)
    }

    fn has_lost_everything(&mut self) -> bool {
        self.streams().all(Stream::has_ended)
    }

    fn has_lost_nothing(&mut self) -> bool {
        !self.streams().any(Stream::has_ended)
    }
}

fn message(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// Opens a protocol session.
fn session(to: SocketAddr, credential: &str) -> String {
    let client = json!({ "name": "holder", "version": "1" });
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client,
    });
    let opened = Request::mcp(&message("initialize", &params)).bearer(credential).send(to);
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let request = Request::mcp(&initialized).bearer(credential).header("Mcp-Session-Id", &id);
    assert_eq!(request.send(to).status, 202);
    id
}

/// Locks the table for as long as the value lives: a statement that waits costs nobody a core.
fn lock_the_table(installation: &Installation) -> (Runtime, Client) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let dsn = installation.postgres().dsn("shop");
        let (client, connection) = tokio_postgres::connect(&dsn, NoTls).await.unwrap();
        tokio::spawn(connection);
        for statement in ["BEGIN", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE"] {
            client.execute(statement, &[]).await.unwrap();
        }
        client
    });
    (runtime, client)
}

/// How many statements of the server run in PostgreSQL.
fn at_work(installation: &Installation) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
               AND application_name LIKE 'mcp-server/%'";
    installation.postgres().execute("postgres", sql).unwrap().trim().parse().unwrap()
}

/// The file in which one name is gone, one is no longer let in, one has fewer rights, and one is
/// as it was.
fn after(kind: Kind) -> String {
    let changed = match kind {
        Kind::Tokens => kind.entry("changed").replace(&hash_of("changed"), &hash_of("another")),
        Kind::Users => kind.entry("changed").replace("enabled: true", "enabled: false"),
    };
    let restricted = match kind {
        Kind::Tokens => "    tools: []\n",
        Kind::Users => "    databases: []\n",
    };
    kind.text(&["restricted"]) + restricted + &changed + &kind.entry("untouched")
}

fn who_loses_a_credential_loses_what_hangs_on_it(kind: Kind) {
    let names = ["removed", "changed", "restricted", "untouched"];
    let installation = Installation::new("CREATE TABLE t (id int)");
    installation.write_config_with_users("", CONFIG);
    let file = installation.path().join(kind.file());
    put(&file, &kind.text(&names));
    let server = installation.start();
    let to = server.address();
    let lock = lock_the_table(&installation);
    let mut holders = names.map(|name| Holder::begin(to, kind, name));
    for holder in &mut holders {
        holder.resume(to);
    }
    assert_eq!(at_work(&installation), names.len());

    put(&file, &after(kind));
    for holder in &mut holders[..3] {
        assert!(promptly(|| holder.has_lost_everything()), "{} {}", holder.name, server.log());
    }
    assert!(promptly(|| at_work(&installation) == 1), "{}", server.log());
    assert!(holders[3].has_lost_nothing());
    let good = holders.each_ref().map(|holder| opens(to, &holder.credential));
    assert_eq!(good, [false, false, true, true]);

    drop(lock);
    assert!(holders[3].answer.read_to_end().contains("rows_of_t"), "{}", server.log());
}

#[test]
fn who_loses_a_token_loses_what_hangs_on_it() {
    who_loses_a_credential_loses_what_hangs_on_it(Kind::Tokens);
}

#[test]
fn who_loses_an_account_loses_what_hangs_on_it() {
    who_loses_a_credential_loses_what_hangs_on_it(Kind::Users);
}
