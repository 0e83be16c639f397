//! A response that a layer gives itself, or waits for.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

pin_project! {
    /// The future of a layer that may answer a request itself.
    pub struct MaybeAnswered<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F, R> {
        Waiting { #[pin] inner: F },
        // Boxed: a whole response would make every future on the stack as large.
        Answered { response: Option<Box<Response<R>>> },
    }
}

impl<F, R> MaybeAnswered<F, R> {
    /// Waits for the service below.
    pub(crate) fn waiting(inner: F) -> Self {
        Self { state: State::Waiting { inner } }
    }

    /// It is not known yet which: pending until it is replaced.
    pub(crate) fn undecided() -> Self {
        Self { state: State::Answered { response: None } }
    }

    /// The service below is not asked.
    pub(crate) fn answered(response: Response<R>) -> Self {
        Self { state: State::Answered { response: Some(Box::new(response)) } }
    }
}

impl<F, R, E> Future for MaybeAnswered<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Waiting { inner } => inner.poll(cx),
            // Undecided; or polled again after it was given, a caller's mistake: nothing to say.
            Projected::Answered { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(*response)),
                None => Poll::Pending,
            },
        }
    }
}
