//! `query_database`: one SQL query, a page of its rows.

use std::borrow::Cow;
use std::fmt::Write as _;

use mcp_identity::{DatabaseName, Principal};
use mcp_protocol::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use mcp_query::{
    Column, Databases, Limits, QueryFault, Row, Rows, Stop, push_header, push_row, type_name,
};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

/// Runs one read and returns a page of its rows.
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

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Tsv,
    Json,
}

/// Rows of a page when the call does not say.
const DEFAULT_LIMIT: u64 = 100;

impl QueryDatabase {
    pub(crate) fn new(databases: Databases) -> Self {
        Self { databases }
    }

    async fn run(
        &self,
        call: ToolCall<'_, Principal>,
        text: &mut ToolOutput,
    ) -> Result<ToolResult, ToolFailure> {
        let arguments: Arguments<'_> = crate::arguments::read(call.arguments)?;
        let principal = call.principal;
        let told = |fault: QueryFault| failure(&fault);
        let database =
            self.databases.choose(principal, arguments.database.as_deref()).map_err(told)?;
        let limits = *self
            .databases
            .limits(database)
            .ok_or_else(|| failure(&QueryFault::UnknownDatabase))?;
        let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT.min(limits.max_rows));
        if !(1..=limits.max_rows).contains(&limit) {
            let most = limits.max_rows;
            return Err(ToolFailure::Told(format!("Error: limit must be from 1 to {most}")));
        }
        if i64::try_from(arguments.offset).is_err() {
            let most = i64::MAX;
            return Err(ToolFailure::Told(format!("Error: offset must be from 0 to {most}")));
        }
        let mut page = PageWriter::new(arguments.format, limit, limits, text);
        // One row more than asked for tells whether there are more.
        let rows = (limit + 1, arguments.offset);
        self.databases
            .read(principal, database, &arguments.query, rows, &mut page)
            .await
            .map_err(told)?;
        page.close(database, arguments.offset).await
    }
}

impl Tool<Principal> for QueryDatabase {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "query_database",
            title: "Query the database",
            description: "Runs one read-only SQL query (PostgreSQL: SELECT, VALUES, TABLE, WITH, \
                EXPLAIN or SHOW) and returns a page of its rows. Takes SQL, not a question in \
                words: look up tables and columns with get_schema_info and write the SQL \
                yourself. Text is tab-separated with a header line; NULL is \\N; the last line \
                says how many rows came and how to get more."
                .into(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "query": { "type": "string", "description": "One SQL query. ORDER BY makes paging reliable." },
                    "limit": { "type": "integer", "minimum": 1, "default": DEFAULT_LIMIT, "description": "The most rows to return." },
                    "offset": { "type": "integer", "minimum": 0, "default": 0, "description": "Rows to skip, for the next page." },
                    "format": { "type": "string", "enum": ["tsv", "json"], "default": "tsv", "description": "tsv: text with a header line. json: structured content." },
                    "database": { "type": "string", "description": "A configured database that this credential reaches; without it, its first one." }
                },
                "required": ["query"],
                "additionalProperties": false
            }),
            output_schema: None,
            annotations: Annotations::READS,
            icons: Vec::new(),
        }
    }

    fn call<'a>(
        &'a self,
        call: ToolCall<'a, Principal>,
        text: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(self.run(call, text))
    }
}

pub(crate) fn failure(fault: &QueryFault) -> ToolFailure {
    match fault {
        QueryFault::Gone => ToolFailure::Gone,
        other => ToolFailure::Told(other.told()),
    }
}

/// Writes a page as its rows come, and counts what it wrote.
struct PageWriter<'t> {
    format: Format,
    limit: u64,
    max_bytes: u64,
    text: &'t mut ToolOutput,
    /// One line on its way, or the whole JSON.
    line: String,
    rows: u64,
    bytes: u64,
    cut: Option<Cut>,
}

/// Why a page ends before the rows do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// As many rows as were asked for.
    Rows,
    /// As much text as one call may return.
    Bytes,
}

impl<'t> PageWriter<'t> {
    fn new(format: Format, limit: u64, limits: Limits, text: &'t mut ToolOutput) -> Self {
        let max_bytes = limits.max_result_bytes;
        Self { format, limit, max_bytes, text, line: String::new(), rows: 0, bytes: 0, cut: None }
    }

