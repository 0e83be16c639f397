//! `pg://schema/{schema}/{table}`: one table or view, with all that is known of it.

use mcp_identity::{DatabaseName, Principal};
use mcp_protocol::{
    BoxFuture, Completion, CompletionCall, Failure, ReadCall, ResourceContents, ResourceDescriptor,
    ResourceTemplate,
};
use mcp_query::QueryFault;
use serde_json::{Value, json};

use crate::catalog::{Catalog, ColumnInfo, Constraint, Index, Relation, Wanted};
use crate::resource::{JSON, contents};
use crate::told::refused;

/// Where it stands.
pub(crate) const TEMPLATE: &str = "pg://schema/{schema}/{table}";

/// The variables of [`TEMPLATE`].
pub(crate) const SCHEMA: &str = "schema";
pub(crate) const TABLE: &str = "table";

/// The tables and views of the default database.
pub(crate) struct Table {
    catalog: Catalog,
}

impl Table {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    async fn run(&self, call: ReadCall<'_, Principal>) -> Result<Vec<ResourceContents>, Failure> {
        let databases = &self.catalog.databases;
        let database = databases.choose(call.principal, None).map_err(|fault| refused(&fault))?;
        let name = |variable| call.variables.get(variable).map(String::as_str);
        let (schema, table) = (name(SCHEMA).unwrap_or_default(), name(TABLE).unwrap_or_default());
        let text = read(&self.catalog, call.principal, database, (schema, table)).await;
        let text = text.map_err(|fault| refused(&fault))?.ok_or(Failure::NotFound)?;
        contents(call.uri, text, databases.limits(database))
    }

    async fn suggest(&self, call: CompletionCall<'_, Principal>) -> Result<Completion, Failure> {
        let schema = call.arguments.get(SCHEMA).map(String::as_str);
        match call.argument {
            SCHEMA => self.catalog.complete_schema(call.principal, None, call.value).await,
            TABLE => self.catalog.complete_table(call.principal, None, schema, call.value).await,
            _ => Err(Failure::NotFound),
        }
    }
}

/// A table as JSON; `None` if there is none of that name that the principal may read.
pub(crate) async fn read(
    catalog: &Catalog,
    principal: &Principal,
    database: &DatabaseName,
    (schema, table): (&str, &str),
) -> Result<Option<String>, QueryFault> {
    let wanted = Wanted { schema: Some(schema), table: Some(table) };
    let relations = catalog.relations(principal, database, wanted).await?;
    Ok(relations.list.first().map(|relation| described(database, relation).to_string()))
}

fn described(database: &DatabaseName, relation: &Relation) -> Value {
    let estimate = relation.estimate.as_deref().and_then(|rows| rows.parse::<u64>().ok());
    json!({
        "database": database.as_str(),
        "schema": relation.schema,
        "name": relation.name,
        "identifier": relation.identifier,
        "kind": relation.kind,
        "comment": relation.comment,
        "estimated_rows": estimate,
        "partition_key": relation.partition_key,
        "partition_of": relation.partition_of,
        "columns": relation.columns.iter().map(column).collect::<Vec<_>>(),
        "constraints": relation.constraints.iter().map(constraint).collect::<Vec<_>>(),
        "indexes": relation.indexes.iter().map(index).collect::<Vec<_>>(),
    })
}

fn column(column: &ColumnInfo) -> Value {
    json!({
        "name": column.name,
        "identifier": column.identifier,
        "type": column.data_type,
        "not_null": column.not_null,
        "default": column.default,
        "generated": column.generated,
        "comment": column.comment,
    })
}

fn constraint(constraint: &Constraint) -> Value {
    let Constraint { name, kind, definition, .. } = constraint;
    json!({ "name": name, "kind": kind, "definition": definition })
}

fn index(index: &Index) -> Value {
    json!({ "name": index.name, "definition": index.definition })
}

impl ResourceTemplate<Principal> for Table {
    fn descriptor(&self) -> ResourceDescriptor {
        ResourceDescriptor {
            uri: TEMPLATE,
            name: "table",
            title: "A table or view",
            description: "Columns, keys, indexes and comments of one table or view of the \
                default database. Names are percent-encoded."
                .into(),
            mime_type: Some(JSON),
            icons: Vec::new(),
        }
    }

    fn read<'a>(
        &'a self,
        call: ReadCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Failure>> {
        Box::pin(self.run(call))
    }

    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(self.suggest(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_null_and_lists_are_lists() {
        let database = DatabaseName::parse("shop").unwrap();
        let described = described(&database, &Relation::default());
        for name in ["comment", "estimated_rows", "partition_key", "partition_of"] {
            assert_eq!(described[name], Value::Null, "{name}");
        }
        for name in ["columns", "constraints", "indexes"] {
            assert_eq!(described[name], json!([]), "{name}");
        }
    }
}
