//! Which tools there are, in the order of `tools/list`.

use std::sync::Arc;

use mcp_identity::Principal;
use mcp_protocol::Tool;
use mcp_query::Databases;

use crate::tool::get_schema_info::GetSchemaInfo;
use crate::tool::query_database::QueryDatabase;

/// What a client may put in front of its model about this server.
pub const INSTRUCTIONS: &str = "Read access to PostgreSQL. Call get_schema_info first to learn \
    tables and columns, then query_database with one SQL query. Results are tab-separated with a \
    header; page through large ones with limit and offset.";

/// Every tool over these databases.
#[must_use]
pub fn tools(databases: &Databases) -> Vec<Arc<dyn Tool<Principal>>> {
    vec![
        Arc::new(QueryDatabase::new(databases.clone())),
        Arc::new(GetSchemaInfo::new(databases.clone())),
    ]
}
