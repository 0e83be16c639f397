//! The HTTP layers, in the order in which a request meets them.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{Either, Ready, ready};
use http::header::{HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{Extensions, Request, Response, StatusCode};
use http_body::Body;
use mcp_accounts_http::{AccountsHttp, RecoveryHttp, is_recovery, is_reset_page};
use mcp_auth::Authenticate;
use mcp_auth_http::{
    AddressRange, AllowedHost, AllowedOrigin, AuthLayer, AuthService, ClientAddressLayer,
    HostOriginLayer, HostOriginSettings, RequestIdLayer, TrustedProxies, denial,
};
use mcp_config::HttpConfig;
use mcp_identity::{Clock, Denial, Entropy};
use mcp_listen::{Peer, RequestBody};
use mcp_transport::{HttpSettings, McpService, ResponseBody, Sessions};
use tower::ServiceBuilder;
use tower::util::MapResponse;
use tower_http::catch_panic::CatchPanicLayer;
use tower_layer::Layer as _;
use tower_service::Service;

use crate::fault::StartFault;
use crate::health::{Health, json};
use crate::people::People;

/// What the stack is built from.
pub(crate) struct Parts {
    pub(crate) sessions: Sessions,
    pub(crate) door: Arc<dyn Authenticate>,
    /// Where people have accounts: what answers them.
    pub(crate) accounts: Option<People>,
    /// And what finds their lost passwords again.
    pub(crate) recovery: Option<RecoveryHttp>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) health: Health,
}

/// The whole service behind the listener.
pub(crate) fn stack(
    parts: Parts,
    config: &HttpConfig,
    bound: IpAddr,
) -> Result<
    impl Service<
        Request<RequestBody>,
        Response = Response<impl Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + 'static,
    StartFault,
> {
    let entropy = Arc::clone(&parts.entropy);
    let router = router(parts, config);
    Ok(ServiceBuilder::new()
        // No answer is anything but what it says it is, whoever made it.
        .map_response(without_sniffing)
        // Outermost of what can fail: a panic below must still end in a response.
        .layer(CatchPanicLayer::custom(internal_error))
        // Before anything that refuses: a refusal must be found in the log by its id.
        .layer(RequestIdLayer::new(entropy))
        // Before anything that counts or records: it must count the client, not the proxy.
        .layer(ClientAddressLayer::new(trusted_proxies(config)?).peer_from(peer_address))
        .map_request(without_null_origin)
        // Before authentication: a page of another site must not even learn whether a token is
        // good.
        .layer(HostOriginLayer::new(host_origin(config, bound)?))
        .service(router))
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn peer_address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<Peer>().map(|peer| peer.0.ip())
}

/// The one page that strangers open tells browsers to send no referrer, and those then call the
/// origin of its own form `null`. What no other site knows is the secret in its path.
fn without_null_origin<B>(mut request: Request<B>) -> Request<B> {
    let is_null = |origin: &HeaderValue| origin.as_bytes() == b"null";
    if is_reset_page(request.uri().path()) && request.headers().get(ORIGIN).is_some_and(is_null) {
        request.headers_mut().remove(ORIGIN);
    }
    request
}

fn without_sniffing<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn internal_error(_: Box<dyn Any + Send>) -> Response<ResponseBody> {
    json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"Internal Server Error"}"#)
}

fn trusted_proxies(config: &HttpConfig) -> Result<TrustedProxies, StartFault> {
    let ranges = config.trusted_proxies.iter().map(|network| {
        AddressRange::parse(&network.to_string())
            .map_err(|fault| StartFault::mendable(format!("http.trusted_proxies: {fault}"), None))
    });
    Ok(TrustedProxies::new(ranges.collect::<Result<Vec<_>, _>>()?))
}

