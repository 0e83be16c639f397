//! `list_databases`: what the argument `database` of the other tools may say.

use std::fmt::Write as _;

use mcp_identity::Principal;
use mcp_protocol::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use mcp_query::{Databases, Limits};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::to_raw_value;

/// Lists the databases that a credential reaches.
pub(crate) struct ListDatabases {
    databases: Databases,
}

/// None: it lists all there is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    default: bool,
    max_rows: u64,
    max_result_bytes: u64,
    statement_timeout_ms: u64,
}

impl ListDatabases {
    pub(crate) fn new(databases: Databases) -> Self {
        Self { databases }
    }

    async fn run(
        &self,
        call: ToolCall<'_, Principal>,
        output: &mut ToolOutput,
    ) -> Result<ToolResult, ToolFailure> {
        let Arguments {} = crate::arguments::read(call.arguments)?;
        let reached = self.databases.reached(call.principal);
        let limited =
            reached.filter_map(|name| Some((name.as_str(), self.databases.limits(name)?)));
        let listed: Vec<_> = limited
            .enumerate()
            .map(|(place, (name, limits))| listed(place, name, limits))
            .collect();
        output.write(&text(&listed)).await?;
        let structured = to_raw_value(&json!({ "databases": listed })).map_err(|fault| {
            ToolFailure::Told(format!("Error: the list could not be written: {fault}"))
        })?;
        Ok(ToolResult { structured: Some(structured) })
    }
}

fn listed<'a>(place: usize, name: &'a str, limits: &Limits) -> Listed<'a> {
    let timeout = limits.statement_timeout.as_millis();
    Listed {
        name,
        default: place == 0,
        max_rows: limits.max_rows,
        max_result_bytes: limits.max_result_bytes,
        statement_timeout_ms: u64::try_from(timeout).unwrap_or(u64::MAX),
    }
}

fn text(listed: &[Listed<'_>]) -> String {
    let mut text = String::new();
    for Listed { name, default, max_rows, max_result_bytes, statement_timeout_ms } in listed {
        let default = if *default { " (default)" } else { "" };
        let _ = writeln!(
            text,
            "{name}{default}: a call returns up to {max_rows} rows and {max_result_bytes} bytes, \
             and may take {statement_timeout_ms} ms"
        );
    }
    match listed.len() {
        0 => text.push_str("-- this credential reaches no database"),
        1 => text.push_str("-- 1 database"),
        count => drop(write!(text, "-- {count} databases")),
    }
    text
}

impl Tool<Principal> for ListDatabases {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "list_databases",
            title: "List the databases",
            description: "Lists the databases that this credential reaches, by the names that \
                the argument database of the other tools takes, and what one call may return."
                .into(),
            input_schema: json!({ "type": "object", "properties": {}, "additionalProperties": false }),
            output_schema: Some(output_schema()),
            annotations: Annotations::READS,
            icons: Vec::new(),
        }
    }

    fn call<'a>(
        &'a self,
        call: ToolCall<'a, Principal>,
        output: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(self.run(call, output))
    }
}

fn output_schema() -> serde_json::Value {
    let count =
        |description| json!({ "type": "integer", "minimum": 0, "description": description });
    let database = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "default": { "type": "boolean", "description": "What a call without a database means." },
            "max_rows": count("The most rows that one call returns."),
            "max_result_bytes": count("The most text that one call returns, in bytes."),
            "statement_timeout_ms": count("How long a statement may run.")
        },
        "required": ["name", "default", "max_rows", "max_result_bytes", "statement_timeout_ms"],
        "additionalProperties": false
    });
    json!({
        "type": "object",
        "properties": { "databases": { "type": "array", "items": database } },
        "required": ["databases"],
        "additionalProperties": false
    })
}

#[cfg(test)]
mod tests {
    use super::{Listed, text};

    #[test]
    fn the_default_is_named_and_none_is_said() {
        let listed = |name, default| Listed {
            name,
            default,
            max_rows: 10,
            max_result_bytes: 20,
            statement_timeout_ms: 30,
        };
        assert_eq!(
            text(&[listed("sales", true), listed("stock", false)]),
            "sales (default): a call returns up to 10 rows and 20 bytes, and may take 30 ms\n\
             stock: a call returns up to 10 rows and 20 bytes, and may take 30 ms\n\
             -- 2 databases"
        );
        assert_eq!(text(&[]), "-- this credential reaches no database");
    }
}
