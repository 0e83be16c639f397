//! A web service of axum behind API tokens: `axum_service TOKEN_FILE`.

use std::error::Error;
use std::future::pending;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::{Router, http::Extensions, routing::get};
use mcp_auth::Auth;
use mcp_auth_http::{AuthLayer, Authenticated, ClientAddressLayer, RequestIdLayer, TrustedProxies};
use mcp_identity::{SystemClock, SystemEntropy};
use mcp_store_file::TokenFile;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tokens = Arc::new(TokenFile::open(std::env::args().nth(1).ok_or("which token file?")?));
    let (watch, clock) = (tokens.watch()?, Arc::new(SystemClock));
    let (auth, keeper) = Auth::open(tokens, clock.clone()).await?;
    tokio::spawn(watch.run(pending()));
    tokio::spawn(keeper.run(pending()));
    let client = ClientAddressLayer::new(TrustedProxies::none()).peer_from(peer);
    let app = Router::new()
        .route("/", get(async |who: Authenticated| format!("{}\n", who.id)))
        // Never answers, but is cut when its token is revoked.
        .route("/wait", get(async |_: Authenticated| pending::<()>().await))
        // Each wraps those before it.
        .layer(AuthLayer::new(Arc::new(auth), clock))
        .layer(client)
        .layer(RequestIdLayer::new(Arc::new(SystemEntropy)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stderr(), "Listening on http://{}", listener.local_addr()?)?;
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}

/// Where axum says who is at the other end of the connection.
fn peer(request: &Extensions) -> Option<IpAddr> {
    request.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
}
