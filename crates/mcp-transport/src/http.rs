//! The MCP endpoint as a tower service.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use mcp_identity::{Caller, Principal};
use mcp_protocol::{
    Code, Era, Exchange, Handshake, HoldOff, Output, Part, Reply, Revision, Server, Status,
};
use tower_service::Service;

use crate::body::ResponseBody;
use crate::feed;
use crate::job::{Home, Job, Step, event, is_said};
use crate::request_headers::{
    Parameters, SESSION, VERSION, is_json, only, routing_headers, takes_event_stream,
};
use crate::session::McpSession;
use crate::sessions::Sessions;
use crate::slot::Slot;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// After this time without an answer, a client that takes an event stream gets one: something on
/// the way may hold silence for death.
const PATIENCE: Duration = Duration::from_secs(5);

/// Limits of the endpoint. They come from `http.limits` in the configuration.
#[derive(Clone, Copy, Debug)]
pub struct HttpSettings {
    /// The largest message, in bytes.
    pub max_body_bytes: usize,
}

/// What somebody may do who is not let in yet: call one tool, and nothing else.
#[derive(Clone)]
pub struct Threshold {
    /// The server that has the tool. Its caller is whoever is on the wire.
    pub server: Arc<Server<Caller>>,
    /// The tool.
    pub tool: &'static str,
    /// The largest message that a stranger may send, in bytes.
    pub max_body_bytes: usize,
}

/// Answers the MCP paths. Cheap to clone.
#[derive(Clone)]
pub struct McpService {
    sessions: Sessions,
    settings: HttpSettings,
    needs_credential: fn() -> Response<ResponseBody>,
    threshold: Option<Threshold>,
}

impl McpService {
    /// The endpoint over the server of `sessions`. `needs_credential` is what a stranger gets.
    #[must_use]
    pub fn new(
        sessions: Sessions,
        settings: HttpSettings,
        needs_credential: fn() -> Response<ResponseBody>,
    ) -> Self {
        Self { sessions, settings, needs_credential, threshold: None }
    }

    /// Lets strangers call one tool.
    #[must_use]
    pub fn threshold(self, threshold: Threshold) -> Self {
        Self { threshold: Some(threshold), ..self }
    }

    async fn answer<B>(self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let Some(principal) = parts.extensions.get::<Arc<Principal>>().cloned() else {
            return self.answer_stranger(&parts, body).await;
        };
        match parts.method {
            Method::POST => {}
            Method::GET => return self.listen(&principal, &parts.headers),
            Method::DELETE => return self.end_session(&principal, &parts.headers),
            _ => return refused(StatusCode::METHOD_NOT_ALLOWED),
        }
        if !is_json(&parts.headers) {
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let session = match self.session_of(&principal, &parts.headers) {
            Ok(session) => session,
            Err(status) => return refused(status),
        };
        match Limited::new(body, self.settings.max_body_bytes).collect().await {
            Ok(collected) => {
                let message = collected.to_bytes();
                self.respond(principal, parts.headers, session, message).await
            }
            Err(fault) if fault.is::<LengthLimitError>() => refused(StatusCode::PAYLOAD_TOO_LARGE),
            // The client stopped in the middle, or took too long.
            Err(_) => refused(StatusCode::REQUEST_TIMEOUT),
        }
    }

    /// Answers a call of the one tool that strangers may call; whatever else it is needs a
    /// credential.
    async fn answer_stranger<B>(&self, parts: &Parts, body: B) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (Some(threshold), Some(caller)) = (&self.threshold, parts.extensions.get::<Caller>())
        else {
            return (self.needs_credential)();
        };
        if parts.method != Method::POST || !is_json(&parts.headers) {
            return (self.needs_credential)();
        }
        let Ok(body) = Limited::new(body, threshold.max_body_bytes).collect().await else {
            return (self.needs_credential)();
        };
        let (message, parameters) = (body.to_bytes(), Parameters(&parts.headers));
        let exchange = Exchange {
            principal: caller,
            message: &message,
            headers: Some(routing_headers(&parts.headers, &parameters)),
            conversation: None,
        };
        match threshold.server.handle_only(threshold.tool, exchange, Output::held()).await {
            Some(reply) => whole(reply),
            None => (self.needs_credential)(),
        }
    }

