//! Between hyper and the service above: each request gets its peer and its deadline, and is
//! counted until the last byte of its answer.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::activity::{Activity, InFlight};
use crate::body::RequestBody;

/// The other end of the connection, as the kernel names it: a client, or the proxy in front.
/// In the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The service of one connection.
pub(crate) struct Counted<S> {
    pub(crate) service: S,
    pub(crate) peer: Peer,
    pub(crate) body_timeout: Duration,
    pub(crate) activity: Arc<Activity>,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone,
{
    type Response = Response<CountedBody<B>>;
    type Error = Infallible;
    type Future = Answering<S, S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = Some(self.activity.begin());
        let mut request = request.map(|body| RequestBody::new(body, self.body_timeout));
        request.extensions_mut().insert(self.peer);
        let service = self.service.clone();
        Answering { state: State::Waiting { service, request: Some(request) }, in_flight }
    }
}

pin_project! {
    /// One request on its way to its answer.
    pub(crate) struct Answering<S, F> {
        #[pin]
        state: State<S, F>,
        in_flight: Option<InFlight>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F> {
        /// For the service to have room.
        Waiting { service: S, request: Option<Request<RequestBody>> },
        Running { #[pin] answer: F },
    }
}

impl<S, B> Future for Answering<S, S::Future>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
{
    type Output = Result<Response<CountedBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Waiting { service, request } => {
                    let Ok(()) = ready!(service.poll_ready(context));
                    // Taken once: the state changes in the same breath.
                    let Some(request) = request.take() else { return Poll::Pending };
                    let answer = service.call(request);
                    this.state.set(State::Running { answer });
                }
                StateProjection::Running { answer } => {
                    let Ok(mut response) = ready!(answer.poll(context));
                    let in_flight = this.in_flight.take();
                    if in_flight.as_ref().is_some_and(InFlight::is_last) {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(CONNECTION, close);
                    }
                    return Poll::Ready(Ok(response.map(|body| CountedBody { body, in_flight })));
                }
            }
        }
    }
}

pin_project! {
    /// The body of an answer. The request counts as running until it is dropped.
    pub(crate) struct CountedBody<B> {
        #[pin]
        body: B,
        in_flight: Option<InFlight>,
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
