//! `get_schema_info`: the tables that this credential may read, as a model needs them.

use std::borrow::Cow;
use std::fmt::Write as _;

use mcp_identity::Principal;
use mcp_protocol::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use mcp_query::{Column, Databases, QueryFault, Row, Rows, Stop};
use serde::Deserialize;
use serde_json::json;

use crate::tool::query_database::failure;

/// Shows tables, columns, keys and comments.
pub(crate) struct GetSchemaInfo {
    databases: Databases,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    #[serde(borrow)]
    schema_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    table_name: Option<Cow<'a, str>>,
    #[serde(default)]
    compact: bool,
    #[serde(borrow)]
    database: Option<Cow<'a, str>>,
}

/// One row for each column of each relation that may be read, in ordinal order; one row with a
/// NULL column for a relation without any. `$1` and `$2` narrow it to a schema and a relation.
const COLUMNS: &str = "
SELECT n.nspname, c.relname,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                      WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END,
       CASE WHEN c.reltuples >= 0 AND c.relkind IN ('r', 'p', 'm') THEN c.reltuples::bigint END,
       obj_description(c.oid, 'pg_class'),
       a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid),
       (SELECT string_agg(CASE k.contype
                 WHEN 'p' THEN 'primary key'
                 WHEN 'u' THEN 'unique'
                 ELSE 'references ' || k.confrelid::regclass || '(' || f.attname || ')' END, ', '
                 ORDER BY k.contype DESC, k.conname)
          FROM pg_constraint k
          LEFT JOIN pg_attribute f ON f.attrelid = k.confrelid
               AND f.attnum = k.confkey[array_position(k.conkey, a.attnum)]
         WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f') AND a.attnum = ANY (k.conkey)),
       col_description(c.oid, a.attnum)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
   AND has_schema_privilege(n.oid, 'USAGE')
   AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'))
   AND ($1::text IS NULL OR n.nspname = $1)
   AND ($2::text IS NULL OR c.relname = $2)
 ORDER BY n.nspname, c.relname, a.attnum";

impl GetSchemaInfo {
    pub(crate) fn new(databases: Databases) -> Self {
        Self { databases }
    }

    async fn run(
        &self,
        call: ToolCall<'_, Principal>,
        text: &mut ToolOutput,
    ) -> Result<ToolResult, ToolFailure> {
        let arguments: Arguments<'_> = crate::arguments::read(call.arguments)?;
        let told = |fault: QueryFault| failure(&fault);
        let principal = call.principal;
        let database =
            self.databases.choose(principal, arguments.database.as_deref()).map_err(told)?;
        let limits = self.databases.limits(database);
        let max_bytes = limits.map_or(0, |limits| limits.max_result_bytes);
        let mut writer = SchemaWriter {
            compact: arguments.compact,
            max_bytes,
            text,
            table: None,
            tables: 0,
            bytes: 0,
            cut: false,
        };
        let narrowed = [arguments.schema_name.as_deref(), arguments.table_name.as_deref()];
        self.databases
            .constant(principal, database, COLUMNS, &narrowed, &mut writer)
            .await
            .map_err(told)?;
        writer.close().await?;
        Ok(ToolResult::default())
    }
}

impl Tool<Principal> for GetSchemaInfo {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "get_schema_info",
            title: "Describe the schema",
            description: "Lists the tables and views that can be read, with columns, types, keys \
                and comments. Use it before writing SQL. Narrow it with schema_name and \
                table_name; compact gives one line per table."
                .into(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "schema_name": { "type": "string", "description": "Only this schema, e.g. public." },
                    "table_name": { "type": "string", "description": "Only tables and views of this name." },
                    "compact": { "type": "boolean", "default": false, "description": "One line per table: names and types only." },
                    "database": { "type": "string", "description": "A configured database that this credential reaches; without it, its first one." }
                },
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

/// Groups the rows by table and writes each as it comes.
struct SchemaWriter<'t> {
    compact: bool,
    max_bytes: u64,
    text: &'t mut ToolOutput,
    /// Schema and name of the table that is being written.
    table: Option<(String, String)>,
    tables: u64,
    bytes: u64,
    cut: bool,
}

/// One row of [`COLUMNS`].
struct ColumnInfo<'r> {
    schema: &'r str,
    table: &'r str,
    kind: &'r str,
    estimate: Option<&'r str>,
    table_comment: Option<&'r str>,
    name: Option<&'r str>,
    data_type: &'r str,
    not_null: bool,
    default: Option<&'r str>,
    keys: Option<&'r str>,
    comment: Option<&'r str>,
}

