//! `execute_explain`: how PostgreSQL would run a query, or did.

use std::borrow::Cow;

use mcp_identity::{DatabaseName, Principal};
use mcp_protocol::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use mcp_query::{Column, Databases, ExplainOptions, Plan, Row, Rows, Stop, push_json_text};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::arguments::{chosen, database_property};
use crate::told::failure_within;

/// Shows the plan of one read.
pub(crate) struct ExecuteExplain {
    databases: Databases,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    #[serde(borrow)]
    query: Cow<'a, str>,
    #[serde(default)]
    analyze: bool,
    #[serde(default)]
    buffers: bool,
    #[serde(default)]
    format: Format,
    #[serde(borrow)]
    database: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Json,
}

impl ExecuteExplain {
    pub(crate) fn new(databases: Databases) -> Self {
        Self { databases }
    }

    async fn run(
        &self,
        call: ToolCall<'_, Principal>,
        output: &mut ToolOutput,
    ) -> Result<ToolResult, ToolFailure> {
        let arguments: Arguments<'_> = crate::arguments::read(call.arguments)?;
        if begins_with_explain(&arguments.query) {
            let told = "Error: give the query itself, without EXPLAIN; analyze, buffers and \
                format are arguments of this tool";
            return Err(ToolFailure::Told(told.into()));
        }
        let (database, limits) =
            chosen(&self.databases, call.principal, arguments.database.as_deref())?;
        let json = arguments.format == Format::Json;
        let options = ExplainOptions {
            analyze: arguments.analyze,
            buffers: arguments.buffers,
            json,
            ..ExplainOptions::default()
        };
        let plan = Plan { query: &arguments.query, options };
        let mut lines =
            PlanLines { text: String::new(), most: limits.max_result_bytes, cut: false };
        let explained = self.databases.explain(call.principal, database, plan, &mut lines).await;
        explained.map_err(|fault| failure_within(&fault, &limits))?;
        let last = last_line(database, arguments.analyze, &lines);
        if json {
            in_json(lines, &last, database, output).await
        } else {
            in_text(lines, &last, output).await
        }
    }
}

async fn in_text(
    lines: PlanLines,
    last: &str,
    output: &mut ToolOutput,
) -> Result<ToolResult, ToolFailure> {
    output.write(&lines.text).await?;
    output.write(last).await?;
    Ok(ToolResult::default())
}

/// PostgreSQL's own JSON is passed on as it is: a number in it is not ours to round.
async fn in_json(
    lines: PlanLines,
    last: &str,
    database: &DatabaseName,
    output: &mut ToolOutput,
) -> Result<ToolResult, ToolFailure> {
    if lines.cut {
        let most = lines.most;
        let told = format!("Error: the plan is larger than {most} bytes; use format text");
        return Err(ToolFailure::Told(told));
    }
    let mut data = String::from("{\"database\":");
    push_json_text(&mut data, database.as_str());
    data.push_str(",\"plan\":");
    data.push_str(&lines.text);
    data.push('}');
    let structured = RawValue::from_string(data).map_err(|_| {
        ToolFailure::Told("Error: PostgreSQL's plan is no JSON; use format text".into())
    })?;
    output.write(last).await?;
    Ok(ToolResult { structured: Some(structured) })
}

fn last_line(database: &DatabaseName, analyzed: bool, lines: &PlanLines) -> String {
    let how = if analyzed {
        "the query was run, and its rows discarded"
    } else {
        "estimates only: with analyze the query is run and measured"
    };
    let cut = if lines.cut {
        format!("; cut at {} bytes, the most that one call returns", lines.most)
    } else {
        String::new()
    };
    format!("-- plan on database {database}; {how}{cut}")
}

/// A sentence that begins so is found to be one further down.
fn begins_with_explain(query: &str) -> bool {
    let word = query.trim_start().split(|c: char| !c.is_alphanumeric()).next();
    word.is_some_and(|word| word.eq_ignore_ascii_case("explain"))
}

/// The lines of a plan, as long as it may be.
struct PlanLines {
    text: String,
    most: u64,
    cut: bool,
}

impl Rows for PlanLines {
    async fn columns(&mut self, _: &[Column]) -> Result<(), Stop> {
        Ok(())
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        let line = row.get(0).unwrap_or_default();
        self.cut |= (self.text.len() + line.len()) as u64 > self.most;
        if !self.cut {
            self.text.push_str(line);
            self.text.push('\n');
        }
        Ok(())
    }
}

impl Tool<Principal> for ExecuteExplain {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "execute_explain",
            title: "Explain a query",
            description: "Shows how PostgreSQL runs one read-only SQL query (EXPLAIN): scans, \
                joins, estimated rows and cost. With analyze the query is run, and real times and \
                row counts are shown. Use it to find out why a query is slow."
                .into(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "query": { "type": "string", "description": "One SQL query, without EXPLAIN in front." },
                    "analyze": { "type": "boolean", "default": false, "description": "Run the query and measure it." },
                    "buffers": { "type": "boolean", "default": false, "description": "Show how much is read from memory and disk; best with analyze." },
                    "format": { "type": "string", "enum": ["text", "json"], "default": "text", "description": "text: an indented tree. json: structured content." },
                    "database": database_property()
                },
                "required": ["query"],
                "additionalProperties": false
            }),
            // As with query_database: data only where it was asked for.
            output_schema: None,
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
    use super::begins_with_explain;

    #[test]
    fn explain_in_front_is_noticed_and_a_column_of_that_name_is_not() {
        for query in ["EXPLAIN SELECT 1", " explain(analyze) SELECT 1", "Explain\nSELECT 1"] {
            assert!(begins_with_explain(query), "{query}");
        }
        for query in ["SELECT explain FROM t", "", "explained", "(EXPLAIN)"] {
            assert!(!begins_with_explain(query), "{query}");
        }
    }
}
