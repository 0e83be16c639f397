//! The envelope of one message, borrowed from the bytes it came in.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Code, RpcError};
use crate::strict;

/// One message of a client.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// Wants an answer.
    Request(Request<'a>),
    /// Wants none.
    Notification {
        /// What it is about.
        method: Cow<'a, str>,
        /// Its parameters, unread.
        params: Option<&'a RawValue>,
    },
    /// Answers a question of this server.
    Response(Response<'a>),
}

/// The answer to a question of this server.
#[derive(Debug)]
pub struct Response<'a> {
    /// The id of the question.
    pub id: &'a RawValue,
    /// What it says, unread; `None` if it is an error.
    pub result: Option<&'a RawValue>,
}

/// A message that wants an answer.
#[derive(Debug)]
pub struct Request<'a> {
    /// A string or a number, as it was written: it goes back to the byte.
    pub id: &'a RawValue,
    /// What is asked.
    pub method: Cow<'a, str>,
    /// An object, unread; `None` if there is none.
    pub params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Present<'a>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A member that may be `null`, which is not the same as missing.
#[derive(Debug, Default)]
pub(crate) struct Present<'a>(pub(crate) Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Present<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a RawValue>::deserialize(deserializer).map(|raw| Self(Some(raw)))
    }
}

/// A message that was refused, with the id to answer to where one could be read.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The id as it was written; `None`: the answer says `null`.
    pub id: Option<&'a RawValue>,
    /// Why.
    pub error: RpcError,
}

/// Reads one message.
///
/// # Errors
/// [`Code::ParseError`] for what is not JSON or not acceptable JSON, [`Code::InvalidRequest`]
/// for JSON that is no message; with the id, where there is a usable one.
pub fn parse(bytes: &[u8]) -> Result<Incoming<'_>, Refused<'_>> {
    let json = strict::check(bytes).map_err(|fault| Refused {
        id: None,
        error: RpcError::new(Code::ParseError, format!("Parse error: {fault}")),
    })?;
    let no_object = || invalid(None, "a message is one JSON object");
    // The parser would take an array of the members in their order, too.
    if !json.trim_ascii_start().starts_with('{') {
        return Err(no_object());
    }
    let envelope: Envelope<'_> = serde_json::from_str(json).map_err(|_| no_object())?;
    let id = envelope.id.0.filter(|id| is_id(id));
    if envelope.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
        return Err(invalid(id, "jsonrpc must be \"2.0\""));
    }
    if envelope.id.0.is_some() && id.is_none() {
        return Err(invalid(None, "id must be a string or a number"));
    }
    let Some(method) = envelope.method else {
        return match (id, envelope.result.is_some() ^ envelope.error.is_some()) {
            (Some(id), true) => Ok(Incoming::Response(Response { id, result: envelope.result })),
            _ => Err(invalid(id, "method is missing")),
        };
    };
    let method = text(method).ok_or_else(|| invalid(id, "method must be a string"))?;
    if envelope.params.is_some_and(|params| !params.get().starts_with('{')) {
        return Err(invalid(id, "params must be an object"));
    }
    Ok(match id {
        Some(id) => Incoming::Request(Request { id, method, params: envelope.params }),
        None => Incoming::Notification { method, params: envelope.params },
    })
}

fn invalid<'a>(id: Option<&'a RawValue>, fault: &str) -> Refused<'a> {
    Refused { id, error: RpcError::new(Code::InvalidRequest, format!("Invalid Request: {fault}")) }
}

/// A string or a number: what JSON-RPC and MCP take as an id.
fn is_id(id: &RawValue) -> bool {
    id.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
}

/// A JSON string, borrowed unless it holds escapes.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|Text(text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> (Code, Option<&str>) {
        let refused = parse(text.as_bytes()).unwrap_err();
        (refused.error.code, refused.id.map(RawValue::get))
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_id_where_there_is_one() {
        use Code::{InvalidRequest, ParseError};
        for (text, code, id) in [
            ("{", ParseError, None),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, ParseError, None),
            ("[]", InvalidRequest, None),
            ("3", InvalidRequest, None),
            (r#"{"id":1,"method":"ping"}"#, InvalidRequest, Some("1")),
            (r#"{"jsonrpc":"1.0","id":"x","method":"ping"}"#, InvalidRequest, Some("\"x\"")),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, InvalidRequest, None),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, InvalidRequest, None),
            (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, InvalidRequest, None),
            (r#"{"jsonrpc":"2.0","id":7}"#, InvalidRequest, Some("7")),
            (r#"{"jsonrpc":"2.0","id":7,"method":3}"#, InvalidRequest, Some("7")),
            (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[1]}"#, InvalidRequest, Some("7")),
        ] {
            assert_eq!(refusal(text), (code, id), "{text}");
        }
    }

    #[test]
    fn an_id_goes_back_as_it_was_written() {
        for id in ["1", "-7", "1e3", "12345678901234567890", r#""\u0061b""#] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            match parse(text.as_bytes()) {
                Ok(Incoming::Request(request)) => assert_eq!(request.id.get(), id),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_method_with_escapes_is_the_same_method() {
        let text = r#"{"jsonrpc":"2.0","method":"\u0070ing"}"#;
        let Ok(Incoming::Notification { method, .. }) = parse(text.as_bytes()) else { panic!() };
        assert_eq!(method, "ping");
    }
}
