//! `get_schema_info`: the tables that this credential may read, as a model needs them.

use std::borrow::Cow;
use std::fmt::Write as _;

use mcp_identity::Principal;
use mcp_protocol::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use serde::Deserialize;
use serde_json::json;

use crate::arguments::{chosen, database_property};
use crate::catalog::{Catalog, ColumnInfo, Relation, Relations, Wanted, one_line};
use crate::told::failure;

/// Shows tables, columns, keys, indexes and comments.
pub(crate) struct GetSchemaInfo {
    catalog: Catalog,
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

impl GetSchemaInfo {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    async fn run(
        &self,
        call: ToolCall<'_, Principal>,
        output: &mut ToolOutput,
    ) -> Result<ToolResult, ToolFailure> {
        let arguments: Arguments<'_> = crate::arguments::read(call.arguments)?;
        let asked = arguments.database.as_deref();
        let (database, limits) = chosen(&self.catalog.databases, call.principal, asked)?;
        let wanted = Wanted {
            schema: arguments.schema_name.as_deref(),
            table: arguments.table_name.as_deref(),
        };
        let relations = self.catalog.relations(call.principal, database, wanted).await;
        let relations = relations.map_err(|fault| failure(&fault))?;
        write_relations(&relations, arguments.compact, limits.max_result_bytes, output).await
    }
}

/// Writes relations until the text is as long as it may be. One that does not fit is left out.
async fn write_relations(
    relations: &Relations,
    compact: bool,
    max_bytes: u64,
    output: &mut ToolOutput,
) -> Result<ToolResult, ToolFailure> {
    let (mut bytes, mut written) = (0, 0);
    for relation in &relations.list {
        let piece = if compact { compact_text(relation) } else { full_text(relation) };
        bytes += piece.len() as u64;
        if bytes > max_bytes {
            break;
        }
        written += 1;
        output.write(&piece).await?;
    }
    let is_cut = relations.cut || written < relations.list.len();
    output.write(&summary(written, is_cut)).await?;
    Ok(ToolResult::default())
}

fn summary(written: usize, is_cut: bool) -> String {
    let mut text = match (written, is_cut) {
        (0, false) => "-- no table that this credential may read fits".to_owned(),
        (1, _) => "-- 1 table or view".to_owned(),
        (tables, _) => format!("-- {tables} tables and views"),
    };
    if is_cut {
        text.push_str("; cut at the most that one call returns: narrow it with schema_name, ");
        text.push_str("table_name or compact");
    }
    text
}

/// One line: names and types.
fn compact_text(relation: &Relation) -> String {
    let mut text = format!("{}(", relation.identifier);
    for (place, column) in relation.columns.iter().enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let _ = write!(text, "{comma}{} {}", column.identifier, one_line(&column.data_type));
    }
    text.push_str(")\n");
    text
}

fn full_text(relation: &Relation) -> String {
    let mut text = heading(relation);
    for column in &relation.columns {
        push_column(&mut text, column);
    }
    for constraint in relation.constraints.iter().filter(|one| !one.of_one_column) {
        let _ = writeln!(text, "  {}", one_line(&constraint.definition));
    }
    for index in &relation.indexes {
        let _ = writeln!(text, "  {}", one_line(&index.definition));
    }
    text.push('\n');
    text
}

fn heading(relation: &Relation) -> String {
    let mut text = format!("{} ({}", relation.identifier, relation.kind);
    let parts = [(" by ", &relation.partition_key), (", partition of ", &relation.partition_of)];
    for (lead, part) in parts {
        if let Some(part) = part {
            let _ = write!(text, "{lead}{}", one_line(part));
        }
    }
    if let Some(rows) = &relation.estimate {
        let _ = write!(text, ", about {rows} rows");
    }
    text.push(')');
    if let Some(comment) = &relation.comment {
        let _ = write!(text, ": {}", one_line(comment));
    }
    text.push('\n');
    text
}

fn push_column(text: &mut String, column: &ColumnInfo) {
    let _ = write!(text, "  {} {}", column.identifier, one_line(&column.data_type));
    if column.not_null {
        text.push_str(" not null");
    }
    for key in &column.keys {
        let _ = write!(text, ", {}", one_line(key));
    }
    if let Some(default) = &column.default {
        let _ = write!(text, ", default {}", one_line(default));
    }
    if let Some(generated) = &column.generated {
        let _ = write!(text, ", {}", one_line(generated));
    }
    if let Some(comment) = &column.comment {
        let _ = write!(text, ": {}", one_line(comment));
    }
    text.push('\n');
}

impl Tool<Principal> for GetSchemaInfo {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "get_schema_info",
            title: "Describe the schema",
            description: "Lists the tables and views that can be read, with columns, types, keys, \
                indexes and comments; names are written as SQL needs them. Use it before writing \
                SQL. Narrow it with schema_name and table_name; compact gives one line per table."
                .into(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "schema_name": { "type": "string", "description": "Only this schema, e.g. public. Without it, every one but pg_catalog and information_schema." },
                    "table_name": { "type": "string", "description": "Only tables and views of this name, without quotes." },
                    "compact": { "type": "boolean", "default": false, "description": "One line per table: names and types only." },
                    "database": database_property()
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
        output: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(self.run(call, output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Constraint;

    #[test]
    fn a_table_is_shown_with_all_that_is_known_of_it() {
        let text = |text: &str| Some(text.to_owned());
        let id = ColumnInfo {
            identifier: "id".into(),
            data_type: "integer".into(),
            not_null: true,
            keys: vec!["primary key".into()],
            generated: text("generated always as identity"),
            ..ColumnInfo::default()
        };
        let note = ColumnInfo {
            identifier: "\"a note\"".into(),
            data_type: "text".into(),
            default: text("'x'::text"),
            comment: text("two\nlines"),
            ..ColumnInfo::default()
        };
        let check = Constraint {
            name: "c".into(),
            kind: "check".into(),
            definition: "CHECK ((id > 0))".into(),
            of_one_column: false,
        };
        let relation = Relation {
            identifier: "public.t".into(),
            kind: "partitioned table".into(),
            partition_key: text("RANGE (id)"),
            estimate: text("7"),
            comment: text("What it is"),
            columns: vec![id, note],
            constraints: vec![check],
            ..Relation::default()
        };
        assert_eq!(
            full_text(&relation),
            "public.t (partitioned table by RANGE (id), about 7 rows): What it is\n  \
             id integer not null, primary key, generated always as identity\n  \
             \"a note\" text, default 'x'::text: two lines\n  CHECK ((id > 0))\n\n"
        );
        assert_eq!(compact_text(&relation), "public.t(id integer, \"a note\" text)\n");
        assert_eq!(compact_text(&Relation::default()), "()\n");
    }
}