/// Loopback names, the address that was bound, the host of the public URL, and what is configured.
fn host_origin(config: &HttpConfig, bound: IpAddr) -> Result<HostOriginSettings, StartFault> {
    let mut settings = HostOriginSettings::loopback();
    let mut hosts = config.allowed_hosts.clone();
    if !bound.is_unspecified() {
        hosts.push(match bound {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
    }
    hosts.extend(
        config.public_url.parse::<http::Uri>().ok().and_then(|url| url.host().map(str::to_owned)),
    );
    for host in &hosts {
        settings.allowed_hosts.push(AllowedHost::parse(host).map_err(|fault| {
            StartFault::mendable(format!("http.allowed_hosts: {host:?}: {fault}"), None)
        })?);
    }
    for origin in &config.allowed_origins {
        settings.allowed_origins.push(AllowedOrigin::parse(origin).map_err(|fault| {
            StartFault::mendable(format!("http.allowed_origins: {origin:?}: {fault}"), None)
        })?);
    }
    Ok(settings)
}

fn router(parts: Parts, config: &HttpConfig) -> Router {
    let Parts { sessions, door, accounts, recovery, clock, health, .. } = parts;
    let max_body_bytes = usize::try_from(config.limits.max_body_bytes).unwrap_or(usize::MAX);
    let mut mcp = McpService::new(sessions, HttpSettings { max_body_bytes }, needs_credential);
    // Only in front of what a token opens: `/health` answers whatever is sent along.
    let layer = AuthLayer::new(door, clock);
    let people = accounts.map(|People { threshold, rest }| {
        mcp = mcp.clone().threshold(threshold);
        rest
    });
    let recovery = recovery.map(|service| {
        let whole: Whole = |answer| answer.map(Into::into);
        MapResponse::new(service, whole)
    });
    Router { mcp: layer.layer(mcp), people, recovery, health }
}

/// The same answer that a bad credential gets, but for the challenge.
fn needs_credential() -> Response<ResponseBody> {
    denial::respond(Denial::NoCredential, denial::body)
}

/// Goes on if the client leaves: a login that can be cut off before it counts is not limited, and a
/// change that was made must be recorded.
async fn to_its_end(
    answering: impl Future<Output = Result<Response<ResponseBody>, Infallible>> + Send + 'static,
) -> Result<Response<ResponseBody>, Infallible> {
    match tokio::spawn(answering).await {
        Ok(answer) => answer,
        Err(fault) => match fault.try_into_panic() {
            // Ends where a panic of every request does.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}

/// Which path is answered by whom.
#[derive(Clone)]
struct Router {
    mcp: AuthService<McpService>,
    /// Asks for credentials itself: some of what it answers needs none.
    people: Option<AccountsHttp<ResponseBody>>,
    recovery: Option<MapResponse<RecoveryHttp, Whole>>,
    health: Health,
}

/// An answer that is there as a whole.
type Whole = fn(Response<Bytes>) -> Response<ResponseBody>;
type McpFuture = <AuthService<McpService> as Service<Request<RequestBody>>>::Future;
type PeopleFuture =
    Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>;

type Answered = Ready<Result<Response<ResponseBody>, Infallible>>;

impl Service<Request<RequestBody>> for Router {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Either<McpFuture, Either<PeopleFuture, Answered>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<RequestBody>>::poll_ready(&mut self.mcp, cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        if let Some(recovery) = &mut self.recovery
            && is_recovery(request.uri().path())
        {
            let answering = recovery.call(request);
            return Either::Right(Either::Left(Box::pin(to_its_end(answering))));
        }
        if let Some(people) = &mut self.people
            && AccountsHttp::<ResponseBody>::answers(request.uri().path())
        {
            let answering = people.call(request);
            return Either::Right(Either::Left(Box::pin(to_its_end(answering))));
        }
        let answer = match request.uri().path() {
            "/mcp/v1" | "/mcp" => return Either::Left(self.mcp.call(request)),
            "/health" => self.health.health(request.method()),
            "/ready" => self.health.ready(request.method()),
            _ => json(StatusCode::NOT_FOUND, r#"{"error":"Not Found"}"#),
        };
        Either::Right(Either::Right(ready(Ok(answer))))
    }
}