impl<'r> ColumnInfo<'r> {
    fn read(row: &Row<'r>) -> Self {
        let text = |place| row.get(place).unwrap_or_default();
        Self {
            schema: text(0),
            table: text(1),
            kind: text(2),
            estimate: row.get(3),
            table_comment: row.get(4),
            name: row.get(5),
            data_type: text(6),
            not_null: row.get(7) == Some("t"),
            default: row.get(8),
            keys: row.get(9),
            comment: row.get(10),
        }
    }
}

impl SchemaWriter<'_> {
    /// What one row adds to the text.
    fn render(&mut self, column: &ColumnInfo<'_>) -> String {
        let known = self.table.as_ref();
        let new = known.is_none_or(|(schema, table)| {
            (schema.as_str(), table.as_str()) != (column.schema, column.table)
        });
        let mut piece = String::new();
        if new {
            if self.table.is_some() {
                piece.push_str(if self.compact { ")\n" } else { "\n" });
            }
            self.table = Some((column.schema.to_owned(), column.table.to_owned()));
            self.tables += 1;
            piece.push_str(&self.heading(column));
        }
        match column.name {
            Some(name) if self.compact => {
                piece.push_str(if new { "" } else { ", " });
                let _ = write!(piece, "{} {}", one_line(name), column.data_type);
            }
            Some(name) => piece.push_str(&full_column(name, column)),
            None => {}
        }
        piece
    }

    fn heading(&self, column: &ColumnInfo<'_>) -> String {
        let name = format!("{}.{}", one_line(column.schema), one_line(column.table));
        if self.compact {
            return format!("{name}(");
        }
        let estimate =
            column.estimate.map(|rows| format!(", about {rows} rows")).unwrap_or_default();
        let comment = column.table_comment.map(|text| format!(": {}", one_line(text)));
        format!("{name} ({}{estimate}){}\n", column.kind, comment.unwrap_or_default())
    }

    async fn close(self) -> Result<(), ToolFailure> {
        let mut end = String::new();
        if self.compact && self.table.is_some() {
            end.push_str(")\n");
        }
        let tables = self.tables;
        let plural = if tables == 1 { "table" } else { "tables" };
        if tables == 0 {
            end.push_str("-- no table that this credential may read fits");
        } else {
            let _ = write!(end, "-- {tables} {plural} and views");
        }
        if self.cut {
            end.push_str("; cut at the most that one call returns: narrow it with schema_name, ");
            end.push_str("table_name or compact");
        }
        Ok(self.text.write(&end).await?)
    }
}

impl Rows for SchemaWriter<'_> {
    async fn columns(&mut self, _: &[Column]) -> Result<(), Stop> {
        Ok(())
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        if self.cut {
            return Ok(());
        }
        let piece = self.render(&ColumnInfo::read(row));
        self.bytes += piece.len() as u64;
        self.cut = self.bytes > self.max_bytes;
        self.text.write(&piece).await.map_err(|_| Stop)
    }
}

fn full_column(name: &str, column: &ColumnInfo<'_>) -> String {
    let mut line = format!("  {} {}", one_line(name), column.data_type);
    if column.not_null {
        line.push_str(" not null");
    }
    for (lead, extra) in [(", ", column.keys), (", default ", column.default)] {
        if let Some(extra) = extra {
            line.push_str(lead);
            line.push_str(&one_line(extra));
        }
    }
    if let Some(comment) = column.comment {
        line.push_str(": ");
        line.push_str(&one_line(comment));
    }
    line.push('\n');
    line
}

/// Names and comments are other people's text: a line break in one must not look like a table.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(|c: char| c.is_control()) {
        text.replace(|c: char| c.is_control(), " ").into()
    } else {
        text.into()
    }
}
