//! A body that ends with the credential that asked for it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use mcp_identity::{EndReason, Lease, Principal};
use pin_project_lite::pin_project;

/// Waits on a lease from inside a `poll`.
pub(crate) struct LeaseWait {
    lease: Lease,
    /// Made at the first wait: what is done at its first poll, as most frames are, pays nothing.
    waiting: Option<Pin<Box<dyn Future<Output = EndReason> + Send>>>,
}

impl LeaseWait {
    pub(crate) fn new(lease: &Lease) -> Self {
        Self { lease: lease.clone(), waiting: None }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.lease.is_ended()
    }

    pub(crate) fn why(&self) -> Option<EndReason> {
        self.lease.why()
    }

    /// Ready once the lease has ended; wakes the task then.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<EndReason> {
        let lease = &self.lease;
        let waiting = self.waiting.get_or_insert_with(|| {
            let lease = lease.clone();
            Box::pin(async move { lease.ended().await })
        });
        waiting.as_mut().poll(cx)
    }
}

pin_project! {
    /// A response body that breaks off, with an error, when its principal's lease ends.
    ///
    /// An error and not an end: a client must be able to tell a cut stream from a whole one.
    pub struct LeasedBody<B> {
        #[pin]
        body: B,
        // `None` once it has broken off.
        lease: Option<LeaseWait>,
    }
}

impl<B> LeasedBody<B> {
    /// Lets `body` flow for as long as `principal` holds.
    #[must_use]
    pub fn new(body: B, principal: &Arc<Principal>) -> Self {
        Self { body, lease: Some(LeaseWait::new(&principal.lease)) }
    }
}

impl<B: Body> Body for LeasedBody<B> {
    type Data = B::Data;
    type Error = LeasedBodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let Some(lease) = this.lease else { return Poll::Ready(None) };
        if !lease.is_ended() {
            if let Poll::Ready(frame) = this.body.poll_frame(cx) {
                return Poll::Ready(frame.map(|frame| frame.map_err(LeasedBodyError::Body)));
            }
            if lease.poll_ended(cx).is_pending() {
                return Poll::Pending;
            }
        }
        *this.lease = None;
        Poll::Ready(Some(Err(LeasedBodyError::Ended)))
    }

    fn is_end_stream(&self) -> bool {
        self.lease.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug> fmt::Debug for LeasedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedBody").field("body", &self.body).finish_non_exhaustive()
    }
}

/// Why a [`LeasedBody`] did not reach its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeasedBodyError<E> {
    /// The credential that asked for it has ended.
    #[error("the credential has ended")]
    Ended,
    /// The body itself failed.
    #[error(transparent)]
    Body(E),
}
