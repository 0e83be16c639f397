//! The dispatch as a transport sees it: bytes in, bytes out, in both eras.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mcp_protocol::{
    Annotations, BoxFuture, Code, Era, Exchange, Implementation, Output, RoutingHeaders, Server,
    Status, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use serde_json::{Value, json};

/// A tool that repeats its arguments, or fails when it is told to.
struct Echo(&'static str);

impl Tool<u32> for Echo {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: self.0,
            title: "Echo",
            description: "Repeats its arguments".into(),
            input_schema: json!({ "type": "object" }),
            output_schema: None,
            annotations: Annotations::READS,
            icons: Vec::new(),
        }
    }

    fn call<'a>(
        &'a self,
        call: ToolCall<'a, u32>,
        text: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(async move {
            text.write(&format!("{} said {}", call.principal, call.arguments)).await?;
            if call.arguments.get().contains("fail") {
                return Err(ToolFailure::Told("failed as \"told\"".into()));
            }
            Ok(ToolResult::default())
        })
    }
}

fn server() -> Server<u32> {
    let implementation =
        Implementation { name: "echo", title: "Echo", version: "1", icons: Vec::new() };
    Server::builder(implementation)
        .tool(Arc::new(Echo("echo")))
        .tool(Arc::new(Echo("secret")))
        .permits(|caller, tool| *caller == 1 || tool != "secret")
        .build()
}

fn ask_as(caller: u32, message: &str, headers: Option<RoutingHeaders<'_>>) -> (Status, Value) {
    let server = server();
    let exchange =
        Exchange { principal: &caller, message: message.as_bytes(), headers, conversation: None };
    let mut reply = pin!(server.handle(exchange, Output::held()));
    let Poll::Ready(reply) = reply.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing here waits");
    };
    let rest = reply.output.into_rest();
    let answer = if rest.is_empty() { Value::Null } else { serde_json::from_slice(&rest).unwrap() };
    (reply.status, answer)
}

fn ask(message: &Value) -> (Status, Value) {
    ask_as(7, &message.to_string(), None)
}

fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

fn legacy(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

#[test]
fn initialize_agrees_on_the_version_asked_for_or_on_the_newest_legacy_one() {
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-06-18", "2025-06-18"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": {} });
        let (_, answer) = ask(&legacy("initialize", &params));
        assert_eq!(answer["result"]["protocolVersion"], agreed);
        assert_eq!(answer["result"]["serverInfo"]["name"], "echo");
    }
}

#[test]
fn a_legacy_result_carries_nothing_of_the_modern_era() {
    let (_, answer) = ask(&legacy("ping", &json!({})));
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    let (_, answer) = ask(&legacy("tools/list", &json!({})));
    let keys: Vec<_> = answer["result"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["tools"]);
}

#[test]
fn a_modern_result_says_that_it_is_complete_who_served_it_and_how_long_it_keeps() {
    let (_, answer) = ask(&modern("tools/list", json!({})));
    let result = &answer["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["cacheScope"], "private");
    assert!(result["ttlMs"].is_u64());
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "echo");
    let (_, answer) = ask(&modern("server/discover", json!({})));
    assert_eq!(answer["result"]["supportedVersions"], json!(["2026-07-28"]));
}

#[test]
fn methods_of_the_other_era_do_not_exist() {
    for message in [
        modern("ping", json!({})),
        legacy("server/discover", &json!({})),
        modern("tools/nonsense", json!({})),
    ] {
        let (status, answer) = ask(&message);
        assert!(matches!(status, Status::Refused(Code::MethodNotFound, Some(_))), "{message}");
        assert_eq!(answer["error"]["code"], -32601);
        assert_eq!(answer["id"], 1);
    }
}

#[test]
fn both_eras_give_the_same_content() {
    let params = json!({ "name": "echo", "arguments": { "a": "\"\n\u{2028}" } });
    let (_, old) = ask(&legacy("tools/call", &params));
    let (_, new) = ask(&modern("tools/call", params));
    assert_eq!(old["result"]["content"], new["result"]["content"]);
    assert_eq!(old["result"]["isError"], false);
    assert_eq!(new["result"]["resultType"], "complete");
}

