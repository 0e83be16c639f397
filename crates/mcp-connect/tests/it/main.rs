//! What a connection promises, on the installed PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod connecting;
mod dsn;
mod oddities;
mod support;
mod tls;
mod wire;
