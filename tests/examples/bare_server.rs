//! The yardstick of `cargo xtask bench`: the least that a Rust service could do for the same
//! answers. hyper, deadpool-postgres and nothing else: a token looked up by digest, one JSON parse,
//! `BEGIN READ ONLY`, the statement and `COMMIT` pipelined on tokio-postgres, the same bytes out.
//!
//! The statement is an agent's: a new text each time, so it is not prepared ahead. `ordinary` runs
//! it as services do, by `Client::query`; `typed` by `Client::query_typed`, which saves a round trip
//! and must not be used for SQL that one does not know (it can hang on an enum column). `alone` and
//! `alone-typed` are the same without any transaction.
//!
//! Usage: `bare_server TOKEN DSN LIST_FILE WAY`; prints the address that it listens on.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_postgres::types::Type;
use tokio_postgres::{Config, NoTls, Row};

type Fault = Box<dyn std::error::Error + Send + Sync>;

struct Shared {
    tokens: HashSet<[u8; 32]>,
    pool: Pool,
    list: Vec<u8>,
    way: Way,
}

/// How a statement is run.
struct Way {
    typed: bool,
    in_transaction: bool,
}

impl Way {
    fn parse(word: &str) -> Option<Self> {
        let (typed, in_transaction) = match word {
            "ordinary" => (false, true),
            "typed" => (true, true),
            "alone" => (false, false),
            "alone-typed" => (true, false),
            _ => return None,
        };
        Some(Self { typed, in_transaction })
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    method: &'a str,
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    query: &'a str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [token, dsn, list, way] = arguments.as_slice() else { return Err("four arguments".into()) };
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(dsn.parse::<Config>()?, NoTls, manager);
    let pool = Pool::builder(manager).max_size(4).runtime(Runtime::Tokio1).build()?;
    let list = std::fs::read(list)?;
    let way = Way::parse(way).ok_or("no such way")?;
    let tokens = [Sha256::digest(token).into()].into();
    let shared = Arc::new(Shared { tokens, pool, list, way });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&shared), request));
            let http = hyper::server::conn::http1::Builder::new();
            drop(http.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let authorization = request.headers().get("authorization");
    let token = authorization.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let known = token.is_some_and(|token| shared.tokens.contains(&*Sha256::digest(token)));
    if !known {
        return Ok(respond(StatusCode::UNAUTHORIZED, br#"{"error":"Unauthorized"}"#.to_vec()));
    }
    let Ok(body) = request.into_body().collect().await else {
        return Ok(respond(StatusCode::BAD_REQUEST, Vec::new()));
    };
    let body = body.to_bytes();
    let Ok(message) = serde_json::from_slice::<Message<'_>>(&body) else {
        return Ok(respond(StatusCode::BAD_REQUEST, Vec::new()));
    };
    let arguments = message.params.and_then(|params| params.arguments);
    let answer = match (message.method, arguments) {
        ("tools/list", _) => shared.list.clone(),
        (_, Some(arguments)) => match query(&shared, arguments.query, message.id).await {
            Ok(answer) => answer,
            Err(fault) => fault.to_string().into_bytes(),
        },
        _ => Vec::new(),
    };
    Ok(respond(StatusCode::OK, answer))
}

async fn query(shared: &Shared, sql: &str, id: &RawValue) -> Result<Vec<u8>, Fault> {
    let client = shared.pool.get().await?;
    let rows = if shared.way.in_transaction {
        in_transaction(&client, &shared.way, sql).await?
    } else {
        run(&client, &shared.way, sql).await?
    };
    let text = render(&rows);
    let count = rows.len();
    let s = if count == 1 { "" } else { "s" };
    Ok(format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}\n-- {count} row{s} of database shop"}}],"isError":false}}}}"#
    )
    .into_bytes())
}

/// The statement between its transaction commands, all three on their way at once.
async fn in_transaction(client: &Client, way: &Way, sql: &str) -> Result<Vec<Row>, Fault> {
    let opening = client.prepare_cached("BEGIN READ ONLY").await?;
    let closing = client.prepare_cached("COMMIT").await?;
    let (begun, rows, committed) = tokio::join!(
        client.execute(&opening, &[]),
        run(client, way, sql),
        client.execute(&closing, &[])
    );
    begun?;
    committed?;
    rows
}

async fn run(client: &Client, way: &Way, sql: &str) -> Result<Vec<Row>, Fault> {
    let rows =
        if way.typed { client.query_typed(sql, &[]).await } else { client.query(sql, &[]).await };
    Ok(rows?)
}

/// As text with a header: numbers, and words without a character that would have to be escaped.
fn render(rows: &[Row]) -> String {
    let mut text = String::new();
    for (place, column) in rows.first().map(Row::columns).unwrap_or_default().iter().enumerate() {
        text.push_str(if place > 0 { "\\t" } else { "" });
        text.push_str(column.name());
    }
    for row in rows {
        text.push_str("\\n");
        for (place, column) in row.columns().iter().enumerate() {
            text.push_str(if place > 0 { "\\t" } else { "" });
            match *column.type_() {
                Type::INT4 => text.push_str(&row.get::<_, i32>(place).to_string()),
                _ => text.push_str(row.get(place)),
            }
        }
    }
    text
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    response
}
