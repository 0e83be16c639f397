//! What every answer must be, whatever it answers.

use std::collections::BTreeMap;

use mcp_protocol::{Code, Incoming, Reply, Status, parse};
use serde_json::Value;
use serde_json::value::RawValue;

/// The codes that exist.
const CODES: [Code; 9] = [
    Code::ParseError,
    Code::InvalidRequest,
    Code::MethodNotFound,
    Code::InvalidParams,
    Code::InternalError,
    Code::ResourceNotFound,
    Code::HeaderMismatch,
    Code::MissingCapability,
    Code::UnsupportedVersion,
];

/// Checks what `message` was answered with, and returns it: `begun` left before the rest, which
/// is in `reply`.
pub fn check_answer(message: &[u8], begun: Vec<u8>, reply: Reply) -> Vec<u8> {
    let status = reply.status;
    let answer = [begun, reply.output.into_rest()].concat();
    match status {
        Status::Accepted | Status::Cancelled => assert!(answer.is_empty(), "nothing to answer"),
        // What gave up in the middle may stand anywhere.
        Status::Gone => {}
        Status::Answered | Status::Refused(..) if answer.starts_with(b"[") => {
            assert_eq!(status, Status::Answered, "a batch is answered");
            check_batch(message, &answer);
        }
        Status::Answered => {
            assert!(matches!(check_one(&answer), Said::Result), "answered without a result");
            let request = request(message).expect("whatever has a result was a request");
            assert_eq!(id_of(&answer), request, "the id goes back as it was written");
            check_request(message, &answer);
        }
        Status::Refused(code, _) => {
            let Said::Error(said) = check_one(&answer) else { panic!("refused with a result") };
            assert_eq!(said, code.number(), "the status and the answer disagree");
            let id = id_of(&answer);
            let known = members(message).and_then(|members| members.get("id").copied());
            assert!(id == "null" || known.map(RawValue::get) == Some(id), "a foreign id: {id}");
        }
    }
    answer
}

/// Checks a message that this server sent of its own.
pub fn check_message(message: &[u8]) {
    one_line(message);
    match parse(message) {
        Ok(Incoming::Request(_) | Incoming::Notification { .. }) => {}
        other => panic!("neither a question nor a notification: {other:?}"),
    }
}

/// Checks how a message is read: what counts as a request is one.
pub fn check_reading(message: &[u8]) {
    if let Ok(Incoming::Request(read)) = parse(message) {
        assert_eq!(request(message), Some(read.id.get()), "read as a request");
    }
}

/// Checks a request that was served: in the era that it claims, and with objects where there have
/// to be some.
fn check_request(message: &[u8], answer: &[u8]) {
    let message: Value = serde_json::from_slice(message).expect("it was served, so it is JSON");
    let answer: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    let params = &message["params"];
    let is_modern = answer["result"]["resultType"].is_string();
    let meta = &params["_meta"];
    let claims = meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28";
    assert_eq!(is_modern, claims, "served in another era than it claims");
    assert!(!is_modern || meta["io.modelcontextprotocol/clientCapabilities"].is_object());
    let objects: &[&str] = match message["method"].as_str() {
        Some("completion/complete") => &["ref", "argument"],
        Some("subscriptions/listen") => &["notifications"],
        _ => &[],
    };
    for name in objects {
        assert!(params[*name].is_object(), "params.{name} is no object");
    }
    assert!(params["context"].is_object() || params["context"].is_null() || objects.len() != 2);
}

/// What an answer says.
enum Said {
    Result,
    Error(i32),
}

/// An answer is an object on one line: a version, an id, and a result or an error.
fn check_one(answer: &[u8]) -> Said {
    one_line(answer);
    let members = members(answer).expect("an answer is an object");
    assert_eq!(members["jsonrpc"].get(), "\"2.0\"");
    assert_eq!(members.len(), 3, "a version, an id, and what is said");
    assert!(members.contains_key("id"));
    if members["id"].get() != "null" {
        // The strict reader of this server takes it: no key is doubled, nothing is too deep.
        assert!(matches!(parse(answer), Ok(Incoming::Response(_))), "not a response");
    }
    let Some(error) = members.get("error") else {
        assert!(members["result"].get().starts_with('{'), "a result is an object");
        return Said::Result;
    };
    let error: Value = serde_json::from_str(error.get()).expect("an error is JSON");
    assert!(error["message"].is_string());
    let code = error["code"].as_i64().and_then(|code| i32::try_from(code).ok());
    let code = code.expect("a code is a small number");
    assert!(CODES.iter().any(|known| known.number() == code), "an invented code: {code}");
    Said::Error(code)
}

/// Answers of a batch, in the order of its messages; not every message has one.
fn check_batch(message: &[u8], answer: &[u8]) {
    one_line(answer);
    let answers: Vec<&RawValue> = serde_json::from_slice(answer).expect("an array of answers");
    assert!(!answers.is_empty(), "an empty answer to a batch");
    let messages: Vec<&RawValue> = serde_json::from_slice(message).expect("answered as a batch");
    let mut messages = messages.into_iter();
    for answer in answers {
        let answer = answer.get().as_bytes();
        let said = check_one(answer);
        let id = id_of(answer);
        if id == "null" {
            assert!(matches!(said, Said::Error(_)), "a result for nobody");
            continue;
        }
        let asked = messages.find(|message| {
            let members = members(message.get().as_bytes());
            members.is_some_and(|members| members.get("id").is_some_and(|sent| sent.get() == id))
        });
        let asked = asked.expect("an answer to a message that was not sent").get().as_bytes();
        if matches!(said, Said::Result) {
            assert!(request(asked).is_some(), "whatever has a result was a request");
        }
    }
}

/// The id of a message that is a request beyond doubt. A reading of its own, which shares no code
/// with the one that it judges.
fn request(message: &[u8]) -> Option<&str> {
    let members = members(message)?;
    let value = |name: &str| -> Option<Value> {
        members.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok())
    };
    let is_request = value("jsonrpc") == Some("2.0".into())
        && value("method").is_some_and(|method| method.is_string())
        && value("params").is_none_or(|params| params.is_object() || params.is_null())
        && value("id").is_some_and(|id| id.is_string() || id.is_number());
    is_request.then(|| members["id"].get())
}

fn id_of(answer: &[u8]) -> &str {
    members(answer).map_or("", |members| members["id"].get())
}

/// The members of an object, unread.
fn members(object: &[u8]) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_slice(object).ok()
}

fn one_line(message: &[u8]) {
    assert!(!message.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "more than a line");
}
