//! The sections of the file: one file each, with its types and its rows of the table.

pub(crate) mod databases;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod state;

use schemars::JsonSchema;
use serde::Deserialize;

use databases::DatabaseConfig;
use http::HttpConfig;
use log::LogConfig;
use state::StateConfig;

/// The configuration of mcp-server and mcp-admin.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mcp-server configuration")]
pub struct Config {
    /// The HTTP transport, and who may use it.
    pub http: HttpConfig,
    /// The databases behind the server, in order: the first is the default.
    ///
    /// Never empty.
    pub databases: Vec<DatabaseConfig>,
    /// What the server keeps for itself.
    pub state: StateConfig,
    /// What it says while it runs.
    pub log: LogConfig,
}
