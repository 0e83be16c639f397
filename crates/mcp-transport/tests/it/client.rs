//! A client that says exactly what a test wants it to say.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mcp_transport::{McpService, ResponseBody};
use serde_json::{Value, json};
use tower_service::Service as _;

use crate::events::EventStream;
use crate::play::soon;
use crate::service::Holder;

/// What clients of the SDKs say that they take.
pub(crate) const BOTH: &str = "application/json, text/event-stream";

#[derive(Clone)]
pub(crate) struct Client {
    service: McpService,
    pub(crate) holder: Arc<Holder>,
    headers: HeaderMap,
}

impl Client {
    pub(crate) fn new(service: McpService, holder: Arc<Holder>) -> Self {
        let client = Self { service, holder, headers: HeaderMap::new() };
        client.with("content-type", "application/json").with("accept", BOTH)
    }

    /// The same client, with one more header on each request, or another value of one.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// The same client, with a header that stands there once more.
    pub(crate) fn with_another(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    /// The same client with another credential.
    pub(crate) fn held_by(mut self, holder: Arc<Holder>) -> Self {
        self.holder = holder;
        self
    }

    /// The same client in a session that agreed on `revision`, as one that can ask its user.
    pub(crate) async fn in_session(self, revision: &str) -> Self {
        let answer = self.initialize(revision, json!({ "elicitation": {} })).await;
        let id = session_of(&answer).expect("a session is opened");
        self.with("mcp-session-id", &id).with("mcp-protocol-version", revision)
    }

    pub(crate) async fn initialize(
        &self,
        revision: &str,
        capabilities: Value,
    ) -> Response<ResponseBody> {
        let params = json!({
            "protocolVersion": revision,
            "capabilities": capabilities,
            "clientInfo": { "name": "client", "version": "1" },
        });
        self.post(&request("initialize", &params)).await
    }

    pub(crate) fn session(&self) -> &str {
        self.headers["mcp-session-id"].to_str().unwrap()
    }

    pub(crate) async fn send(&self, method: Method, body: String) -> Response<ResponseBody> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.headers_mut() = self.headers.clone();
        request.extensions_mut().insert(Arc::clone(&self.holder.principal));
        let mut service = self.service.clone();
        service.call(request).await.unwrap()
    }

    pub(crate) async fn post(&self, message: &Value) -> Response<ResponseBody> {
        self.send(Method::POST, message.to_string()).await
    }

    pub(crate) async fn get(&self) -> Response<ResponseBody> {
        self.send(Method::GET, String::new()).await
    }

    /// GET with the id of the event that was seen last.
    pub(crate) async fn get_after(&self, last: &str) -> Response<ResponseBody> {
        self.clone().with("last-event-id", last).get().await
    }

    pub(crate) async fn delete(&self) -> Response<ResponseBody> {
        self.send(Method::DELETE, String::new()).await
    }

    /// Calls the tool; its request has the id 1.
    pub(crate) async fn play(&self, steps: &[&str]) -> Response<ResponseBody> {
        self.post(&play(1, steps)).await
    }

    /// Calls the tool, which says something before its answer.
    pub(crate) async fn watch(&self, steps: &[&str]) -> EventStream {
        let response = soon(self.play(steps)).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        EventStream::of(response)
    }

    pub(crate) async fn ping(&self) -> StatusCode {
        self.post(&request("ping", &json!({}))).await.status()
    }
}

/// A call of the tool that plays `steps`, and wants to hear of its progress.
pub(crate) fn play(id: u64, steps: &[&str]) -> Value {
    let params = json!({
        "name": "play",
        "arguments": { "steps": steps },
        "_meta": { "progressToken": "p" },
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

pub(crate) fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// A request of the modern era; over HTTP it needs the headers of [`modern_headers`] too.
pub(crate) fn modern(id: u64, method: &str, mut params: Value) -> Value {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// A client of the modern era that calls the tool.
pub(crate) fn modern_headers(client: Client) -> Client {
    client
        .with("mcp-protocol-version", "2026-07-28")
        .with("mcp-method", "tools/call")
        .with("mcp-name", "play")
}

pub(crate) fn modern_play(steps: &[&str]) -> Value {
    let params = play(1, steps)["params"].take();
    modern(1, "tools/call", params)
}

pub(crate) fn cancelled(id: u64) -> Value {
    let params = json!({ "requestId": id });
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })
}

pub(crate) fn session_of(response: &Response<ResponseBody>) -> Option<String> {
    let id = response.headers().get("mcp-session-id")?;
    Some(id.to_str().unwrap().to_owned())
}

/// The body of a response, to its end.
pub(crate) async fn text(response: Response<ResponseBody>) -> String {
    let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The one message that a plain answer is.
pub(crate) async fn answer(response: Response<ResponseBody>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&text(response).await).unwrap()
}

/// What the tool wrote.
pub(crate) fn written(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default()
}
