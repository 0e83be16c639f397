//! The audit log of many servers, in the table `auth_events`.
//!
//! ```text
//!  record ─▶ AuditQueue (bounded; floods are folded) ─▶ PostgresAuditWriter::run ─▶ auth_events
//!                                                          retention_days over └─▶ deleted
//! ```
//!
//! What is promised:
//!
//! - [`PostgresAudit`] never waits for the database and never fails.
//! - Events are written in order, some hundred in one statement; each once, also where an answer
//!   of the database was lost and the statement is sent again.
//! - A database that is down costs one error in the log of the process. Events wait in memory;
//!   what does not fit is counted, and the counts are rows of their own when it is back.
//! - Old rows are deleted a thousand at a time, between the writing.

mod events;
mod log;
mod reader;
mod writer;

pub use log::PostgresAudit;
pub use reader::PostgresAuditLines;
pub use writer::PostgresAuditWriter;
