//! The arguments of a call, read with errors that a model can act on.

use mcp_identity::{DatabaseName, Principal};
use mcp_protocol::ToolFailure;
use mcp_query::{Databases, Limits, QueryFault};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::told::failure;

/// Reads the arguments of a tool. What is missing, unknown or of another type is told by name.
pub(crate) fn read<'a, T: Deserialize<'a>>(arguments: &'a RawValue) -> Result<T, ToolFailure> {
    serde_json::from_str(arguments.get()).map_err(|fault| {
        // The parser's place means nothing to a model that never saw the text.
        let fault = fault.to_string();
        let words = fault.split(" at line ").next().unwrap_or_default().to_owned();
        ToolFailure::Told(format!("Error: the arguments do not fit: {words}"))
    })
}

/// The argument that every tool has, as its schema describes it.
pub(crate) fn database_property() -> Value {
    json!({
        "type": "string",
        "description": "A configured database that this credential reaches (list_databases); \
            without it, its first one."
    })
}

/// The database that a call means, and what a statement there may cost.
pub(crate) fn chosen<'a>(
    databases: &'a Databases,
    principal: &'a Principal,
    asked: Option<&str>,
) -> Result<(&'a DatabaseName, Limits), ToolFailure> {
    let found = databases.choose(principal, asked).and_then(|database| {
        let limits = databases.limits(database).ok_or(QueryFault::UnknownDatabase)?;
        Ok((database, *limits))
    });
    found.map_err(|fault| failure(&fault))
}
