//! JSON-RPC 2.0 and the Model Context Protocol, without input or output.
//!
//! Bytes of one message come in, bytes of its answer go out; who carries them (HTTP, stdio) is
//! somebody else's concern, and so is who may call: the caller type `P` is whatever the
//! embedder's tools want to see. A message is parsed once, its parameters stay borrowed, and the
//! same dispatch serves both eras of the protocol:
//!
//! - *legacy* revisions (2024-11-05 … 2025-11-25) begin with an `initialize` handshake;
//! - the *modern* revision (2026-07-28) says everything on each request, in `params._meta`.
//!
//! [`Server::handle`] is the main door; a [`Tool`] is what an embedder writes. A tool's text is
//! escaped into the answer as it is produced: a million rows never lie in memory twice, nor once.

mod batch;
mod error;
mod message;
mod modern;
mod output;
mod params;
mod revision;
mod server;
mod strict;
mod tool;

pub use error::{Code, RpcError};
pub use message::{Incoming, Request, parse};
pub use modern::{RoutingHeaders, decode_header};
pub use output::{Gone, Output, Sink};
pub use revision::{Era, Revision};
pub use server::{Exchange, Implementation, Reply, Server, ServerBuilder, Status};
pub use tool::{
    Annotations, BoxFuture, TextOutput, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolResult,
};
