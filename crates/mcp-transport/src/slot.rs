//! Where one part of an answer lies between the work that made it and the body that carries it.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mcp_protocol::{BoxFuture, Gone, Part, Sink};

/// Room for one part. The work and the body are polled by the same task, one after the other, so
/// the task needs not be woken: whoever takes the part polls the work next. A handler that does
/// several things at once may have its own way to learn which of them can go on, and is told.
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
    /// Those who wait for room.
    waiting: Vec<Waker>,
}

impl Slot {
    pub(crate) fn new(takes_events: bool) -> Self {
        Self { takes_events, ..Self::default() }
    }

    /// Whether the client takes an event stream.
    pub(crate) fn takes_events(&self) -> bool {
        self.takes_events
    }

    /// Takes the part that lies here, if one does. The task of `cx` must poll the work again.
    pub(crate) fn take(&self, cx: &Context<'_>) -> Option<Part> {
        let mut lying = self.lock();
        let part = lying.part.take()?;
        let waiting = std::mem::take(&mut lying.waiting);
        drop(lying);
        for waker in waiting.into_iter().filter(|waker| !waker.will_wake(cx.waker())) {
            waker.wake();
        }
        Some(part)
    }

    fn lock(&self) -> MutexGuard<'_, Lying> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the part down if there is room for it; gives it back if there is none yet.
    fn put(&self, part: Part, cx: &Context<'_>) -> Option<Part> {
        let mut lying = self.lock();
        let is_answer = matches!(part, Part::Answer(_));
        if !is_answer && (lying.answering || !self.takes_events) {
            return None;
        }
        if lying.part.is_some() {
            lying.waiting.push(cx.waker().clone());
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
        Box::pin(poll_fn(move |cx| {
            waiting = waiting.take().and_then(|part| self.put(part, cx));
            if waiting.is_some() { Poll::Pending } else { Poll::Ready(Ok(())) }
        }))
    }

    fn carries_messages(&self) -> bool {
        self.takes_events && !self.lock().answering
    }
}
