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
use mcp_auth::{Answer, Asked, Authenticate, Refusal};
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
/// Where other servers let people in, too, a request may wait until the store that they share has
/// been asked ([`Authenticate::ask`]). The service below is cloned for it.
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
    fn judge(&self, headers: &HeaderMap, caller: Option<&Caller>) -> Option<Answer> {
        let presented = presented(headers).transpose()?;
        let now = self.clock.now();
        let from = caller.map_or_else(|| Cow::Owned(unknown_caller()), Cow::Borrowed);
        Some(match presented {
            Ok(token) => self.door.ask(token, &from, now),
            Err(Malformed) => Answer::Now(Err(self.door.malformed(&from, now).into())),
        })
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
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = AuthFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut answer = AuthFuture::undecided(self.layer.render);
        match self.layer.judge(request.headers(), request.extensions().get()) {
            None => answer.let_in(self.layer.door.stranger(), self, request),
            Some(Answer::Now(Ok(principal))) => answer.let_in(Some(principal), self, request),
            Some(Answer::Now(Err(refusal))) => answer.refuse(refusal),
            Some(Answer::Later(asked)) => {
                // The one that is ready waits; its clone gets ready for the next request.
                let inner = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, inner);
                let service = AuthService { inner, layer: self.layer.clone() };
                answer.asking = Some(Box::new(Asking { asked, service, request }));
            }
        }
        answer
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
    pub struct AuthFuture<S, B, R>
    where
        S: Service<Request<B>>,
    {
        // On the heap: few wait, and the future of a good token is as small as without it.
        asking: Option<Box<Asking<S, B>>>,
        #[pin]
        inner: MaybeAnswered<S::Future, R>,
        lease: Option<LeaseWait>,
        render: RenderBody,
    }
}

/// A request that waits until it is known whose it is.
struct Asking<S, B> {
    asked: Asked,
    service: AuthService<S>,
    request: Request<B>,
}

impl<S, B, R> AuthFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    fn undecided(render: RenderBody) -> Self {
        Self { asking: None, inner: MaybeAnswered::undecided(), lease: None, render }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.inner = MaybeAnswered::answered(refused(refusal, self.render));
    }

    fn let_in(
        &mut self,
        found: Option<Arc<Principal>>,
        service: &mut AuthService<S>,
        request: Request<B>,
    ) {
        let (lease, inner) = service.pass(found, request);
        (self.lease, self.inner) = (lease, inner);
    }
}

impl<S> AuthService<S> {
    /// Hands a request on, with whoever sends it.
    fn pass<B, R>(
        &mut self,
        found: Option<Arc<Principal>>,
        mut request: Request<B>,
    ) -> (Option<LeaseWait>, MaybeAnswered<S::Future, R>)
    where
        S: Service<Request<B>, Response = Response<R>>,
    {
        let cut_short = found.as_ref().filter(|_| !self.layer.outlasting);
        let lease = cut_short.map(|principal| LeaseWait::new(&principal.lease));
        if let Some(principal) = found {
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(principal);
        }
        (lease, MaybeAnswered::waiting(self.inner.call(request)))
    }
}

fn refused<R: From<Bytes>>(refusal: Refusal, render: RenderBody) -> Response<R> {
    match refusal {
        Refusal::Denied(denial) => denial::respond(denial, render),
        Refusal::Down { retry_after } => denial::unavailable(retry_after, render),
    }
}

impl<S, B, R> Future for AuthFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(asking) = this.asking {
            let Poll::Ready(known) = asking.asked.as_mut().poll(cx) else { return Poll::Pending };
            let Some(asking) = this.asking.take() else { return Poll::Pending };
            let Asking { mut service, request, .. } = *asking;
            match known {
                Ok(principal) => {
                    let (lease, inner) = service.pass(Some(principal), request);
                    *this.lease = lease;
                    this.inner.set(inner);
                }
                Err(refusal) => {
                    this.inner.set(MaybeAnswered::answered(refused(refusal, *this.render)));
                }
            }
        }
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
