//! `read_resource`: the resources, for clients that only know tools.

use std::borrow::Cow;

use mcp_identity::{DatabaseName, Principal};
use mcp_protocol::{
    Annotations, BoxFuture, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
    UriTemplate,
};
use mcp_query::QueryFault;
use serde::Deserialize;
use serde_json::json;

use crate::arguments::{chosen, database_property};
use crate::catalog::Catalog;
use crate::resource::{system_info, table};
use crate::told::failure;

/// Reads what stands at an address.
pub(crate) struct ReadResource {
    catalog: Catalog,
    table: UriTemplate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments<'a> {
    #[serde(borrow)]
    uri: Cow<'a, str>,
    #[serde(borrow)]
    database: Option<Cow<'a, str>>,
}

impl ReadResource {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog, table: UriTemplate::new(table::TEMPLATE) }
    }

    async fn run(
        &self,
        call: ToolCall<'_, Principal>,
        output: &mut ToolOutput,
    ) -> Result<ToolResult, ToolFailure> {
        let arguments: Arguments<'_> = crate::arguments::read(call.arguments)?;
        let asked = arguments.database.as_deref();
        let (database, limits) = chosen(&self.catalog.databases, call.principal, asked)?;
        let text = self.read(call.principal, database, &arguments.uri).await;
        let text = text.map_err(|fault| failure(&fault))?.ok_or_else(not_found)?;
        let most = limits.max_result_bytes;
        if text.len() as u64 > most {
            let told = format!("Error: it is larger than the {most} bytes that one call returns");
            return Err(ToolFailure::Told(told));
        }
        output.write(&text).await?;
        Ok(ToolResult::default())
    }

    async fn read(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        uri: &str,
    ) -> Result<Option<String>, QueryFault> {
        if uri == system_info::URI {
            return system_info::read(&self.catalog.databases, principal, database).await.map(Some);
        }
        let Some(variables) = self.table.variables(uri) else { return Ok(None) };
        let (Some(schema), Some(name)) =
            (variables.get(table::SCHEMA), variables.get(table::TABLE))
        else {
            return Ok(None);
        };
        table::read(&self.catalog, principal, database, (schema, name)).await
    }
}

fn not_found() -> ToolFailure {
    let (info, table) = (system_info::URI, table::TEMPLATE);
    ToolFailure::Told(format!(
        "Error: nothing that this credential may read stands there; there are {info} and {table}, \
         with percent-encoded names (get_schema_info lists them)"
    ))
}

impl Tool<Principal> for ReadResource {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "read_resource",
            title: "Read a resource",
            description: "Reads one of this server's resources as JSON: pg://system_info \
                (version, settings, schemas, extensions) or pg://schema/{schema}/{table} \
                (columns, keys, indexes and comments of one table or view)."
                .into(),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "uri": { "type": "string", "description": "pg://system_info, or pg://schema/{schema}/{table} with percent-encoded names." },
                    "database": database_property()
                },
                "required": ["uri"],
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
