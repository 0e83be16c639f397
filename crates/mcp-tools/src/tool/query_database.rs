//! `query_database`: one SQL query, a page of its rows; or one change, where that is allowed.

use std::borrow::Cow;

use mcp_identity::{DatabaseName, Principal};
use mcp_protocol::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use mcp_query::{Databases, Limits};
use serde::Deserialize;
use serde_json::json;

use crate::arguments::{chosen, database_property};
use crate::page::{Format, PageWriter, TypeNames};

/// Runs one statement and returns a page of its rows.
pub(crate) struct QueryDatabase {
    databases: Databases,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    #[serde(borrow)]
    query: Cow<'a, str>,
    limit: Option<u64>,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    format: Format,
    #[serde(borrow)]
    database: Option<Cow<'a, str>>,
}

/// Rows of a page when the call does not say.
const DEFAULT_LIMIT: u64 = 100;

const READS: &str = "Runs one read-only SQL query (PostgreSQL: SELECT, VALUES, TABLE, WITH, \
    EXPLAIN or SHOW) and returns a page of its rows. Takes SQL, not a question in words: look up \
    tables and columns with get_schema_info and write the SQL yourself. Text is tab-separated with \
    a header line; NULL is \\N; the last line says how many rows came and how to get more.";

/// Said as well where some database takes writes; whether this caller's does, the answer says.
const CHANGES: &str = "Where database and credential allow it, it also runs one INSERT, UPDATE, \
    DELETE, MERGE, TRUNCATE, or CREATE, ALTER or DROP of a table, view, index, sequence, schema, \
    type or domain, which is committed at once; RETURNING shows rows, and the last line says how \
    many changed.";

/// The hints where some database takes writes. They are the same for every caller, so that a client
/// asks once too often rather than once too seldom.
const MAY_DESTROY: Annotations =
    Annotations { read_only: false, destructive: true, idempotent: false, open_world: false };

impl QueryDatabase {
    pub(crate) fn new(databases: Databases) -> Self {
        Self { databases }
    }

    async fn run(
        &self,
        call: ToolCall<'_, Principal>,
        output: &mut ToolOutput,
    ) -> Result<ToolResult, ToolFailure> {
        let arguments: Arguments<'_> = crate::arguments::read(call.arguments)?;
        let principal = call.principal;
        let (database, limits) = chosen(&self.databases, principal, arguments.database.as_deref())?;
        let limit = page_size(&arguments, &limits)?;
        let mut page = PageWriter::new(arguments.format, limit, limits, output);
        // One row more than asked for tells whether there are more.
        let rows = (limit + 1, arguments.offset);
        let outcome =
            self.databases.execute(principal, database, &arguments.query, rows, &mut page).await;
        let changed = match outcome {
            Ok(changed) => changed,
            Err(fault) => return Err(page.fail(&fault).await),
        };
        let types = self.type_names(principal, database, &page).await;
        match changed {
            None => page.close(database, arguments.offset, &types).await,
            Some(changed) => page.close_change(database, &changed, &types).await,
        }
    }

    /// The names that the page still needs. Without them it has numbers in their place, which is
    /// better than no page.
    async fn type_names(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        page: &PageWriter<'_>,
    ) -> TypeNames {
        let oids = page.unnamed_types();
        if oids.is_empty() {
            return TypeNames::new();
        }
        let asked = self.databases.type_names(principal, database, oids.into_iter()).await;
        asked.unwrap_or_default()
    }
}

/// How many rows are wanted, if that many may be.
fn page_size(arguments: &Arguments<'_>, limits: &Limits) -> Result<u64, ToolFailure> {
    let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT.min(limits.max_rows));
    if !(1..=limits.max_rows).contains(&limit) {
        let most = limits.max_rows;
        return Err(ToolFailure::Told(format!("Error: limit must be from 1 to {most}")));
    }
    if i64::try_from(arguments.offset).is_err() {
        let most = i64::MAX;
        return Err(ToolFailure::Told(format!("Error: offset must be from 0 to {most}")));
    }
    Ok(limit)
}

impl Tool<Principal> for QueryDatabase {
    fn descriptor(&self) -> ToolDescriptor {
        let writes = self.databases.take_writes();
        ToolDescriptor {
            name: "query_database",
            title: "Query the database",
            description: if writes { format!("{READS} {CHANGES}") } else { READS.to_owned() },
            input_schema: json!({
                "type": "object",
                "properties": {
                    "query": { "type": "string", "description": "One SQL query. ORDER BY makes paging reliable." },
                    "limit": { "type": "integer", "minimum": 1, "default": DEFAULT_LIMIT, "description": "The most rows to return." },
                    "offset": { "type": "integer", "minimum": 0, "default": 0, "description": "Rows to skip, for the next page." },
                    "format": { "type": "string", "enum": ["tsv", "json"], "default": "tsv", "description": "tsv: text with a header line. json: structured content." },
                    "database": database_property()
                },
                "required": ["query"],
                "additionalProperties": false
            }),
            // Text and data are never sent both, and whoever declares data has to send it always.
            output_schema: None,
            annotations: if writes { MAY_DESTROY } else { Annotations::READS },
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
