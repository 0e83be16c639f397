//! The MCP endpoint as a tower service.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use mcp_identity::Principal;
use mcp_protocol::{Code, Era, Exchange, Output, Reply, RoutingHeaders, Server, Status};
use tower_service::Service;

use crate::body::{ResponseBody, Work};
use crate::slot::Slot;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Limits of the endpoint. They come from `http.limits` in the configuration.
#[derive(Clone, Copy, Debug)]
pub struct HttpSettings {
    /// The largest message, in bytes.
    pub max_body_bytes: usize,
}

/// Answers the MCP paths. Cheap to clone.
#[derive(Clone)]
pub struct McpService {
    server: Arc<Server<Principal>>,
    settings: HttpSettings,
    needs_credential: fn() -> Response<ResponseBody>,
}

impl McpService {
    /// The endpoint over `server`. `needs_credential` is what a stranger gets.
    #[must_use]
    pub fn new(
        server: Arc<Server<Principal>>,
        settings: HttpSettings,
        needs_credential: fn() -> Response<ResponseBody>,
    ) -> Self {
        Self { server, settings, needs_credential }
    }

    async fn answer<B>(self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let Some(principal) = parts.extensions.get::<Arc<Principal>>().cloned() else {
            return (self.needs_credential)();
        };
        if parts.method != Method::POST {
            return refused(StatusCode::METHOD_NOT_ALLOWED);
        }
        if !is_json(&parts.headers) {
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        match Limited::new(body, self.settings.max_body_bytes).collect().await {
            Ok(collected) => {
                let message = collected.to_bytes();
                respond(self.server, principal, parts.headers, message).await
            }
            Err(fault) if fault.is::<LengthLimitError>() => refused(StatusCode::PAYLOAD_TOO_LARGE),
            // The client stopped in the middle, or took too long.
            Err(_) => refused(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

impl<B> Service<Request<B>> for McpService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

/// How the work on an answer began.
enum Begun {
    Whole(Reply),
    FirstPart(Vec<u8>),
}

async fn respond(
    server: Arc<Server<Principal>>,
    principal: Arc<Principal>,
    headers: HeaderMap,
    message: Bytes,
) -> Response<ResponseBody> {
    let slot = Arc::new(Slot::default());
    let lease = principal.lease.clone();
    let output = Output::streamed(Arc::clone(&slot) as Arc<_>);
    let mut work: Work = Box::pin(async move {
        let routing = routing_headers(&headers);
        let exchange =
            Exchange { principal: &*principal, message: &message, headers: Some(routing) };
        server.handle(exchange, output).await
    });
    let begun = poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(reply) => Poll::Ready(Begun::Whole(reply)),
        Poll::Pending => {
            slot.take().map_or(Poll::Pending, |part| Poll::Ready(Begun::FirstPart(part)))
        }
    })
    .await;
    match begun {
        // A part that left in the same breath in which the work ended comes first.
        Begun::Whole(reply) => whole(reply, slot.take()),
        Begun::FirstPart(part) => {
            json(StatusCode::OK, ResponseBody::streaming(part, work, slot, lease))
        }
    }
}

fn whole(reply: Reply, first_part: Option<Vec<u8>>) -> Response<ResponseBody> {
    let status = match reply.status {
        Status::Accepted => return empty(StatusCode::ACCEPTED),
        Status::Gone => return empty(StatusCode::INTERNAL_SERVER_ERROR),
        // The legacy era answers a request that was understood with 200, errors included.
        Status::Answered | Status::Refused(_, Some(Era::Legacy)) => StatusCode::OK,
        Status::Refused(Code::MethodNotFound, Some(Era::Modern)) => StatusCode::NOT_FOUND,
        Status::Refused(Code::InternalError, _) => StatusCode::INTERNAL_SERVER_ERROR,
        Status::Refused(_, Some(Era::Modern) | None) => StatusCode::BAD_REQUEST,
    };
    let rest = reply.output.into_rest();
    let bytes = match first_part {
        None => rest,
        Some(mut bytes) => {
            bytes.extend(rest);
            bytes
        }
    };
    json(status, Bytes::from(bytes).into())
}

fn json(status: StatusCode, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}

/// A refusal below the protocol: the reason phrase, as JSON.
fn refused(status: StatusCode) -> Response<ResponseBody> {
    let reason = status.canonical_reason().unwrap_or("Refused");
    let mut response = json(status, Bytes::from(format!(r#"{{"error":"{reason}"}}"#)).into());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// `application/json`, with or without parameters; said once.
fn is_json(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (said.next(), said.next()) else { return false };
    let essence = value.to_str().ok().and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn routing_headers(headers: &HeaderMap) -> RoutingHeaders<'_> {
    let mut doubled = None;
    let mut once = |name: &HeaderName, shown: &'static str| {
        let mut said = headers.get_all(name).iter();
        let first = said.next();
        if said.next().is_some() {
            doubled = Some(shown);
        }
        first.and_then(|value| value.to_str().ok())
    };
    let version = once(&VERSION, "MCP-Protocol-Version");
    let method = once(&METHOD, "Mcp-Method");
    let name = once(&NAME, "Mcp-Name");
    RoutingHeaders { version, method, name, doubled }
}
