//! A server that offers every feature of the protocol, and no database: what the protocol's own
//! conformance suite and other people's clients are tried on.
//!
//! It is also the shortest example of how to write tools, prompts and resources with
//! `mcp-protocol`: begin in `offer.rs`, then `contents.rs` and `asking.rs`. In front of them
//! stands what stands in front of the product.

mod arguments;
mod asking;
mod conduct;
mod contents;
mod door;
mod forms;
mod media;
mod offer;
mod prompts;
mod resources;
mod simple;
mod stack;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use http::Response;
use mcp_auth_http::denial;
use mcp_identity::{Denial, Principal, SystemClock, SystemEntropy};
use mcp_listen::{Listener, Settings};
use mcp_protocol::Server;
use mcp_transport::{
    HttpSettings, McpService, ResponseBody, SessionSettings, Sessions, request_states, serve_stdio,
};
use tokio::io::{BufReader, stdin, stdout};
use tokio::signal::unix::{SignalKind, signal};

use crate::door::Door;
use crate::stack::{PATH, stack};

/// Offers every feature of the Model Context Protocol, for clients to try.
#[derive(Parser)]
struct Cli {
    /// Where to listen; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Lets in who has a token of this file. Without it: everybody.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Serves standard input and output instead.
    #[arg(long, conflicts_with_all = ["listen", "token_file"])]
    stdio: bool,
}

/// The largest message, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let states = request_states(Arc::new(SystemClock), Arc::new(SystemEntropy));
    let server = offer::server(states.ok_or("nothing random can be had")?);
    if cli.stdio {
        let (principal, _end) = Principal::local();
        Ok(serve_stdio(&server, &principal, BufReader::new(stdin()), stdout()).await?)
    } else {
        serve_http(&cli, server).await
    }
}

async fn serve_http(cli: &Cli, server: Server<Principal>) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(cli.listen)?;
    let address = listener.local_addr()?;
    let door = Door::open(cli.token_file.as_deref()).await?;
    let (sessions, session_keeper) = Sessions::new(Arc::new(server), SessionSettings::default());
    let settings = HttpSettings { max_body_bytes: MAX_BODY_BYTES };
    let mcp = McpService::new(sessions, settings, needs_credential);
    let serving = mcp_listen::Server::new(listener, Settings::default())
        .run(stack(mcp, door.judge), told_to_stop()?);
    // Both at once: a stream that waits for changes would keep the listener from its end.
    let keeping = session_keeper.run(told_to_stop()?);
    let serving = async { tokio::join!(serving, keeping) };
    writeln!(io::stdout(), "listening on http://{address}{PATH}")?;
    tokio::select! {
        _ = serving => Ok(()),
        () = door.keeping => Err("nobody keeps the door any more".into()),
    }
}

/// Waits for SIGTERM or SIGINT, from now on: one that comes before the first poll counts too.
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The same answer that a bad credential gets, but for the challenge.
fn needs_credential() -> Response<ResponseBody> {
    denial::respond(Denial::NoCredential, denial::body)
}
