//! The headers that repeat a request's body: what runs in the modern era says the same in both.
//!
//! The input is written like an HTTP request: lines `Name: value`, an empty line, the body.

#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use mcp_fuzz::{check_answer, now, principal, server};
use mcp_identity::Principal;
use mcp_protocol::{
    Era, Exchange, Found, Output, ParameterHeaders, RoutingHeaders, Server, Status, decode_header,
};
use serde_json::Value;

static SERVER: LazyLock<Server<Principal>> = LazyLock::new(server);

fuzz_target!(|input: &str| {
    let (head, body) = input.split_once("\n\n").unwrap_or((input, ""));
    let head = Head(head.lines().filter_map(|line| line.split_once(": ")).collect());
    for (_, value) in &head.0 {
        comes_back(value);
    }
    comes_back(body);
    answers_only_what_agrees(&head, body);
});

/// The lines of a head, in their order.
#[derive(Debug)]
struct Head<'h>(Vec<(&'h str, &'h str)>);

impl<'h> Head<'h> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'h str> {
        let named = self.0.iter().filter(move |(said, _)| said.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value)
    }

    fn first(&self, name: &str) -> Option<&'h str> {
        self.all(name).next()
    }

    fn routing(&self) -> RoutingHeaders<'_> {
        let names = ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"];
        RoutingHeaders {
            version: self.first(names[0]),
            method: self.first(names[1]),
            name: self.first(names[2]),
            unusable: names.into_iter().find(|name| self.all(name).count() > 1),
            parameters: Some(self),
        }
    }
}

impl ParameterHeaders for Head<'_> {
    fn find(&self, name: &str) -> Found<'_> {
        let mut said = self.all(name);
        match (said.next(), said.next()) {
            (None, _) => Found::Nothing,
            (Some(text), None) => Found::Once(text),
            (Some(_), Some(_)) => Found::Unusable,
        }
    }
}

/// What a client encodes is decoded, and what is decoded was encoded in that one way.
fn comes_back(text: &str) {
    let encode = |text: &str| format!("=?base64?{}?=", STANDARD.encode(text));
    assert_eq!(decode_header(&encode(text)).as_deref(), Some(text));
    match decode_header(text) {
        Some(decoded) => assert!(decoded == text || encode(&decoded) == text, "two ways to say it"),
        None => assert!(text.starts_with("=?base64?") && text.ends_with("?=")),
    }
}

fn answers_only_what_agrees(head: &Head<'_>, body: &str) {
    let (caller, _end) = principal("caller");
    let routing = head.routing();
    let is_doubled = routing.unusable.is_some();
    let exchange = Exchange {
        principal: &caller,
        message: body.as_bytes(),
        headers: Some(routing),
        conversation: None,
    };
    // Nothing here waits: who cannot be asked is not asked, and nobody listens without a stream.
    let reply = now(SERVER.handle(exchange, Output::held())).expect("an answer at once");
    let status = reply.status;
    let answer = check_answer(body.as_bytes(), Vec::new(), reply);
    let runs_modern = match status {
        Status::Refused(_, era) => era == Some(Era::Modern),
        Status::Answered => {
            let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
            // A batch is legacy all through.
            let batch = answer.as_array().into_iter().flatten();
            batch.for_each(|answer| assert!(!is_modern_result(answer), "modern, in a batch"));
            assert!(!is_doubled || answer.is_array(), "a header twice, and an answer");
            is_modern_result(&answer)
        }
        Status::Accepted | Status::Cancelled | Status::Gone => false,
    };
    if runs_modern {
        agree(head, &serde_json::from_str(body).expect("what ran was JSON"), status);
    }
}

fn is_modern_result(answer: &Value) -> bool {
    answer["result"]["resultType"].is_string()
}

/// Every header says what the body says.
fn agree(head: &Head<'_>, body: &Value, status: Status) {
    let params = &body["params"];
    let version = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
    assert_eq!(head.first("MCP-Protocol-Version"), version.as_str());
    let method = body["method"].as_str().expect("a method");
    assert_eq!(head.first("Mcp-Method"), Some(method));
    let said = |name: &str| head.first(name).and_then(decode_header);
    let member = match method {
        "tools/call" | "prompts/get" => &params["name"],
        "resources/read" => &params["uri"],
        _ => return,
    };
    if let Some(member) = member.as_str() {
        assert_eq!(said("Mcp-Name").as_deref(), Some(member));
    }
    // The one argument that the tool asks clients to repeat.
    if member == "repeat" && status == Status::Answered {
        let said = said("Mcp-Param-Region");
        match &params["arguments"]["region"] {
            Value::String(region) => assert_eq!(said.as_deref(), Some(&**region)),
            Value::Bool(region) => assert_eq!(said, Some(region.to_string().into())),
            Value::Number(region) => {
                let number = said.and_then(|said| said.parse::<f64>().ok());
                assert_eq!(number, region.as_f64());
            }
            Value::Null | Value::Array(_) | Value::Object(_) => {
                assert_eq!(head.first("Mcp-Param-Region"), None);
            }
        }
    }
}
