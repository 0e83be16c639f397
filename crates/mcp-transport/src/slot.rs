//! Where one part of an answer lies between the work that made it and the body that carries it.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use mcp_protocol::{Gone, Sink};

/// Room for one part. The work and the body are polled by the same task, one after the other, so
/// nobody needs to be woken: whoever takes the part polls the work next.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Vec<u8>>>);

impl Slot {
    /// Takes the part that lies here, if one does.
    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Sink for Slot {
    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let occupied = self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if occupied { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn send(&self, part: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(part);
    }
}
