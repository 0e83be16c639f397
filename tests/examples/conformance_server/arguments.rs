//! The arguments of a call, read with errors that a model can act on.

use mcp_protocol::{Code, RpcError, ToolFailure};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// What the model sent, as `T`. It is told what does not fit, and can call again.
pub(crate) fn read<T: DeserializeOwned>(arguments: &RawValue) -> Result<T, ToolFailure> {
    serde_json::from_str(arguments.get())
        .map_err(|fault| ToolFailure::Told(format!("Error: the arguments do not fit: {fault}")))
}

/// A result that is no JSON is our own failure, and nothing that a model could mend.
pub(crate) fn unwritable(_: serde_json::Error) -> ToolFailure {
    ToolFailure::Refused(RpcError::new(Code::InternalError, "Internal error"))
}
