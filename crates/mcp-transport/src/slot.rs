//! Where one part of an answer lies between the work that made it and the body that carries it.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use mcp_protocol::{BoxFuture, Gone, Part, Sink};

/// Room for one part. The work and the body are polled by the same task, one after the other, so
/// nobody needs to be woken: whoever takes the part polls the work next.
#[derive(Default)]
pub(crate) struct Slot {
    lying: Mutex<Lying>,
    /// The client takes an event stream.
    takes_events: bool,
}

#[derive(Default)]
struct Lying {
    part: Option<Part>,
    /// A part of the answer was here: from now on nothing can go before it.
    answering: bool,
}

impl Slot {
    pub(crate) fn new(takes_events: bool) -> Self {
        Self { takes_events, ..Self::default() }
    }

    /// Whether the client takes an event stream.
    pub(crate) fn takes_events(&self) -> bool {
        self.takes_events
    }

    /// Takes the part that lies here, if one does.
    pub(crate) fn take(&self) -> Option<Part> {
        self.lock().part.take()
    }

    fn lock(&self) -> MutexGuard<'_, Lying> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the part down if there is room for it; gives it back if there is none.
    fn put(&self, part: Part) -> Option<Part> {
        let mut lying = self.lock();
        let is_answer = matches!(part, Part::Answer(_));
        if !is_answer && (lying.answering || !self.takes_events) {
            return None;
        }
        if lying.part.is_some() {
            return Some(part);
        }
        lying.answering |= is_answer;
        lying.part = Some(part);
        None
    }
}

impl Sink for Slot {
    fn send(&self, part: Part) -> BoxFuture<'_, Result<(), Gone>> {
        let mut waiting = Some(part);
        Box::pin(poll_fn(move |_| {
            waiting = waiting.take().and_then(|part| self.put(part));
            if waiting.is_some() { Poll::Pending } else { Poll::Ready(Ok(())) }
        }))
    }

    fn carries_messages(&self) -> bool {
        self.takes_events
    }
}
