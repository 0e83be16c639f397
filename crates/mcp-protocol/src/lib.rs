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
mod change;
mod client;
mod completion;
mod content;
mod context;
mod conversation;
mod error;
mod headers;
mod message;
mod modern;
mod output;
mod page;
mod params;
mod prompt;
mod question;
mod request_state;
mod resource;
mod revision;
mod server;
mod strict;
mod tool;
mod uri_template;

pub use change::{Announcer, Change};
pub use client::{Capability, ClientCapabilities, Handshake, LogLevel};
pub use completion::{Completion, CompletionCall};
pub use content::{Content, Icon, ResourceBody, ResourceContents};
pub use context::Context;
pub use conversation::Conversation;
pub use error::{Code, HoldOff, RpcError};
pub use headers::{Found, ParameterHeaders, RoutingHeaders, decode_header};
pub use message::{Incoming, Request, Response, parse};
pub use output::{Gone, Output, Part, Sink};
pub use prompt::{
    Failure, Prompt, PromptArgument, PromptCall, PromptDescriptor, PromptMessage, PromptResult,
    Role,
};
pub use question::{Answers, Interruption, Question};
pub use request_state::{RequestStates, Surroundings};
pub use resource::{ReadCall, Resource, ResourceDescriptor, ResourceTemplate};
pub use revision::{Era, Revision};
pub use server::{Exchange, Feed, Implementation, Reply, Server, ServerBuilder, Status};
pub use tool::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
pub use uri_template::UriTemplate;
