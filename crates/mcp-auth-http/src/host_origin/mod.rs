//! Whom a request is for, and which page sent it.

mod authority;
mod settings;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub use settings::{AllowedHost, AllowedOrigin, HostOriginSettings, PatternError};

use self::authority::{Authority, Origin};
use crate::answer::MaybeAnswered;
use crate::denial::{self, RenderBody};

/// Refuses what a browser was tricked into sending: a `Host` that is not ours (403; missing,
/// malformed or contradicted: 400), and an `Origin` that is not allowed (403), on every route.
/// Answers the preflight of an allowed origin, and tells its browser that it may read the answer.
///
/// Stands above [`AuthLayer`](crate::AuthLayer): a page of another site must not even learn
/// whether a token is good; and a preflight carries no token. It stands whether or not anybody
/// authenticates: a server open to this machine is not open to every page that it shows.
#[derive(Clone, Debug)]
pub struct HostOriginLayer {
    policy: Arc<Policy>,
    render: RenderBody,
}

impl HostOriginLayer {
    /// Lets through what `settings` say; refuses with [`denial::body`].
    #[must_use]
    pub fn new(settings: HostOriginSettings) -> Self {
        Self { policy: Arc::new(Policy::new(settings)), render: denial::body }
    }

    /// Refuses with a body of your own.
    #[must_use]
    pub fn render_with(self, render: RenderBody) -> Self {
        Self { render, ..self }
    }
}

impl<S> Layer<S> for HostOriginLayer {
    type Service = HostOriginService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HostOriginService { inner, layer: self.clone() }
    }
}

/// The service of [`HostOriginLayer`].
#[derive(Clone, Debug)]
pub struct HostOriginService<S> {
    inner: S,
    layer: HostOriginLayer,
}

impl<S, B, R> Service<Request<B>> for HostOriginService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = HostOriginFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let policy = &self.layer.policy;
        match policy.judge(&request) {
            Ok(None) => HostOriginFuture {
                inner: MaybeAnswered::waiting(self.inner.call(request)),
                page: None,
            },
            Ok(Some(origin)) if *request.method() == Method::OPTIONS => {
                let inner = MaybeAnswered::answered(policy.preflight());
                HostOriginFuture { inner, page: Some((origin, Arc::clone(policy))) }
            }
            Ok(Some(origin)) => {
                let page = Some((origin, Arc::clone(policy)));
                HostOriginFuture { inner: MaybeAnswered::waiting(self.inner.call(request)), page }
            }
            Err(status) => {
                let refused = denial::refuse(status, self.layer.render);
                HostOriginFuture { inner: MaybeAnswered::answered(refused), page: None }
            }
        }
    }
}

/// The settings, with the headers that are made of them.
#[derive(Debug)]
struct Policy {
    hosts: Vec<AllowedHost>,
    origins: Vec<AllowedOrigin>,
    allow_headers: Option<HeaderValue>,
    expose_headers: Option<HeaderValue>,
}

impl Policy {
    fn new(settings: HostOriginSettings) -> Self {
        Self {
            allow_headers: joined(&settings.request_headers),
            expose_headers: joined(&settings.response_headers),
            hosts: settings.allowed_hosts,
            origins: settings.allowed_origins,
        }
    }

    /// The allowed origin that sent it, if one did; or the status that refuses it.
    fn judge<B>(&self, request: &Request<B>) -> Result<Option<HeaderValue>, StatusCode> {
        let host = addressed(request).ok_or(StatusCode::BAD_REQUEST)?;
        if !self.hosts.iter().any(|allowed| allowed.allows(&host)) {
            return Err(StatusCode::FORBIDDEN);
        }
        let mut origins = request.headers().get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(None),
            (Some(origin), None) if self.allows(origin) => Ok(Some(origin.clone())),
            _ => Err(StatusCode::FORBIDDEN),
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let parsed = origin.to_str().ok().and_then(Origin::parse);
        parsed.is_some_and(|origin| self.origins.iter().any(|allowed| allowed.allows(&origin)))
    }

    fn preflight<R: From<Bytes>>(&self) -> Response<R> {
        let mut response = Response::new(R::from(Bytes::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        if let Some(allowed) = &self.allow_headers {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }

    /// Never `*` and never credentials: a page sends its token itself, or has none.
    fn tell_browser(&self, origin: HeaderValue, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(exposed) = &self.expose_headers {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }
}

/// Whom a request is for: the `Host` header, or the authority of its target (HTTP/2's
/// `:authority`, HTTP/1's absolute form). `None` where that is missing, malformed, said twice, or
/// said in two ways that differ: then proxies and we might read it differently.
fn addressed<B>(request: &Request<B>) -> Option<Authority<'_>> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(Authority::parse(host.to_str().ok()?)?),
        (Some(_), Some(_)) => return None,
    };
    let target = match request.uri().authority() {
        Some(authority) => Some(Authority::parse(authority.as_str())?),
        None => None,
    };
    match (host, target) {
        (Some(host), Some(target)) => {
            (host.host == target.host && host.port == target.port).then_some(target)
        }
        (one, other) => one.or(other),
    }
}

fn joined(names: &[HeaderName]) -> Option<HeaderValue> {
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    HeaderValue::try_from(names.join(", ")).ok().filter(|value| !value.is_empty())
}

pin_project! {
    /// The future of [`HostOriginService`].
    pub struct HostOriginFuture<F, R> {
        #[pin]
        inner: MaybeAnswered<F, R>,
        page: Option<(HeaderValue, Arc<Policy>)>,
    }
}

impl<F, R, E> Future for HostOriginFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some((origin, policy)) = this.page.take() {
            policy.tell_browser(origin, response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}
