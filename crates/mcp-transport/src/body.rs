//! The body of a response.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use mcp_identity::{EndReason, Lease};
use mcp_protocol::{Reply, Status};

use crate::slot::Slot;

/// The work on one answer.
pub(crate) type Work = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Bytes that are there, or an answer that is still being made.
pub struct ResponseBody(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Streaming(Box<Streaming>),
}

struct Streaming {
    next: Option<Vec<u8>>,
    work: Option<Work>,
    slot: Arc<Slot>,
    ended: Pin<Box<dyn Future<Output = EndReason> + Send>>,
}

/// Why a body stopped before its end. The client sees a cut connection, never a shorter answer
/// that looks whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The credential that asked no longer holds.
    #[error("the credential ended while its answer was on the way")]
    LeaseEnded,
    /// What makes the answer gave up in the middle.
    #[error("the answer broke off")]
    BrokenOff,
}

impl ResponseBody {
    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self(Inner::Whole(None))
    }

    pub(crate) fn streaming(first: Vec<u8>, work: Work, slot: Arc<Slot>, lease: Lease) -> Self {
        let ended = Box::pin(async move { lease.ended().await });
        let streaming = Streaming { next: Some(first), work: Some(work), slot, ended };
        Self(Inner::Streaming(Box::new(streaming)))
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl Streaming {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, BodyError>>> {
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        if self.ended.as_mut().poll(cx).is_ready() {
            self.work = None;
            return Poll::Ready(Some(Err(BodyError::LeaseEnded)));
        }
        if let Some(part) = self.next.take() {
            return Poll::Ready(Some(Ok(part)));
        }
        let outcome = match work.as_mut().poll(cx) {
            // A part that the work has just left goes first; its last one comes after.
            Poll::Pending => {
                return self.slot.take().map_or(Poll::Pending, |p| Poll::Ready(Some(Ok(p))));
            }
            Poll::Ready(reply) if reply.status == Status::Gone => Err(BodyError::BrokenOff),
            Poll::Ready(reply) => Ok(reply.output.into_rest()),
        };
        self.work = None;
        let mut last = self.slot.take().unwrap_or_default();
        Poll::Ready(Some(outcome.map(|rest| {
            last.extend(rest);
            last
        })))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Streaming(streaming) => streaming
                .poll_part(cx)
                .map(|part| part.map(|part| part.map(|bytes| Frame::data(bytes.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.is_none(),
            Inner::Streaming(streaming) => streaming.work.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Inner::Streaming(_) => SizeHint::default(),
        }
    }
}
