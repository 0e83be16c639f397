//! The numbers.

use std::num::NonZeroUsize;
use std::time::Duration;

/// How long and how much. Each is a bound on what a stranger can cost.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections at a time, those in their handshake included. Others wait in the kernel.
    pub max_connections: NonZeroUsize,
    /// From the accept to the first byte, of a request or of the TLS handshake.
    pub first_byte_timeout: Duration,
    /// From the first byte of a request to the end of its header block, and for the whole TLS
    /// handshake.
    pub header_timeout: Duration,
    /// For the whole body of a request, counted from the first time that it is waited for. A
    /// pause between two pieces is no longer than that either.
    pub body_timeout: Duration,
    /// How long a connection is kept open without a request, and how long a peer may refuse to
    /// take what is sent to it.
    pub idle_timeout: Duration,
    /// How long requests may still run once shutdown has begun.
    pub drain_timeout: Duration,
    /// Bytes of one request's header block, request line included. More is answered 431.
    pub max_header_bytes: NonZeroUsize,
}

impl Default for Settings {
    /// 1,024 connections; 10 s to the first byte, 10 s for headers, 30 s for the body, 120 s
    /// idle, 30 s to drain; 16 KiB of headers.
    fn default() -> Self {
        Self {
            max_connections: NonZeroUsize::MIN.saturating_add(1023),
            first_byte_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(2),
            drain_timeout: Duration::from_secs(30),
            max_header_bytes: NonZeroUsize::MIN.saturating_add(16 * 1024 - 1),
        }
    }
}