#[test]
fn a_failure_of_the_tool_is_told_to_the_model_after_what_was_written() {
    let params = json!({ "name": "echo", "arguments": { "fail": 1 } });
    let (status, answer) = ask(&legacy("tools/call", &params));
    assert_eq!(status, Status::Answered);
    assert_eq!(answer["result"]["isError"], true);
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, "7 said {\"fail\":1}\nfailed as \"told\"");
}

#[test]
fn a_tool_that_the_caller_may_not_use_does_not_exist_for_him() {
    let (_, list) = ask(&legacy("tools/list", &json!({})));
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 1);
    let (_, foreign) = ask(&legacy("tools/call", &json!({ "name": "secret" })));
    let (_, unknown) = ask(&legacy("tools/call", &json!({ "name": "nonsense" })));
    assert_eq!(foreign["error"]["code"], unknown["error"]["code"]);
    assert_eq!(foreign["error"]["message"], "Unknown tool: secret");
    let call = legacy("tools/call", &json!({ "name": "secret" })).to_string();
    let (_, allowed) = ask_as(1, &call, None);
    assert_eq!(allowed["result"]["isError"], false);
}

#[test]
fn wrong_parameters_are_named() {
    for (params, fault) in [
        (json!({}), "params.name is missing"),
        (json!({ "name": 3 }), "params.name must be a string"),
        (json!({ "name": "echo", "arguments": [] }), "params.arguments must be an object"),
    ] {
        let (_, answer) = ask(&legacy("tools/call", &params));
        assert_eq!(answer["error"]["code"], -32602);
        assert_eq!(answer["error"]["message"], fault);
    }
    let (_, answer) = ask(&legacy("tools/list", &json!({ "cursor": "forged" })));
    assert_eq!(answer["error"]["code"], -32602);
}

#[test]
fn a_modern_request_that_says_half_is_refused() {
    let mut message = modern("tools/list", json!({}));
    let meta = message["params"]["_meta"].as_object_mut().unwrap();
    meta.remove("io.modelcontextprotocol/clientCapabilities");
    let (status, answer) = ask(&message);
    assert_eq!(status, Status::Refused(Code::InvalidParams, None));
    assert_eq!(answer["error"]["code"], -32602);
}

#[test]
fn a_version_that_is_not_served_is_answered_with_those_that_are() {
    let mut message = modern("tools/list", json!({}));
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2031-01-01".into();
    let (_, answer) = ask(&message);
    assert_eq!(answer["error"]["code"], -32022);
    assert_eq!(
        answer["error"]["data"],
        json!({ "supported": ["2026-07-28"], "requested": "2031-01-01" })
    );
}

#[test]
fn headers_that_differ_from_the_body_stop_the_request_before_it_runs() {
    let call = modern("tools/call", json!({ "name": "echo" })).to_string();
    let right = RoutingHeaders {
        version: Some("2026-07-28"),
        method: Some("tools/call"),
        name: Some("echo"),
        unusable: None,
        parameters: None,
    };
    let (status, _) = ask_as(7, &call, Some(right));
    assert_eq!(status, Status::Answered);
    let encoded = RoutingHeaders { name: Some("=?base64?ZWNobw==?="), ..right };
    assert_eq!(ask_as(7, &call, Some(encoded)).0, Status::Answered);
    for wrong in [
        RoutingHeaders { version: None, ..right },
        RoutingHeaders { version: Some("2025-11-25"), ..right },
        RoutingHeaders { method: None, ..right },
        RoutingHeaders { method: Some("tools/list"), ..right },
        RoutingHeaders { name: None, ..right },
        RoutingHeaders { name: Some("secret"), ..right },
        RoutingHeaders { name: Some("=?base64?ZWNo?="), ..right },
        RoutingHeaders { unusable: Some("Mcp-Name"), ..right },
    ] {
        let (status, answer) = ask_as(7, &call, Some(wrong));
        assert_eq!(status, Status::Refused(Code::HeaderMismatch, None), "{wrong:?}");
        assert_eq!(answer["error"]["code"], -32020);
        assert_eq!(answer["id"], 1);
    }
}

