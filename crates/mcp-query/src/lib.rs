//! One statement run: the wall in front of PostgreSQL, the deadline, rows to text.
//!
//! The only crate that sends SQL which somebody else wrote. A text becomes a
//! [`mcp_sql::Statement`] or is refused; the statement runs wrapped, in a read-only transaction,
//! on a connection of its own principal, through the extended protocol; its rows are handed on as
//! they come ([`Rows`]).

mod count;
mod fault;
mod json;
mod limits;
mod plan;
mod query;
mod schema_change;
mod tsv;
mod type_names;

pub use count::{Count, MAX_NAME_BYTES};
pub use fault::QueryFault;
pub use json::{push_json_row, push_json_text};
pub use limits::Limits;
pub use mcp_sql::{ExplainOptions, quote_identifier};
pub use plan::Plan;
pub use query::{Column, Databases, Row, Rows, Stop, type_name};
pub use tsv::{push_header, push_row};
