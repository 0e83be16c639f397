//! Who is it, and may he still be here?

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response};
use mcp_auth::{Authenticate, Refusal};
use mcp_identity::{Caller, Clock, CredentialFault, Denial, EndReason, Principal, RequestId};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::MaybeAnswered;
use crate::denial::{self, RenderBody};
use crate::leased_body::LeaseWait;

/// When to ask again where nobody knows whether a credential holds.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Asks who sends a request. A good token: its `Arc<Principal>` goes into the extensions, and the
/// header goes out of the request, so that nothing below can log it or pass it on. A bad one is
/// answered here. A stranger, who presents nothing, passes without a principal: what he may
/// reach is decided below ([`RequireAuthLayer`](crate::RequireAuthLayer), or the handler).
///
/// While a request runs it waits on its principal's lease: revoked in the middle, it is cut, the
/// work below dropped, and answered 401, or 503 where nobody knows any more whether it holds. A body
/// that streams on after its response was given is another holder: wrap it in a
/// [`LeasedBody`](crate::LeasedBody).
///
/// Stands below [`HostOriginLayer`](crate::HostOriginLayer): a page of another site must not even
/// learn whether a token is good. Stands above everything that costs: a body limit by who asks,
/// parsing, work.
#[derive(Clone)]
pub struct AuthLayer {
    door: Arc<dyn Authenticate>,
    clock: Arc<dyn Clock>,
    render: RenderBody,
    outlasting: bool,
}

impl AuthLayer {
    /// Lets in whom `door` lets in, by the time of `clock`; refuses with [`denial::body`].
    #[must_use]
    pub fn new(door: Arc<dyn Authenticate>, clock: Arc<dyn Clock>) -> Self {
        Self { door, clock, render: denial::body, outlasting: false }
    }

    /// Refuses with a body of your own.
    #[must_use]
    pub fn render_with(self, render: RenderBody) -> Self {
        Self { render, ..self }
    }

    /// A request that began with a good credential runs to its end, even if the credential ends
    /// meanwhile: for the request that ends it.
    #[must_use]
    pub fn outlasting(self) -> Self {
        Self { outlasting: true, ..self }
    }

    /// `None`: a stranger.
    fn judge(
        &self,
        headers: &HeaderMap,
        caller: Option<&Caller>,
    ) -> Result<Option<Arc<Principal>>, Refusal> {
        let Some(presented) = presented(headers).transpose() else {
            return Ok(self.door.stranger());
        };
        let now = self.clock.now();
        let from = caller.map_or_else(|| Cow::Owned(unknown_caller()), Cow::Borrowed);
        match presented {
            Ok(token) => self.door.authenticate(token, &from, now).map(Some),
            Err(Malformed) => Err(self.door.malformed(&from, now).into()),
        }
    }
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService { inner, layer: self.clone() }
    }
}

/// The service of [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    inner: S,
    layer: AuthLayer,
}

impl<S, B, R> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = AuthFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let render = self.layer.render;
        match self.layer.judge(request.headers(), request.extensions().get()) {
            Err(refusal) => {
                let answered = MaybeAnswered::answered(match refusal {
                    Refusal::Denied(denial) => denial::respond(denial, render),
                    Refusal::Down { retry_after } => denial::unavailable(retry_after, render),
                });
                AuthFuture { inner: answered, lease: None, render }
            }
            Ok(found) => {
                let cut_short = found.as_ref().filter(|_| !self.layer.outlasting);
                let lease = cut_short.map(|principal| LeaseWait::new(&principal.lease));
                if let Some(principal) = found {
                    request.headers_mut().remove(AUTHORIZATION);
                    request.extensions_mut().insert(principal);
                }
                let inner = MaybeAnswered::waiting(self.inner.call(request));
                AuthFuture { inner, lease, render }
            }
        }
    }
}

/// Where no [`ClientAddressLayer`](crate::ClientAddressLayer) says who called: everybody shares
/// one address then, and one count of failures. A good token is not refused for that.
fn unknown_caller() -> Caller {
    Caller {
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        agent: None,
        request_id: RequestId::from_bytes([0; 16]),
    }
}

/// More than one header, or none of the form `Bearer <token>`.
struct Malformed;

/// The token of the one `Authorization` header, if there is one; a query string is never read.
/// Of several headers none is right: neither the first nor the last wins.
fn presented(headers: &HeaderMap) -> Result<Option<&[u8]>, Malformed> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => bearer(value).map(Some),
        (Some(_), Some(_)) => Err(Malformed),
    }
}

/// `Bearer 1*SP b64token` (RFC 6750 §2.1), the scheme in any case (RFC 9110 §11.1).
fn bearer(value: &HeaderValue) -> Result<&[u8], Malformed> {
    let (scheme, rest) = value.as_bytes().split_at_checked(b"Bearer ".len()).ok_or(Malformed)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Err(Malformed);
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = &rest[spaces..];
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &token[..token.len() - padding];
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let well_formed = !body.is_empty() && body.iter().all(allowed);
    if well_formed { Ok(token) } else { Err(Malformed) }
}

pin_project! {
    /// The future of [`AuthService`]: the response, or 401 when the lease ends first.
    pub struct AuthFuture<F, R> {
        #[pin]
        inner: MaybeAnswered<F, R>,
        lease: Option<LeaseWait>,
        render: RenderBody,
    }
}

impl<F, R, E> Future for AuthFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<Bytes>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // Asked first: a credential that has ended starts nothing more.
        if !this.lease.as_ref().is_some_and(LeaseWait::is_ended) {
            if let Poll::Ready(outcome) = this.inner.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            let Some(lease) = this.lease else { return Poll::Pending };
            if lease.poll_ended(cx).is_pending() {
                return Poll::Pending;
            }
        }
        let why = this.lease.as_ref().and_then(LeaseWait::why);
        let answer = if why == Some(EndReason::Unkept) {
            // Nothing is known against the credential.
            denial::unavailable(ASK_AGAIN, *this.render)
        } else {
            denial::respond(Denial::BadCredential(CredentialFault::Ended), *this.render)
        };
        // Drops the work below before the answer leaves.
        this.inner.set(MaybeAnswered::answered(answer));
        *this.lease = None;
        this.inner.poll(cx)
    }
}
