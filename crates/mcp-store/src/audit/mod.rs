//! What every audit log has in common, wherever it is kept: the record, and the queue before it.
//!
//! ```text
//!  record ─▶ AuditQueue (bounded; floods are folded) ─▶ AuditBatch ─▶ whoever writes: a file, a table
//! ```
//!
//! A queue holds whole lines: JSON that starts with its version, `v`, and is safe to show.

mod events;
mod flood;
mod line;
mod queue;
mod time;

pub use events::{AuditEvents, AuditPage, FARTHEST_EVENT, MOST_EVENTS};
pub use line::{AuditFilter, AuditLine, AuditLineFault};
pub use queue::{AuditBatch, AuditQueue};
