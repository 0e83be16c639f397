//! Whether the process answers, and whether it should be sent requests. Cached states: neither
//! costs a query, and neither says a name or a version.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use mcp_auth::Auth;
use mcp_store_file::FileState;
use mcp_store_postgres::ChannelState;
use mcp_transport::ResponseBody;

/// What `/health` and `/ready` say. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Health(Arc<State>);

struct State {
    serving: AtomicBool,
    /// Who lets callers in. `None` where nobody needs a credential.
    auth: Option<Auth>,
    /// Of what credentials are kept in.
    stores: Vec<StoreState>,
}

/// How a place is doing in which credentials are kept.
pub(crate) enum StoreState {
    File(FileState),
    /// The connection on which the database tells of changes.
    Channel(ChannelState),
}

impl StoreState {
    fn is_faulty(&self) -> bool {
        match self {
            Self::File(file) => file.is_faulty(),
            Self::Channel(channel) => !channel.is_up(),
        }
    }
}

impl Health {
    /// Not serving yet.
    pub(crate) fn new(auth: Option<Auth>, stores: Vec<StoreState>) -> Self {
        Self(Arc::new(State { serving: AtomicBool::new(false), auth, stores }))
    }

    /// Requests are taken from now on, or no longer.
    pub(crate) fn set_serving(&self, serving: bool) {
        self.0.serving.store(serving, Ordering::Relaxed);
    }

    /// `/health`: the process answers. Degraded while a credential file cannot be used, or the
    /// database of the credentials cannot be heard, and the credentials of before are in force.
    pub(crate) fn health(&self, method: &Method) -> Response<ResponseBody> {
        let degraded = self.0.stores.iter().any(StoreState::is_faulty);
        let said = if degraded { r#"{"status":"degraded"}"# } else { r#"{"status":"ok"}"# };
        answer(method, StatusCode::OK, said)
    }

    /// `/ready`: 503 while starting or draining, and while nobody could be let in.
    pub(crate) fn ready(&self, method: &Method) -> Response<ResponseBody> {
        let lets_in = self.0.auth.as_ref().is_none_or(Auth::can_judge);
        if lets_in && self.0.serving.load(Ordering::Relaxed) {
            answer(method, StatusCode::OK, r#"{"status":"ready"}"#)
        } else {
            answer(method, StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"unavailable"}"#)
        }
    }
}

fn answer(method: &Method, status: StatusCode, body: &'static str) -> Response<ResponseBody> {
    if method != Method::GET && method != Method::HEAD {
        let mut response =
            json(StatusCode::METHOD_NOT_ALLOWED, r#"{"error":"Method Not Allowed"}"#);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    json(status, body)
}

/// A constant as a JSON response that nobody keeps. hyper leaves the body out for HEAD.
pub(crate) fn json(status: StatusCode, body: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()).into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
