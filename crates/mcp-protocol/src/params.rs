//! The parameters that the methods served here read, found in one pass.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::RpcError;
use crate::message::{Present, text};

/// Members of `params`, each unread until somebody needs it. Unknown ones are ignored, as the
/// protocol asks.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    pub(crate) meta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) cursor: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) uri: Option<&'a RawValue>,
    #[serde(borrow, rename = "protocolVersion")]
    pub(crate) protocol_version: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) capabilities: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) level: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    pub(crate) reference: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) argument: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) context: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) notifications: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestId")]
    pub(crate) request_id: Option<&'a RawValue>,
    // A null here is not the same as nothing at all.
    #[serde(borrow, default, rename = "inputResponses")]
    pub(crate) input_responses: Present<'a>,
    #[serde(borrow, default, rename = "requestState")]
    pub(crate) request_state: Present<'a>,
}

impl<'a> Params<'a> {
    /// Reads the members of an object; nothing given is an empty object.
    pub(crate) fn read(raw: Option<&'a RawValue>) -> Result<Self, RpcError> {
        match raw {
            None => Ok(Self::default()),
            Some(raw) => serde_json::from_str(raw.get())
                .map_err(|_| RpcError::invalid_params("params must be an object")),
        }
    }
}

/// A member that must be a string.
pub(crate) fn required_text<'a>(
    member: Option<&'a RawValue>,
    name: &'static str,
) -> Result<Cow<'a, str>, RpcError> {
    let raw =
        member.ok_or_else(|| RpcError::invalid_params(format!("params.{name} is missing")))?;
    text(raw).ok_or_else(|| RpcError::invalid_params(format!("params.{name} must be a string")))
}

/// A member that is a string where it is there.
pub(crate) fn optional_text<'a>(
    member: Option<&'a RawValue>,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, RpcError> {
    member.map(|raw| required_text(Some(raw), name)).transpose()
}
