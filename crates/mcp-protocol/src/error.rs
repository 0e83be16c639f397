//! JSON-RPC errors: the codes of the base protocol and of MCP, no others.

use std::borrow::Cow;

use serde_json::Value;

/// A code of JSON-RPC 2.0 §5.1 or of MCP's own range. No code is invented in -32099…-32000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// -32700: not JSON, or JSON that this server does not take (duplicate keys, too deep).
    ParseError,
    /// -32600: JSON, and not a request.
    InvalidRequest,
    /// -32601: no such method in this revision.
    MethodNotFound,
    /// -32602: the method's parameters are missing or wrong; an unknown tool too.
    InvalidParams,
    /// -32603: our own failure.
    InternalError,
    /// -32603, too: a tool that reports its failures as errors of the protocol, because its
    /// clients were written for that. No failure of ours.
    ToolExecution,
    /// -32002 (legacy): there is no such resource.
    ResourceNotFound,
    /// -32020 (modern): a routing header is missing or differs from the body.
    HeaderMismatch,
    /// -32021 (modern): the client did not say that it can do what is needed.
    MissingCapability,
    /// -32022 (modern): the revision asked for is not served.
    UnsupportedVersion,
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::ParseError => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::InternalError | Self::ToolExecution => -32603,
            Self::ResourceNotFound => -32002,
            Self::HeaderMismatch => -32020,
            Self::MissingCapability => -32021,
            Self::UnsupportedVersion => -32022,
        }
    }
}

/// An error that answers a request.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// What kind.
    pub code: Code,
    /// One short sentence for whoever reads the client's log.
    pub message: Cow<'static, str>,
    /// Details that a program can use, if any.
    pub data: Option<Value>,
    /// When to try again, where that is the reason.
    pub hold_off: Option<HoldOff>,
}

/// Why a request was not even tried, and for how long that will be so. Where the transport has
/// statuses, it has one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldOff {
    /// After how many seconds it may be tried again; at least 1.
    pub seconds: u64,
    /// The server is busy, and would be for anybody; `false`: this client tried too often.
    pub busy: bool,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None, hold_off: None }
    }

    /// The same, with details.
    #[must_use]
    pub fn with_data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }

    /// [`Code::InvalidParams`] with a message.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidParams, message)
    }

    /// [`Code::MethodNotFound`] for that method.
    #[must_use]
    pub fn method_not_found(method: &str) -> Self {
        Self::new(Code::MethodNotFound, format!("Method not found: {}", excerpt(method)))
    }
}

/// The beginning of a client's text: an answer never grows with what was sent.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    const MAX_CHARS: usize = 128;
    match text.char_indices().nth(MAX_CHARS) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}