    /// The session that a request names. The modern era has none, whatever a header says.
    fn session_of(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
    ) -> Result<Option<Arc<McpSession>>, StatusCode> {
        let revision = only(headers, VERSION).ok().flatten();
        let is_modern = revision.and_then(Revision::find).map(Revision::era) == Some(Era::Modern);
        if is_modern || !headers.contains_key(SESSION) {
            return Ok(None);
        }
        let id = only(headers, SESSION).map_err(|_| StatusCode::BAD_REQUEST)?;
        let session = id.and_then(|id| self.sessions.find(id, principal));
        session.map(Some).ok_or(StatusCode::NOT_FOUND)
    }

    /// GET: what a session hears between its requests, or missed of an earlier answer.
    fn listen(&self, principal: &Principal, headers: &HeaderMap) -> Response<ResponseBody> {
        let session = match self.session_of(principal, headers) {
            Ok(Some(session)) => session,
            Ok(None) => return refused(StatusCode::METHOD_NOT_ALLOWED),
            Err(status) => return refused(status),
        };
        if !takes_event_stream(headers) {
            return refused(StatusCode::NOT_ACCEPTABLE);
        }
        match feed::open(&self.sessions, session, headers) {
            Ok(events) => event_stream(ResponseBody::feed(events, principal.lease.clone())),
            Err(status) => refused(status),
        }
    }

    /// DELETE: the client is done with its session.
    fn end_session(&self, principal: &Principal, headers: &HeaderMap) -> Response<ResponseBody> {
        match self.session_of(principal, headers) {
            Ok(Some(session)) => {
                self.sessions.end(&session);
                empty(StatusCode::NO_CONTENT)
            }
            Ok(None) => refused(StatusCode::METHOD_NOT_ALLOWED),
            Err(status) => refused(status),
        }
    }

    async fn respond(
        self,
        principal: Arc<Principal>,
        headers: HeaderMap,
        session: Option<Arc<McpSession>>,
        message: Bytes,
    ) -> Response<ResponseBody> {
        let slot = Arc::new(Slot::new(takes_event_stream(&headers)));
        let output = Output::streamed(Arc::clone(&slot) as Arc<_>);
        let server = Arc::clone(self.sessions.server());
        let home = session.clone().map(|session| Home { sessions: self.sessions.clone(), session });
        let (caller, lease) = (Arc::clone(&principal), principal.lease.clone());
        let work = Box::pin(async move {
            let parameters = Parameters(&headers);
            let exchange = Exchange {
                principal: &*caller,
                message: &message,
                headers: Some(routing_headers(&headers, &parameters)),
                conversation: session.as_ref().map(|session| &session.conversation),
            };
            server.handle(exchange, output).await
        });
        let mut job = Job::new(work, slot, lease, home);
        match begin(&mut job).await {
            Begun::Whole(reply) => self.whole(&principal, job.session().is_some(), reply),
            Begun::Parts(first) => json(StatusCode::OK, ResponseBody::parts(first, job)),
            Begun::Events(first) => event_stream(events(first, job)),
            Begun::LeaseEnded => (self.needs_credential)(),
        }
    }

    /// The response to an answer that is there as a whole.
    fn whole(
        &self,
        principal: &Principal,
        has_session: bool,
        reply: Reply,
    ) -> Response<ResponseBody> {
        let handshake = reply.handshake().filter(|_| !has_session);
        let mut response = whole(reply);
        let opened = handshake.and_then(|handshake| self.open(principal, handshake));
        if let Some(id) = opened {
            response.headers_mut().insert(SESSION, id);
        }
        response
    }

