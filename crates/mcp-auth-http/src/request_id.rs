//! Every request has a name.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use mcp_identity::{Entropy, EntropyError, RequestId};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::MaybeAnswered;
use crate::denial;

/// Where a client may name its request, and where every answer repeats the name.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names each request: as the client did, if [`RequestId::parse`] takes it, else by 16 random
/// bytes. The name goes into the extensions and onto the response.
///
/// Stands outermost but for the panic layer: every answer, a refusal of any other layer too, must
/// carry the name under which its reason is logged.
#[derive(Clone)]
pub struct RequestIdLayer {
    names: Arc<Names>,
}

impl RequestIdLayer {
    /// Takes the bytes of new names from `entropy`.
    #[must_use]
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { names: Arc::new(Names { entropy, drawn: Mutex::default() }) }
    }
}

impl fmt::Debug for RequestIdLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestIdLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIdService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestIdService { inner, names: Arc::clone(&self.names) }
    }
}

/// The service of [`RequestIdLayer`].
#[derive(Clone)]
pub struct RequestIdService<S> {
    inner: S,
    names: Arc<Names>,
}

impl<S, B, R> Service<Request<B>> for RequestIdService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = RequestIdFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let named = match sent(request.headers()) {
            Some(id) => Ok(id),
            None => self.names.next(),
        };
        let Ok(id) = named else {
            // Without randomness nothing on this server is safe any more.
            let response = denial::refuse(StatusCode::INTERNAL_SERVER_ERROR, denial::body);
            return RequestIdFuture { inner: MaybeAnswered::answered(response), echo: None };
        };
        let echo = HeaderValue::from_str(id.as_str()).ok();
        request.extensions_mut().insert(id);
        RequestIdFuture { inner: MaybeAnswered::waiting(self.inner.call(request)), echo }
    }
}

/// The client's name for its request. Several names are none.
fn sent(headers: &HeaderMap) -> Option<RequestId> {
    let mut names = headers.get_all(X_REQUEST_ID).iter();
    match (names.next(), names.next()) {
        (Some(name), None) => RequestId::parse(name.to_str().ok()?),
        _ => None,
    }
}

/// Where new names come from.
struct Names {
    entropy: Arc<dyn Entropy>,
    /// The bytes of names that nobody has yet.
    drawn: Mutex<Vec<[u8; 16]>>,
}

impl Names {
    /// As many as are drawn at once: to ask the operating system for each would cost a request
    /// more than all else that names it.
    const AT_ONCE: usize = 32;

    fn next(&self) -> Result<RequestId, EntropyError> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() {
            let mut bytes = [0; 16 * Self::AT_ONCE];
            self.entropy.fill(&mut bytes)?;
            drawn.extend(bytes.as_chunks().0);
        }
        drawn.pop().map(RequestId::from_bytes).ok_or(EntropyError)
    }
}

pin_project! {
    /// The future of [`RequestIdService`].
    pub struct RequestIdFuture<F, R> {
        #[pin]
        inner: MaybeAnswered<F, R>,
        echo: Option<HeaderValue>,
    }
}

impl<F, R, E> Future for RequestIdFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(echo) = this.echo.take() {
            response.headers_mut().insert(X_REQUEST_ID, echo);
        }
        Poll::Ready(Ok(response))
    }
}
