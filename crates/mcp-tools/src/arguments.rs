//! The arguments of a call, read with errors that a model can act on.

use mcp_protocol::ToolFailure;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads the arguments of a tool. What is missing, unknown or of another type is told by name.
pub(crate) fn read<'a, T: Deserialize<'a>>(arguments: &'a RawValue) -> Result<T, ToolFailure> {
    serde_json::from_str(arguments.get()).map_err(|fault| {
        // The parser's place means nothing to a model that never saw the text.
        let fault = fault.to_string();
        let words = fault.split(" at line ").next().unwrap_or_default().to_owned();
        ToolFailure::Told(format!("Error: the arguments do not fit: {words}"))
    })
}