    /// Writes the line behind the rows, and gives the structured form where it was asked for.
    async fn close(
        mut self,
        database: &DatabaseName,
        offset: u64,
    ) -> Result<ToolResult, ToolFailure> {
        let next = self.cut.map(|_| offset + self.rows);
        if self.format == Format::Tsv {
            self.text.write(&self.line).await?;
        }
        self.text.write(&self.summary(database, next)).await?;
        if self.format == Format::Tsv {
            return Ok(ToolResult::default());
        }
        let (rows, truncated) = (self.rows, self.cut.is_some());
        let next = next.map_or("null".into(), |next| next.to_string());
        let _ = write!(
            self.line,
            r#"],"row_count":{rows},"truncated":{truncated},"next_offset":{next}}}"#
        );
        let structured = RawValue::from_string(self.line).map_err(|_| broken_json())?;
        Ok(ToolResult { structured: Some(structured) })
    }

    /// What came, and how to go on.
    fn summary(&self, database: &DatabaseName, next: Option<u64>) -> String {
        let (rows, most) = (self.rows, self.max_bytes);
        let plural = if rows == 1 { "row" } else { "rows" };
        let more = match (self.cut, next) {
            (Some(Cut::Rows), Some(next)) => format!("; more: offset={next}"),
            (Some(Cut::Bytes), _) if rows == 0 => format!(
                "; the first row is larger than the {most} bytes that one call returns: select \
                 fewer columns or shorten them"
            ),
            (Some(Cut::Bytes), Some(next)) => format!(
                "; cut at {most} bytes, the most that one call returns; more: offset={next}"
            ),
            (None, _) | (_, None) => String::new(),
        };
        format!("-- {rows} {plural} of database {database}{more}")
    }
}

/// Rows that do not make JSON would be a bug of this file; the model is told rather than fooled.
fn broken_json() -> ToolFailure {
    ToolFailure::Told("Error: the rows could not be written as JSON; use format tsv".into())
}

impl Rows for PageWriter<'_> {
    async fn columns(&mut self, columns: &[Column]) -> Result<(), Stop> {
        match self.format {
            // Goes out with the first row, or at the end: an error has no header.
            Format::Tsv => {
                push_header(&mut self.line, columns);
                Ok(())
            }
            Format::Json => {
                let columns: Vec<_> = columns
                    .iter()
                    .map(|column| json!({ "name": column.name, "type": named_type(column) }))
                    .collect();
                let columns = serde_json::Value::from(columns);
                let _ = write!(self.line, r#"{{"columns":{columns},"rows":["#);
                Ok(())
            }
        }
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        if self.cut.is_some() {
            return Ok(());
        }
        if self.rows == self.limit {
            self.cut = Some(Cut::Rows);
            return Ok(());
        }
        let before = self.line.len();
        match self.format {
            Format::Tsv => push_row(&mut self.line, row),
            Format::Json => push_json_row(&mut self.line, row, self.rows == 0),
        }
        let size = (self.line.len() - before) as u64;
        if self.bytes + size > self.max_bytes {
            self.line.truncate(before);
            self.cut = Some(Cut::Bytes);
            return Ok(());
        }
        self.bytes += size;
        self.rows += 1;
        match self.format {
            Format::Tsv => self.flush().await,
            Format::Json => Ok(()),
        }
    }
}

impl PageWriter<'_> {
    async fn flush(&mut self) -> Result<(), Stop> {
        let written = self.text.write(&self.line).await;
        self.line.clear();
        written.map_err(|_| Stop)
    }
}

/// The type's name where it is one of PostgreSQL's own; else its oid, which `pg_type` explains.
fn named_type(column: &Column) -> Cow<'static, str> {
    match type_name(column.type_oid) {
        Some(name) => name.into(),
        None => column.type_oid.to_string().into(),
    }
}

/// Appends a row as a JSON array: each value in PostgreSQL's own text form, or null.
fn push_json_row(line: &mut String, row: &Row<'_>, first: bool) {
    line.push_str(if first { "[" } else { ",[" });
    for place in 0..row.len() {
        if place > 0 {
            line.push(',');
        }
        match row.get(place) {
            None => line.push_str("null"),
            Some(value) => {
                let _ = write!(line, "{}", serde_json::Value::from(value));
            }
        }
    }
    line.push(']');
}