    fn open(&self, principal: &Principal, handshake: Handshake) -> Option<HeaderValue> {
        let session = self.sessions.open(principal, handshake)?;
        HeaderValue::from_str(&session.id).ok()
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

/// How an answer began, which decides what kind of response it is.
enum Begun {
    Whole(Reply),
    Parts(Vec<u8>),
    Events(First),
    LeaseEnded,
}

/// How an event stream begins.
enum First {
    /// With a message, and perhaps the answer right behind it.
    Message(Vec<u8>, Option<Reply>),
    /// By letting the client go.
    LetGo,
    /// With nothing: it took too long.
    Silence,
}

/// Works until it is known what kind of response it will be.
async fn begin(job: &mut Job) -> Begun {
    let first = poll_fn(|cx| Poll::Ready(job.poll(cx))).await;
    let step = match first {
        Poll::Ready(step) => step,
        Poll::Pending => {
            let patience = pin!(tokio::time::sleep(PATIENCE));
            match next_step(job, patience).await {
                Some(step) => step,
                None => return Begun::Events(First::Silence),
            }
        }
    };
    match step {
        Step::LeaseEnded => Begun::LeaseEnded,
        Step::Part(Part::Answer(part)) => Begun::Parts(part),
        Step::Part(Part::Message(message)) => Begun::Events(First::Message(message, None)),
        Step::Part(Part::LetGo) => Begun::Events(First::LetGo),
        Step::End(Some(Part::Message(message)), reply) if is_said(&reply) => {
            Begun::Events(First::Message(message, Some(reply)))
        }
        Step::End(None | Some(Part::Message(_) | Part::LetGo), reply) => Begun::Whole(reply),
        // The part that left in the same breath in which the work ended comes first.
        Step::End(Some(Part::Answer(part)), reply) => Begun::Whole(reply.after(part)),
    }
}

/// The next step; `None`: a client that takes an event stream has waited long enough.
async fn next_step(job: &mut Job, mut patience: Pin<&mut tokio::time::Sleep>) -> Option<Step> {
    poll_fn(|cx| {
        if let Poll::Ready(step) = job.poll(cx) {
            return Poll::Ready(Some(step));
        }
        if !job.takes_events() {
            return Poll::Pending;
        }
        patience.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// The event stream of a request.
fn events(first: First, mut job: Job) -> ResponseBody {
    let mut bytes = Vec::new();
    let stream = job.session().and_then(McpSession::begin_stream);
    if let Some((stream, priming)) = stream {
        job.remember(stream);
        bytes.extend(priming);
    }
    match first {
        First::Message(message, reply) => {
            bytes.extend(event(&job, &message));
            if let Some(reply) = reply {
                bytes.extend(event(&job, &reply.output.into_rest()));
                job.finish_stream();
            }
        }
        First::LetGo if job.let_go() => {}
        First::LetGo | First::Silence => bytes.extend(crate::event::KEEP_ALIVE),
    }
    ResponseBody::events(bytes.into(), job)
}

fn whole(reply: Reply) -> Response<ResponseBody> {
    if let Some(hold_off) = reply.hold_off {
        return held_off(hold_off, reply);
    }
    let status = match reply.status {
        Status::Accepted => return empty(StatusCode::ACCEPTED),
        Status::Cancelled => return empty(StatusCode::NO_CONTENT),
        Status::Gone => return empty(StatusCode::INTERNAL_SERVER_ERROR),
        // The legacy era answers a request that was understood with 200, errors included; and a
        // tool's own way to say that it failed is no failure of the protocol.
        Status::Answered
        | Status::Refused(_, Some(Era::Legacy))
        | Status::Refused(Code::ToolExecution, _) => StatusCode::OK,
        Status::Refused(Code::MethodNotFound, Some(Era::Modern)) => StatusCode::NOT_FOUND,
        Status::Refused(Code::InternalError, _) => StatusCode::INTERNAL_SERVER_ERROR,
        Status::Refused(_, Some(Era::Modern) | None) => StatusCode::BAD_REQUEST,
    };
    json(status, Bytes::from(reply.output.into_rest()).into())
}

/// The response to a request that was not even tried.
fn held_off(hold_off: HoldOff, reply: Reply) -> Response<ResponseBody> {
    let status =
        if hold_off.busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::TOO_MANY_REQUESTS };
    let mut response = json(status, Bytes::from(reply.output.into_rest()).into());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(hold_off.seconds));
    response
}

fn json(status: StatusCode, body: ResponseBody) -> Response<ResponseBody> {
    typed(status, JSON, body)
}

fn event_stream(body: ResponseBody) -> Response<ResponseBody> {
    let mut response = typed(StatusCode::OK, EVENT_STREAM, body);
    // A proxy that collects a response before it passes it on would hold the events back.
    response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

fn typed(
    status: StatusCode,
    content_type: HeaderValue,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
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
        // GET and DELETE belong to sessions; who has none can only POST.
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
