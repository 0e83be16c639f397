//! `mcp-server demo`: everything that a newcomer needs, made for the occasion and gone with it.
//!
//! A PostgreSQL of its own with a small shop in it, a role that may only read, a token, and the
//! same server as always in front. Nothing of it is a special mode: what answers here is what
//! answers in production.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mcp_config::{Sources, load};
use mcp_identity::{Clock as _, PlainToken, SystemClock, SystemEntropy, TokenHash, TokenId};
use mcp_store::{TokenRecord, TokenStore as _};
use mcp_store_file::TokenFile;
use mcp_testdb::{Locate, Options, Postgres};

use crate::compose::{Start, serve_http};
use crate::fault::StartFault;

const SHOP: &str = include_str!("demo/shop.sql");

/// Where the demo listens unless something else already does.
const USUAL: &str = "127.0.0.1:8080";

/// Serves the demo until Ctrl-C.
pub(crate) async fn run(sources: Sources) -> Result<(), StartFault> {
    let environment = sources.environment.clone();
    // Held until the server has stopped: dropping it stops PostgreSQL and removes its files.
    let postgres = tokio::task::spawn_blocking(move || start_postgres(&environment))
        .await
        .map_err(StartFault::ours)??;
    let directory = tempfile::tempdir().map_err(StartFault::ours)?;
    let token_file = directory.path().join("mcp-server-tokens.yaml");
    let token = make_token(&token_file).await?;
    let sources = demo_sources(sources, &postgres, &token_file);
    let loaded = load(&sources)?;
    let on_ready = Box::new(move |address| print_banner(address, &token));
    serve_http(Start { sources, loaded, open_to_all: false, on_ready }).await
}

fn start_postgres(environment: &BTreeMap<String, String>) -> Result<Postgres, StartFault> {
    let locate = Locate {
        bin_dir: environment.get("PG_BINDIR").map(PathBuf::from),
        path: environment.get("PATH").map(OsString::from),
    };
    let hint = "install the PostgreSQL server (Debian: apt-get install postgresql), or run \
                `cargo xtask setup`; $PG_BINDIR names the directory of its programs";
    let refuse = |fault: mcp_testdb::Error| StartFault::mendable(fault, hint.to_owned());
    let user = rustix::process::geteuid().as_raw();
    let cache = std::env::temp_dir().join(format!("mcp-server-demo-{user}"));
    let postgres = Postgres::start(&locate, &cache, Options::default()).map_err(refuse)?;
    postgres.execute("postgres", "CREATE DATABASE shop").map_err(refuse)?;
    postgres.execute("shop", SHOP).map_err(refuse)?;
    Ok(postgres)
}

async fn make_token(file: &Path) -> Result<PlainToken, StartFault> {
    let token = PlainToken::generate(&SystemEntropy).map_err(StartFault::ours)?;
    let id = TokenId::parse("token-demo").map_err(StartFault::ours)?;
    let mut record = TokenRecord::new(id, TokenHash::of(&token), SystemClock.now());
    record.note = "Demo".into();
    TokenFile::open(file).insert(record).await.map_err(StartFault::ours)?;
    Ok(token)
}

/// What the command line and the environment said, with the demo's own parts on top. The
/// operator's configuration file stays out of it.
fn demo_sources(mut sources: Sources, postgres: &Postgres, token_file: &Path) -> Sources {
    sources.file = None;
    let listens = sources.flags.iter().any(|(key, _)| *key == "http.address");
    let mine = ["http.enabled", "http.auth.token_file", "http.auth.enabled"];
    sources.flags.retain(|(key, _)| !mine.contains(key) && !key.starts_with("databases"));
    let mut set = |key, value: String| sources.flags.push((key, value));
    set("http.enabled", "true".into());
    set("http.auth.enabled", "true".into());
    set("http.auth.token_file", token_file.to_string_lossy().into_owned());
    set("databases[0].host", postgres.socket_dir().to_string_lossy().into_owned());
    set("databases[0].port", postgres.port().to_string());
    set("databases[0].database", "shop".into());
    set("databases[0].user", "agent".into());
    if !listens {
        let free = std::net::TcpListener::bind(USUAL).is_ok();
        set("http.address", if free { USUAL.into() } else { "127.0.0.1:0".into() });
    }
    sources
}

fn print_banner(address: SocketAddr, token: &PlainToken) {
    let (url, token) = (format!("http://{address}/mcp/v1"), token.expose());
    let text = format!(
        r#"
A PostgreSQL with a small shop in it (customers, products, orders, order_items), read-only,
for as long as this runs.

URL:   {url}
Token: {token}

Ask it something:

curl -s {url} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"query_database","arguments":{{"query":"SELECT name, price FROM products ORDER BY price DESC LIMIT 5"}}}}}}'

Connect a client (Claude Code, Cursor, VS Code and others take this form):

{{
  "mcpServers": {{
    "shop": {{
      "type": "http",
      "url": "{url}",
      "headers": {{ "Authorization": "Bearer {token}" }}
    }}
  }}
}}

Ctrl-C ends it and removes everything.
"#
    );
    // The demo goes on without its reader; the log says where it listens.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
