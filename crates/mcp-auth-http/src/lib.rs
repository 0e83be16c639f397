//! Tower layers that stand in front of any handler and know who calls.
//!
//! | layer | what it puts into the request's extensions | what it answers itself |
//! |---|---|---|
//! | [`RequestIdLayer`] | [`RequestId`] | 500, when there is no randomness |
//! | [`ClientAddressLayer`] | [`Caller`] | 500, when the server said no [`PeerAddress`] |
//! | [`HostOriginLayer`] | | 400, 403, and the preflight of an allowed origin |
//! | [`AuthLayer`] | `Arc<`[`Principal`]`>`, where a token was good | 401 to a bad one, 429 to too many |
//! | [`RequireAuthLayer`] | | 401 to a stranger |
//!
//! They stand in this order, the first outermost; each says why where it is defined. They work
//! with every body that can be made from [`Bytes`]: axum's, or `http_body_util::Full`. With the
//! feature `axum`, a handler of axum takes the principal as an argument: `Authenticated`.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use mcp_auth::Auth;
//! use mcp_auth_http::{
//!     AuthLayer, ClientAddressLayer, HostOriginLayer, HostOriginSettings, PeerAddress,
//!     RequestIdLayer, RequireAuthLayer, TrustedProxies,
//! };
//! use mcp_identity::{Principal, SystemClock, SystemEntropy};
//! use mcp_store::MemoryTokens;
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let clock = Arc::new(SystemClock);
//! let (auth, keeper) = Auth::open(Arc::new(MemoryTokens::new()), clock.clone()).await?;
//! let keeping = tokio::spawn(keeper.run(std::future::pending()));
//!
//! let service = ServiceBuilder::new()
//!     .layer(RequestIdLayer::new(Arc::new(SystemEntropy)))
//!     .layer(ClientAddressLayer::new(TrustedProxies::none()))
//!     .layer(HostOriginLayer::new(HostOriginSettings::loopback()))
//!     .layer(AuthLayer::new(Arc::new(auth), clock))
//!     .layer(RequireAuthLayer::new())
//!     .service(service_fn(async |request: Request<()>| {
//!         // No handler asks whether somebody is there: the layers let nobody else through.
//!         let principal = request.extensions().get::<Arc<Principal>>().cloned();
//!         let text = principal.map(|found| found.id.to_string()).unwrap_or_default();
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text))))
//!     }));
//!
//! let request = Request::post("/")
//!     .header("host", "localhost:8080")
//!     .extension(PeerAddress(Ipv4Addr::LOCALHOST.into()))
//!     .body(())?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! # drop(keeping);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Bytes`]: bytes::Bytes
//! [`Caller`]: mcp_identity::Caller
//! [`Principal`]: mcp_identity::Principal
//! [`RequestId`]: mcp_identity::RequestId

#![warn(missing_docs)]

mod answer;
mod authenticate;
#[cfg(feature = "axum")]
mod axum;
mod client_address;
pub mod denial;
mod host_origin;
mod leased_body;
mod request_id;
mod require_auth;

pub use answer::MaybeAnswered;
pub use authenticate::{AuthFuture, AuthLayer, AuthService};
#[cfg(feature = "axum")]
pub use axum::{Authenticated, NotAuthenticated};
pub use client_address::{
    AddressRange, AddressRangeError, ClientAddressLayer, ClientAddressService, PeerAddress,
    TrustedProxies,
};
pub use denial::RenderBody;
pub use host_origin::{
    AllowedHost, AllowedOrigin, HostOriginFuture, HostOriginLayer, HostOriginService,
    HostOriginSettings, PatternError,
};
pub use leased_body::{LeasedBody, LeasedBodyError};
pub use request_id::{RequestIdFuture, RequestIdLayer, RequestIdService, X_REQUEST_ID};
pub use require_auth::{RequireAuthLayer, RequireAuthService};
