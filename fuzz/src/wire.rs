//! The two ends of a wire that holds everything: what leaves is kept, and nobody waits.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use mcp_protocol::{BoxFuture, Gone, Part, Sink};
use serde_json::{Value, json};

/// What left before an answer was whole.
#[derive(Debug, Default)]
pub struct Heard {
    /// The parts of the answer, one after the other.
    pub answer: Vec<u8>,
    /// The messages that went before it.
    pub messages: Vec<Vec<u8>>,
}

/// A sink that takes everything at once and keeps it.
#[derive(Default)]
pub struct Collected(Mutex<Heard>);

impl Collected {
    /// What was heard since the last time.
    pub fn take(&self) -> Heard {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Collected {
    fn send(&self, part: Part) -> BoxFuture<'_, Result<(), Gone>> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match part {
            Part::Answer(bytes) => heard.answer.extend(bytes),
            Part::Message(message) if heard.answer.is_empty() => heard.messages.push(message),
            // Nothing goes between the parts of an answer: the transports drop it, too.
            Part::Message(_) | Part::LetGo => {}
        }
        Box::pin(async { Ok(()) })
    }

    fn carries_messages(&self) -> bool {
        true
    }
}

/// What a future has come to when it is polled once; `None`: it waits.
pub fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What a client of the modern era says with each request.
#[must_use]
pub fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":
            { "elicitation": {}, "sampling": {}, "roots": {} },
    })
}

/// A request of the modern era.
#[must_use]
pub fn modern(method: &str, mut params: Value) -> Vec<u8> {
    params["_meta"] = meta();
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    message.to_string().into_bytes()
}
