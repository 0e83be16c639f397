//! MCP over Streamable HTTP and over stdio: the same dispatch behind two wires.
//!
//! [`McpService`] answers requests that some layer in front has already authenticated: it finds
//! the `Arc<Principal>` in the request's extensions, or answers a stranger with what the binary
//! handed in. [`serve_stdio`] speaks to the one local caller.
//!
//! An answer is one HTTP body: whole when it is small, streamed as it grows when it is not, and
//! an event stream when messages go before it. It is worked on only while somebody reads it; in a
//! session it goes on for a while without its client. Either way it stops when the lease of its
//! principal ends.

mod body;
mod event;
mod event_log;
mod feed;
mod http;
mod job;
mod request_headers;
mod request_states;
mod session;
mod sessions;
mod slot;
mod stdio;

pub use body::{BodyError, ResponseBody};
pub use http::{HttpSettings, McpService, Threshold};
pub use request_states::request_states;
pub use sessions::{SessionKeeper, SessionSettings, Sessions};
pub use stdio::serve_stdio;