#[test]
fn a_modern_header_over_a_body_that_says_nothing_is_refused() {
    let headers = RoutingHeaders { version: Some("2026-07-28"), ..RoutingHeaders::default() };
    let message = legacy("tools/list", &json!({})).to_string();
    let (_, answer) = ask_as(7, &message, Some(headers));
    assert_eq!(answer["error"]["code"], -32602);
}

#[test]
fn notifications_and_responses_are_taken_without_an_answer() {
    for message in [
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 4, "result": {} }),
    ] {
        assert_eq!(ask(&message), (Status::Accepted, Value::Null));
    }
}

#[test]
fn an_error_of_the_legacy_era_knows_its_era() {
    let (status, _) = ask(&legacy("nonsense", &json!({})));
    assert_eq!(status, Status::Refused(Code::MethodNotFound, Some(Era::Legacy)));
}

#[test]
fn a_batch_is_answered_where_the_revision_has_batches_and_nowhere_else() {
    let call = legacy("tools/call", &json!({ "name": "echo", "arguments": {} }));
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let begin = legacy("initialize", &json!({ "protocolVersion": "2025-03-26" }));
    let broken = json!({ "jsonrpc": "2.0", "id": 9 });
    let batch = json!([call, told, begin, modern("ping", json!({})), broken]).to_string();
    let assumed = RoutingHeaders::default();
    let said = RoutingHeaders { version: Some("2025-03-26"), ..assumed };
    for headers in [assumed, said] {
        let (status, answer) = ask_as(7, &batch, Some(headers));
        assert_eq!(status, Status::Answered);
        let answers = answer.as_array().unwrap();
        assert_eq!(answers[0]["result"]["isError"], false);
        let codes: Vec<_> = answers[1..].iter().map(|answer| &answer["error"]["code"]).collect();
        assert_eq!(codes, [&json!(-32600), &json!(-32020), &json!(-32600)]);
    }
    for version in ["2024-11-05", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let headers = RoutingHeaders { version: Some(version), ..assumed };
        let (status, _) = ask_as(7, &batch, Some(headers));
        assert_eq!(status, Status::Refused(Code::InvalidRequest, None), "{version}");
    }
    assert_eq!(ask_as(7, &batch, None).0, Status::Refused(Code::InvalidRequest, None));
}

#[test]
fn a_batch_is_bounded_and_one_without_requests_is_only_taken() {
    let headers = Some(RoutingHeaders::default());
    let pings = |count| {
        let ping = legacy("ping", &json!({}));
        Value::from(vec![ping; count]).to_string()
    };
    assert_eq!(ask_as(7, &pings(50), headers).1.as_array().unwrap().len(), 50);
    assert_eq!(ask_as(7, &pings(51), headers).0, Status::Refused(Code::InvalidRequest, None));
    assert_eq!(ask_as(7, "[]", headers).0, Status::Refused(Code::InvalidRequest, None));
    assert_eq!(ask_as(7, "[1", headers).0, Status::Refused(Code::ParseError, None));
    let told = r#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#;
    assert_eq!(ask_as(7, told, headers), (Status::Accepted, Value::Null));
}

#[test]
fn json_hidden_in_a_text_is_refused_before_it_is_read() {
    // The parser's own key for "the JSON in this text": each level would start counting anew.
    let bomb = (0..12).fold("1".to_owned(), |inner, _| {
        let text = Value::String(format!("{}{inner}{}", "[".repeat(100), "]".repeat(100)));
        format!(r#"{{"$serde_json::private::RawValue":{text}}}"#)
    });
    for message in [
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{bomb}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{bomb}}}"#),
    ] {
        let (status, _) = ask_as(7, &message, None);
        assert_eq!(status, Status::Refused(Code::ParseError, None));
    }
}
