//! The server as its callers meet it: real sockets, raw bytes, real handshakes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set up has failed"
)]

mod deadlines;
mod drain;
mod encryption;
mod requests;
mod support;
