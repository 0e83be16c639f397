//! The headers of an HTTP request that repeat its body, for proxies that route by them. Both must
//! agree before anything runs, or a proxy and this server would act on two different requests.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::error::{Code, RpcError};
use crate::message::text;
use crate::params::Params;

/// The headers of an HTTP request that repeat its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoutingHeaders<'h> {
    /// `MCP-Protocol-Version`.
    pub version: Option<&'h str>,
    /// `Mcp-Method`.
    pub method: Option<&'h str>,
    /// `Mcp-Name`: the tool, prompt or resource; may be written `=?base64?…?=`.
    pub name: Option<&'h str>,
    /// One of them that stood there more than once, or is no text: its readers would disagree, so
    /// the request is refused.
    pub unusable: Option<&'static str>,
    /// The headers `Mcp-Param-…`, which repeat arguments of a tool.
    pub parameters: Option<&'h dyn ParameterHeaders>,
}

/// Finds the headers that repeat arguments.
pub trait ParameterHeaders: fmt::Debug + Sync {
    /// The header of that name, upper and lower case alike.
    fn find(&self, name: &str) -> Found<'_>;
}

/// A header that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'h> {
    /// It is not there.
    Nothing,
    /// It is there once.
    Once(&'h str),
    /// It is there more than once, or is no text.
    Unusable,
}

/// Compares what a modern request says in its headers with what it says in its body.
pub(crate) fn check(
    headers: &RoutingHeaders<'_>,
    version: &str,
    method: &str,
    params: &Params<'_>,
) -> Result<(), RpcError> {
    if headers.version != Some(version) {
        return Err(mismatch("MCP-Protocol-Version", "the protocol version in params._meta"));
    }
    if headers.method != Some(method) {
        return Err(mismatch("Mcp-Method", "the method"));
    }
    let (member, what) = match method {
        "tools/call" | "prompts/get" => (params.name, "params.name"),
        "resources/read" => (params.uri, "params.uri"),
        _ => return Ok(()),
    };
    // A body without the member is refused for that, by the method itself.
    let Some(expected) = member.and_then(text) else { return Ok(()) };
    let said = headers.name.and_then(decode_header);
    if said.as_deref() == Some(&*expected) { Ok(()) } else { Err(mismatch("Mcp-Name", what)) }
}

fn mismatch(header: &str, part: &str) -> RpcError {
    let message = format!("the {header} header is missing or differs from {part}");
    RpcError::new(Code::HeaderMismatch, message)
}

/// A header's text, decoded where it is written `=?base64?…?=`. `None` if that form is broken:
/// then it equals nothing.
#[must_use]
pub fn decode_header(value: &str) -> Option<Cow<'_, str>> {
    let Some(payload) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(Cow::Borrowed(value));
    };
    let bytes = STANDARD.decode(payload).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// An argument that the tool's schema asks clients to repeat in a header (`x-mcp-header`).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MirroredArgument {
    /// The keys that lead to it.
    path: Vec<String>,
    header: String,
}

impl MirroredArgument {
    /// All of a schema.
    pub(crate) fn all(schema: &Value) -> Vec<Self> {
        let mut found = Vec::new();
        Self::collect(schema, &mut Vec::new(), &mut found);
        found
    }

    fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Self>) {
        let Some(properties) = schema["properties"].as_object() else { return };
        for (key, property) in properties {
            path.push(key.clone());
            if let Some(token) = property["x-mcp-header"].as_str().filter(|token| is_token(token)) {
                found.push(Self { path: path.clone(), header: format!("Mcp-Param-{token}") });
            }
            Self::collect(property, path, found);
            path.pop();
        }
    }

    /// Compares the header with the argument.
    pub(crate) fn check(
        &self,
        headers: &dyn ParameterHeaders,
        arguments: &Value,
    ) -> Result<(), RpcError> {
        let value = self.path.iter().fold(arguments, |value, key| &value[key.as_str()]);
        let agrees = match (headers.find(&self.header), value) {
            (Found::Nothing, Value::Null | Value::Array(_) | Value::Object(_)) => true,
            (Found::Once(said), value) => {
                decode_header(said).is_some_and(|said| is_written(&said, value))
            }
            (Found::Nothing | Found::Unusable, _) => false,
        };
        if agrees {
            return Ok(());
        }
        Err(mismatch(&self.header, &format!("params.arguments.{}", self.path.join("."))))
    }
}

/// Whether `said` is how a header writes `value`. Numbers are compared as numbers.
fn is_written(said: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => said == text,
        Value::Bool(value) => said == if *value { "true" } else { "false" },
        Value::Number(number) => {
            said == number.to_string() || said.parse().is_ok_and(|said| same(&said, number))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

fn same(said: &serde_json::Number, number: &serde_json::Number) -> bool {
    match (said.as_i64(), number.as_i64()) {
        (Some(said), Some(number)) => said == number,
        _ => said.as_f64().is_some() && said.as_f64() == number.as_f64(),
    }
}

/// What a header's name is made of (RFC 9110 §5.6.2).
fn is_token(text: &str) -> bool {
    let tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(tchar)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_encoded_header_is_decoded_and_a_broken_one_equals_nothing() {
        assert_eq!(decode_header("query_database").as_deref(), Some("query_database"));
        assert_eq!(decode_header("=?base64?w7w=?=").as_deref(), Some("ü"));
        for broken in ["=?base64?w7w?=", "=?base64?!!!?=", "=?base64?/w==?=", "=?base64?w7x=?="] {
            assert_eq!(decode_header(broken), None, "{broken}");
        }
    }

    #[derive(Debug)]
    struct One(Found<'static>);

    impl ParameterHeaders for One {
        fn find(&self, name: &str) -> Found<'_> {
            assert_eq!(name, "Mcp-Param-Region");
            self.0
        }
    }

    fn agree(said: Found<'static>, argument: &Value) -> bool {
        let schema = json!({ "properties": { "where": { "properties": {
            "region": { "x-mcp-header": "Region" },
            "broken": { "x-mcp-header": "a b" },
        } } } });
        let mirrored = MirroredArgument::all(&schema);
        assert_eq!(mirrored.len(), 1);
        mirrored[0].check(&One(said), &json!({ "where": { "region": argument } })).is_ok()
    }

    #[test]
    fn an_argument_and_its_header_are_there_together_and_equal_or_not_at_all() {
        use Found::{Nothing, Once, Unusable};
        for (said, argument) in [
            (Nothing, json!(null)),
            (Nothing, json!(["a"])),
            (Once("eu"), json!("eu")),
            (Once("=?base64?w7w=?="), json!("ü")),
            (Once("=?base64?eu"), json!("=?base64?eu")),
            (Once("true"), json!(true)),
            (Once("42"), json!(42)),
            (Once("42.0"), json!(42)),
            (Once("1.5"), json!(1.5)),
        ] {
            assert!(agree(said, &argument), "{said:?} {argument}");
        }
        for (said, argument) in [
            (Nothing, json!("eu")),
            (Once("eu"), json!(null)),
            (Once("eu"), json!(["eu"])),
            (Once("EU"), json!("eu")),
            (Once("=?base64?w7w?="), json!("ü")),
            (Once("1"), json!(true)),
            (Once("43"), json!(42)),
            (Once("9007199254740993"), json!(9_007_199_254_740_992_i64)),
            (Unusable, json!("eu")),
            (Unusable, json!(null)),
        ] {
            assert!(!agree(said, &argument), "{said:?} {argument}");
        }
    }
}
