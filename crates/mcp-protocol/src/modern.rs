//! What a request says about its client: in the modern era in `params._meta` and once more in
//! headers, in the legacy era by the conversation that it belongs to.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::client::{ClientCapabilities, LogLevel};
use crate::conversation::Conversation;
use crate::error::{Code, RpcError, excerpt};
use crate::headers::{self, RoutingHeaders};
use crate::message::text;
use crate::params::Params;
use crate::revision::{Era, Revision};

/// What is known of the client of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) revision: Revision,
    pub(crate) capabilities: ClientCapabilities,
    pub(crate) log_level: Option<LogLevel>,
    /// A string or a number.
    pub(crate) progress_token: Option<&'a RawValue>,
}

impl Said<'_> {
    pub(crate) fn era(&self) -> Era {
        self.revision.era()
    }
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<&'a RawValue>,
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

/// Decides the era of a request, and checks all that a modern one must say.
///
/// `headers` is `None` where the transport has none (stdio).
pub(crate) fn classify<'a>(
    method: &str,
    params: &Params<'a>,
    headers: Option<&RoutingHeaders<'_>>,
    conversation: Option<&Conversation>,
) -> Result<Said<'a>, RpcError> {
    if let Some(header) = headers.and_then(|headers| headers.unusable) {
        let message = format!("the {header} header appears more than once, or is no text");
        return Err(RpcError::new(Code::HeaderMismatch, message));
    }
    // Members are read by their names alone; one that is wrong hides none of the others.
    let meta = params.meta.filter(|raw| raw.get().starts_with('{'));
    let meta = meta.and_then(|raw| serde_json::from_str::<Meta<'a>>(raw.get()).ok());
    let meta = meta.unwrap_or_default();
    let progress_token = meta.progress_token.filter(|token| is_token(token));
    let header_version = headers.and_then(|headers| headers.version);
    let header_revision = header_version.and_then(Revision::find);
    // `initialize` without a claim is how the legacy era begins, whatever the headers say.
    let by_header = header_revision.is_some_and(|revision| revision.era() == Era::Modern);
    if meta.version.is_some() || (by_header && method != "initialize") {
        let said = modern(method, params, headers, &meta)?;
        return Ok(Said { progress_token, ..said });
    }
    if let (Some(version), None) = (header_version, header_revision) {
        return Err(unsupported(version));
    }
    let handshake = conversation.and_then(Conversation::handshake);
    let assumed = header_revision.filter(|revision| revision.era() == Era::Legacy);
    Ok(Said {
        revision: handshake
            .map_or(assumed.unwrap_or(Revision::ASSUMED), |handshake| handshake.revision),
        capabilities: handshake.map(|handshake| handshake.capabilities).unwrap_or_default(),
        log_level: conversation.map(Conversation::log_level),
        progress_token,
    })
}

fn modern<'a>(
    method: &str,
    params: &Params<'a>,
    headers: Option<&RoutingHeaders<'_>>,
    meta: &Meta<'a>,
) -> Result<Said<'a>, RpcError> {
    let capabilities = meta.capabilities.and_then(ClientCapabilities::read);
    let (Some(claimed), Some(capabilities)) = (meta.version, capabilities) else {
        return Err(RpcError::invalid_params(
            "params._meta must hold io.modelcontextprotocol/protocolVersion and \
             io.modelcontextprotocol/clientCapabilities",
        ));
    };
    let version = text(claimed)
        .ok_or_else(|| RpcError::invalid_params("the protocol version must be a string"))?;
    if let Some(headers) = headers {
        headers::check(headers, &version, method, params)?;
    }
    let revision = Revision::find(&version).filter(|revision| revision.era() == Era::Modern);
    let log_level = meta.log_level.and_then(text).and_then(|level| LogLevel::find(&level));
    match revision {
        Some(revision) => Ok(Said { revision, capabilities, log_level, progress_token: None }),
        None => Err(unsupported(&version)),
    }
}

/// A string or a number: what a progress token may be.
fn is_token(raw: &RawValue) -> bool {
    raw.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
}

fn unsupported(requested: &str) -> RpcError {
    let supported: Vec<_> = Revision::modern().map(Revision::as_str).collect();
    let data = json!({ "supported": supported, "requested": excerpt(requested) });
    RpcError::new(Code::UnsupportedVersion, "Unsupported protocol version").with_data(data)
}
