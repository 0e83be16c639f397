//! One statement run: the wall in front of PostgreSQL, the deadline, rows to text.
//!
//! The only crate that sends SQL which somebody else wrote. A text becomes a
//! [`mcp_sql::Statement`] or is refused; a read runs wrapped, in a read-only transaction, a change
//! in one that commits and only where database and credential allow it; both on a connection of
//! their own principal, through the extended protocol. Rows are handed on as they come ([`Rows`]),
//! and each statement is recorded, run or refused.

mod count;
mod fault;
mod json;
mod limits;
mod plan;
mod query;
mod record;
mod schema_change;
mod tsv;
mod type_names;

pub use count::{Count, MAX_NAME_BYTES};
pub use fault::QueryFault;
pub use json::{push_json_row, push_json_text};
pub use limits::Limits;
pub use mcp_sql::{ExplainOptions, quote_identifier};
pub use plan::Plan;
pub use query::{Changed, Column, Databases, Row, Rows, Stop, type_name};
pub use tsv::{push_header, push_row};
