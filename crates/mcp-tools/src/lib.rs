//! The MCP tools: what a model may ask of a database, one file each.
//!
//! A tool knows the shapes of the protocol and the words for the model; what runs, and for whom,
//! is decided below, in `mcp-query`.

mod arguments;
mod registry;
mod tool {
    pub(crate) mod get_schema_info;
    pub(crate) mod query_database;
}

pub use registry::{INSTRUCTIONS, tools};
