//! What one statement may cost.

use std::time::Duration;

/// Limits of one database. Come from `databases[]` in the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most rows that one call returns.
    pub max_rows: u64,
    /// The most text that one call returns, in bytes.
    pub max_result_bytes: u64,
    /// PostgreSQL ends a statement after this time; the client's own deadline stands a little
    /// behind it, for statements that evade PostgreSQL's.
    pub statement_timeout: Duration,
}
