//! Connections: accepted, encrypted, served, and ended when their time is over.
//!
//! One [`Server`] serves one [`Listener`]: HTTP/1.1 on clear text; over TLS whatever ALPN agrees
//! on, HTTP/1.1 or HTTP/2. Everything that a stranger can make us wait for has a deadline, and
//! everything that he can make us keep has a cap ([`Settings`]). A permit is taken before a
//! connection is accepted: beyond the cap, callers wait in the kernel's queue and cost nothing.
//!
//! The service above is any `tower` service. It finds the address of the caller as [`Peer`] in
//! the extensions of each request, and reads the body as [`RequestBody`].
//!
//! This crate knows no path, no credential and no file: a certificate comes as bytes, and
//! [`TlsIdentity::replace`] takes the next one while the server runs.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use mcp_listen::{DrainOutcome, Listener, RequestBody, Server, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let listener = Listener::bind("127.0.0.1:0".parse().unwrap())?;
//! let service = tower::service_fn(async |_: Request<RequestBody>| {
//!     Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from("hello")))
//! });
//! let shutdown = async {};
//! let outcome = Server::new(listener, Settings::default()).run(service, shutdown).await;
//! assert_eq!(outcome, DrainOutcome::Finished);
//! # Ok(()) }
//! ```

mod accept;
mod activity;
mod body;
mod connection;
mod drain;
mod listener;
mod patience;
mod server;
mod service;
mod settings;
mod streams;
mod tls;

pub use body::{BodyError, RequestBody};
pub use listener::Listener;
pub use server::{DrainOutcome, Server};
pub use service::Peer;
pub use settings::Settings;
pub use tls::{Pem, TlsError, TlsIdentity, TlsPair};
