//! What a modern request says about itself: in `params._meta`, and once more in headers that
//! proxies route by. Both must agree before anything runs, or a proxy and this server would act
//! on two different requests.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{Code, RpcError, excerpt};
use crate::message::text;
use crate::params::Params;
use crate::revision::{Era, Revision};

/// The headers of an HTTP request that repeat its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoutingHeaders<'h> {
    /// `MCP-Protocol-Version`.
    pub version: Option<&'h str>,
    /// `Mcp-Method`.
    pub method: Option<&'h str>,
    /// `Mcp-Name`: the tool, prompt or resource; may be written `=?base64?…?=`.
    pub name: Option<&'h str>,
    /// One of them that stood there more than once: readers of the first and of the last would
    /// disagree, so the request is refused.
    pub doubled: Option<&'static str>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
}

/// Decides the era of a request, and checks all that a modern one must say.
///
/// `headers` is `None` where the transport has none (stdio).
pub(crate) fn classify(
    method: &str,
    params: &Params<'_>,
    headers: Option<&RoutingHeaders<'_>>,
) -> Result<Era, RpcError> {
    if let Some(header) = headers.and_then(|headers| headers.doubled) {
        let message = format!("the {header} header appears more than once");
        return Err(RpcError::new(Code::HeaderMismatch, message));
    }
    let meta = params.meta.and_then(|raw| serde_json::from_str::<Meta<'_>>(raw.get()).ok());
    let claimed = meta.as_ref().and_then(|meta| meta.version);
    let header_version = headers.and_then(|headers| headers.version);
    let header_era = header_version.and_then(Revision::find).map(Revision::era);
    // `initialize` is how the legacy era begins, whatever else the request carries.
    let modern = method != "initialize" && (claimed.is_some() || header_era == Some(Era::Modern));
    if !modern {
        return match header_version {
            Some(version) if header_era.is_none() => Err(unsupported(version)),
            _ => Ok(Era::Legacy),
        };
    }
    let (Some(claimed), Some(_)) = (claimed, meta.and_then(|meta| meta.capabilities)) else {
        return Err(RpcError::invalid_params(
            "params._meta must hold io.modelcontextprotocol/protocolVersion and \
             io.modelcontextprotocol/clientCapabilities",
        ));
    };
    let version = text(claimed)
        .ok_or_else(|| RpcError::invalid_params("the protocol version must be a string"))?;
    if let Some(headers) = headers {
        check_headers(headers, &version, method, params)?;
    }
    match Revision::find(&version).map(Revision::era) {
        Some(Era::Modern) => Ok(Era::Modern),
        Some(Era::Legacy) | None => Err(unsupported(&version)),
    }
}

fn check_headers(
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

fn unsupported(requested: &str) -> RpcError {
    let supported: Vec<_> = Revision::ALL
        .iter()
        .filter(|revision| revision.era() == Era::Modern)
        .map(|revision| revision.as_str())
        .collect();
    RpcError {
        code: Code::UnsupportedVersion,
        message: "Unsupported protocol version".into(),
        data: Some(json!({ "supported": supported, "requested": excerpt(requested) })),
    }
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

#[cfg(test)]
mod tests {
    use super::decode_header;

    #[test]
    fn an_encoded_header_is_decoded_and_a_broken_one_equals_nothing() {
        assert_eq!(decode_header("query_database").as_deref(), Some("query_database"));
        assert_eq!(decode_header("=?base64?w7w=?=").as_deref(), Some("ü"));
        for broken in ["=?base64?w7w?=", "=?base64?!!!?=", "=?base64?/w==?=", "=?base64?w7x=?="] {
            assert_eq!(decode_header(broken), None, "{broken}");
        }
    }
}
