//! The body of a request, with a deadline on the whole of it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

/// What a client sends after its headers. Fails when the whole takes longer than
/// [`body_timeout`](crate::Settings::body_timeout).
///
/// The time counts from the first moment that somebody waits for the client: a handler that is
/// slow to read costs the client nothing, and a body that is there already costs no timer.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    allowed: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, allowed: Duration) -> Self {
        Self { incoming, allowed, deadline: None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        // The deadline first: a client that sends one byte a second must not outrun it.
        if let Some(deadline) = &mut this.deadline
            && deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Some(Err(BodyError::TimedOut)));
        }
        match Pin::new(&mut this.incoming).poll_frame(context) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken))),
            Poll::Pending if this.deadline.is_some() => Poll::Pending,
            Poll::Pending => {
                let allowed = this.allowed;
                let deadline = this.deadline.insert(Box::pin(sleep(allowed)));
                deadline.as_mut().poll(context).map(|()| Some(Err(BodyError::TimedOut)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Why a body did not come whole. The connection is of no further use.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It took longer than is allowed. The status for it is 408.
    #[error("the request body took too long")]
    TimedOut,
    /// The client went away, or what it sent is no body.
    #[error("the request body broke off")]
    Broken(#[source] hyper::Error),
}
