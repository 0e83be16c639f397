//! What is offered, in the order of the lists, and to whom.

use std::sync::Arc;

use mcp_identity::Principal;
use mcp_protocol::{Prompt, ServerBuilder, Tool};
use mcp_query::Databases;

use crate::catalog::Catalog;
use crate::prompt::design_schema::DesignSchema;
use crate::prompt::diagnose_query_issue::DiagnoseQueryIssue;
use crate::prompt::explore_database::ExploreDatabase;
use crate::resource::system_info::SystemInfo;
use crate::resource::table::Table;
use crate::tool::count_rows::CountRows;
use crate::tool::execute_explain::ExecuteExplain;
use crate::tool::get_schema_info::GetSchemaInfo;
use crate::tool::list_databases::ListDatabases;
use crate::tool::query_database::QueryDatabase;
use crate::tool::read_resource::ReadResource;

/// What a client may put in front of its model about this server.
const READS: &str = "Read access to PostgreSQL. Call get_schema_info first to learn \
    tables and columns, then query_database with one SQL query. Results are tab-separated with a \
    header; page through large ones with limit and offset.";

const READS_AND_WRITES: &str = "Access to PostgreSQL. Call get_schema_info first to learn tables \
    and columns, then query_database with one SQL statement. Results are tab-separated with a \
    header; page through large ones with limit and offset. Changes are committed at once, where \
    they are allowed.";

/// Adds every tool, resource and prompt over these databases, and the rule who may have which.
#[must_use]
pub fn offer(builder: ServerBuilder<Principal>, databases: &Databases) -> ServerBuilder<Principal> {
    let catalog = Catalog::new(databases.clone());
    let builder = builder
        .instructions(if databases.take_writes() { READS_AND_WRITES } else { READS })
        .permits(|principal: &Principal, tool| principal.grants.allows_tool(tool))
        .permits_resource(|principal: &Principal, _| principal.grants.allows_tool("read_resource"))
        .permits_prompt(allows_prompt)
        .resource(Arc::new(SystemInfo::new(databases.clone())))
        .template(Arc::new(Table::new(catalog.clone())));
    let builder = tools(databases, &catalog).into_iter().fold(builder, ServerBuilder::tool);
    prompts(&catalog).into_iter().fold(builder, ServerBuilder::prompt)
}

fn tools(databases: &Databases, catalog: &Catalog) -> Vec<Arc<dyn Tool<Principal>>> {
    vec![
        Arc::new(QueryDatabase::new(databases.clone())),
        Arc::new(GetSchemaInfo::new(catalog.clone())),
        Arc::new(ExecuteExplain::new(databases.clone())),
        Arc::new(CountRows::new(databases.clone())),
        Arc::new(ListDatabases::new(databases.clone())),
        Arc::new(ReadResource::new(catalog.clone())),
    ]
}

fn prompts(catalog: &Catalog) -> Vec<Arc<dyn Prompt<Principal>>> {
    vec![
        Arc::new(ExploreDatabase::new(catalog.clone())),
        Arc::new(DiagnoseQueryIssue::new(catalog.clone())),
        Arc::new(DesignSchema::new(catalog.clone())),
    ]
}

/// A credential that is limited to some tools gets the prompts that need no others. Suggestions
/// name schemas, too, and every prompt begins with `get_schema_info`.
fn allows_prompt(principal: &Principal, prompt: &str) -> bool {
    let needed: &[&str] = match prompt {
        ExploreDatabase::NAME => &["get_schema_info", "query_database", "count_rows"],
        DiagnoseQueryIssue::NAME => &["get_schema_info", "execute_explain"],
        DesignSchema::NAME => &["get_schema_info"],
        _ => return false,
    };
    needed.iter().all(|tool| principal.grants.allows_tool(tool))
}
