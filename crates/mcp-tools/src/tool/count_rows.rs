//! `count_rows`: how many rows a table has that fit a condition.

use std::borrow::Cow;

use mcp_identity::Principal;
use mcp_protocol::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use mcp_query::{
    Column, Count, Databases, MAX_NAME_BYTES, QueryFault, Row, Rows, Stop, quote_identifier,
};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::arguments::{chosen, database_property};
use crate::catalog::shown_identifier;
use crate::told::failure_within;

/// Counts the rows of one table.
pub(crate) struct CountRows {
    databases: Databases,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    #[serde(borrow)]
    table: Cow<'a, str>,
    #[serde(borrow)]
    schema: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "where")]
    condition: Option<Cow<'a, str>>,
    #[serde(borrow)]
    database: Option<Cow<'a, str>>,
}

impl CountRows {
    pub(crate) fn new(databases: Databases) -> Self {
        Self { databases }
    }

    async fn run(
        &self,
        call: ToolCall<'_, Principal>,
        output: &mut ToolOutput,
    ) -> Result<ToolResult, ToolFailure> {
        let arguments: Arguments<'_> = crate::arguments::read(call.arguments)?;
        check_name("table", &arguments.table)?;
        arguments.schema.as_deref().map_or(Ok(()), |schema| check_name("schema", schema))?;
        let (database, limits) =
            chosen(&self.databases, call.principal, arguments.database.as_deref())?;
        let count = Count {
            schema: arguments.schema.as_deref(),
            table: &arguments.table,
            // An empty one is what a form sends that was left empty.
            condition: arguments.condition.as_deref().filter(|text| !text.trim().is_empty()),
        };
        let mut counted = Counted(None);
        let counting = self.databases.count(call.principal, database, count, &mut counted).await;
        counting.map_err(|fault| told(&fault, &limits))?;
        let rows = counted.0.ok_or_else(|| {
            ToolFailure::Told("Error: PostgreSQL counted, and said no number".into())
        })?;
        let (shown, fitting) =
            (shown(&count), if count.condition.is_some() { " that fit" } else { "" });
        let plural = if rows == 1 { "row" } else { "rows" };
        output
            .write(&format!("{rows} {plural} of {shown} in database {database}{fitting}"))
            .await?;
        let data = json!({
            "database": database.as_str(),
            "schema": count.schema,
            "table": count.table,
            "count": rows,
        });
        let structured = to_raw_value(&data).map_err(|fault| {
            ToolFailure::Told(format!("Error: the count could not be written: {fault}"))
        })?;
        Ok(ToolResult { structured: Some(structured) })
    }
}

/// PostgreSQL would cut a name that is too long and find another table.
fn check_name(argument: &str, name: &str) -> Result<(), ToolFailure> {
    let told = match name.len() {
        0 => format!("Error: {argument} is empty"),
        1..=MAX_NAME_BYTES => return Ok(()),
        bytes => format!(
            "Error: {argument} has {bytes} bytes; no name in PostgreSQL has more than \
             {MAX_NAME_BYTES}"
        ),
    };
    Err(ToolFailure::Told(told))
}

/// A position is one in the condition: the rest is written here.
fn told(fault: &QueryFault, limits: &mcp_query::Limits) -> ToolFailure {
    match (fault, failure_within(fault, limits)) {
        (QueryFault::Database(error), ToolFailure::Told(_)) if error.position.is_some() => {
            ToolFailure::Told(fault.told_of("where"))
        }
        (_, failure) => failure,
    }
}

fn shown(count: &Count<'_>) -> String {
    let identifier = |name: &str| shown_identifier(name, &quote_identifier(name));
    let schema = count.schema.map(|schema| identifier(schema) + ".").unwrap_or_default();
    schema + &identifier(count.table)
}

struct Counted(Option<u64>);

impl Rows for Counted {
    async fn columns(&mut self, _: &[Column]) -> Result<(), Stop> {
        Ok(())
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        self.0 = row.get(0).and_then(|count| count.parse().ok());
        Ok(())
    }
}

impl Tool<Principal> for CountRows {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "count_rows",
            title: "Count rows",
            description: "Counts the rows of a table or view, exactly, or those that fit a \
                condition. Names are given as they are, without quotes."
                .into(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "table": { "type": "string", "minLength": 1, "description": "Name of a table or view, without quotes." },
                    "schema": { "type": "string", "minLength": 1, "description": "Its schema; without it, the first on the search path that has such a table." },
                    "where": { "type": "string", "description": "A condition in SQL, as behind WHERE: total > 10 AND paid." },
                    "database": database_property()
                },
                "required": ["table"],
                "additionalProperties": false
            }),
            output_schema: Some(json!({
                "type": "object",
                "properties": {
                    "database": { "type": "string" },
                    "schema": { "type": ["string", "null"], "description": "As it was given." },
                    "table": { "type": "string" },
                    "count": { "type": "integer", "minimum": 0 }
                },
                "required": ["database", "schema", "table", "count"],
                "additionalProperties": false
            })),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_postgresql_would_cut_is_refused() {
        assert!(check_name("table", &"ü".repeat(31)).is_ok());
        assert!(check_name("table", &"x".repeat(63)).is_ok());
        for name in ["", &"ü".repeat(32)] {
            assert!(check_name("table", name).is_err(), "{name}");
        }
    }
}
