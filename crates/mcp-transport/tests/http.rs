//! The endpoint as a layer above it sees it: requests with and without a principal.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mcp_identity::{EndReason, Lease, LeaseEnd, Principal};
use mcp_protocol::{
    Annotations, BoxFuture, Implementation, Server, Tool, ToolCall, ToolDescriptor, ToolFailure,
    ToolOutput, ToolResult,
};
use mcp_transport::{BodyError, HttpSettings, McpService, ResponseBody, SessionSettings, Sessions};
use serde_json::{Value, json};
use tower_service::Service as _;

/// Writes as many lines as it is asked for, each a kilobyte; after `wait`, never ends.
struct Lines;

impl Tool<Principal> for Lines {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "lines",
            title: "Lines",
            description: "Writes lines".into(),
            input_schema: json!({ "type": "object" }),
            output_schema: None,
            annotations: Annotations::READS,
            icons: Vec::new(),
        }
    }

    fn call<'a>(
        &'a self,
        call: ToolCall<'a, Principal>,
        text: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(async move {
            let arguments: Value = serde_json::from_str(call.arguments.get()).unwrap();
            for number in 0..arguments["lines"].as_u64().unwrap_or(0) {
                text.write(&format!("{number:01023}\n")).await?;
            }
            if arguments["wait"] == true {
                std::future::pending::<()>().await;
            }
            Ok(ToolResult::default())
        })
    }
}

fn needs_credential() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

fn service() -> McpService {
    let implementation =
        Implementation { name: "lines", title: "Lines", version: "1", icons: Vec::new() };
    let server = Server::builder(implementation).tool(Arc::new(Lines)).build();
    let settings = HttpSettings { max_body_bytes: 4096 };
    let (sessions, _keeper) = Sessions::new(Arc::new(server), SessionSettings::default());
    McpService::new(sessions, settings, needs_credential)
}

fn principal() -> (Arc<Principal>, LeaseEnd) {
    let (mut principal, _) = Principal::local();
    let (lease, end) = Lease::new();
    principal.lease = lease;
    (Arc::new(principal), end)
}

fn post(principal: Option<&Arc<Principal>>, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post("/mcp")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap();
    if let Some(principal) = principal {
        request.extensions_mut().insert(Arc::clone(principal));
    }
    request
}

fn call(arguments: &Value) -> String {
    let params = json!({ "name": "lines", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

#[tokio::test]
async fn a_stranger_gets_what_the_binary_says_whatever_he_sends() {
    for body in ["{", &call(&json!({})), ""] {
        let response = service().call(post(None, body)).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_small_answer_is_whole_and_a_large_one_is_streamed_to_its_last_byte() {
    let (principal, _end) = principal();
    for (lines, whole) in [(1, true), (33, true), (500, false)] {
        let request = post(Some(&principal), &call(&json!({ "lines": lines })));
        let response = service().call(request).await.unwrap();
        let exact = http_body::Body::size_hint(response.body()).exact();
        assert_eq!(exact.is_some(), whole, "{lines}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text.lines().count(), lines);
        assert_eq!(answer["result"]["isError"], false);
    }
}

#[tokio::test]
async fn a_stream_breaks_off_when_the_lease_of_its_principal_ends() {
    let (principal, end) = principal();
    let request = post(Some(&principal), &call(&json!({ "lines": 100, "wait": true })));
    let mut body = service().call(request).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert!(first.into_data().unwrap().len() >= 32 * 1024);
    end.end(EndReason::Revoked);
    let fault = body.collect().await.map(|_| ()).unwrap_err();
    assert_eq!(fault, BodyError::LeaseEnded);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_that_nobody_reads() {
    let (principal, _end) = principal();
    let request = post(Some(&principal), &call(&json!({ "lines": 1_000_000 })));
    let response = service().call(request).await.unwrap();
    // A gigabyte waits behind the first part; a while without a reader makes none of it.
    tokio::time::sleep(Duration::from_mins(1)).await;
    drop(response);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused() {
    let (principal, _end) = principal();
    let request = post(Some(&principal), &" ".repeat(4097));
    let response = service().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_notification_is_accepted_without_a_body() {
    let (principal, _end) = principal();
    let request =
        post(Some(&principal), r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let response = service().call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}
