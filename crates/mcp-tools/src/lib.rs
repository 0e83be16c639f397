//! What a model may ask of a database: the tools, the resources and the prompts, one file each.
//!
//! All of them know the shapes of the protocol and the words for the model; what runs, and for
//! whom, is decided below, in `mcp-query`. [`offer`] adds them to a server.

mod arguments;
mod catalog;
mod page;
mod prompt;
mod registry;
mod resource;
mod told;
mod tool {
    pub(crate) mod count_rows;
    pub(crate) mod execute_explain;
    pub(crate) mod get_schema_info;
    pub(crate) mod list_databases;
    pub(crate) mod query_database;
    pub(crate) mod read_resource;
}

pub use registry::offer;
