//! The audit log of one server: JSON lines in files, a new one each UTC day.
//!
//! ```text
//!  record ─▶ AuditQueue (bounded; floods are folded) ─▶ AuditWriter::run ─▶ audit.jsonl
//!                                                      midnight UTC └─▶ audit-2026-11-21.jsonl
//! ```
//!
//! What is promised:
//!
//! - [`AuditFile::record`](AuditFile) never waits for the disk and never fails. What it keeps is
//!   bounded by bytes, not by hope; see [`mcp_store::AuditQueue`].
//! - Lines of logins, locks and changes of credentials or accounts are on disk half a second
//!   after they were written, all of that time with one `fdatasync`; never one per request.
//! - Two processes may write one log (the server, and the operator's tool beside it): whoever
//!   writes holds a lock on the file while it appends, rotates or mends.
//! - A full or broken disk costs one error in the log of the process. Events wait in memory;
//!   what does not fit is counted, and the counts are lines of their own when the disk is back.

mod events;
mod file;
mod journal;
mod names;
mod reader;
mod time;
mod trust;
mod writer;

pub use events::FileEvents;
pub use file::{AuditFile, AuditFileSettings};
pub use reader::{AuditLines, AuditReader};
pub use writer::AuditWriter;
