//! What a statement is: one or several, a read or a change, and whether it names what is never allowed.
//!
//! Pure text in, verdict out: nothing here speaks to a database, and nothing here is the whole
//! wall. PostgreSQL judges what this lets through, inside a read-only transaction and a wrapper
//! that only a query fits into; this crate makes sure that one statement stays one statement and
//! cannot break out of that wrapper.
//!
//! ```
//! use mcp_sql::{Refusal, Statement};
//!
//! let read = Statement::read("SELECT 1; -- done").unwrap();
//! assert_eq!(read.page(10, 0).sql, "SELECT * FROM (\nSELECT 1\n) AS q LIMIT 10 OFFSET 0");
//! assert_eq!(Statement::read("SELECT 1; DROP TABLE t"), Err(Refusal::Several));
//! assert_eq!(Statement::read_or_change("DELETE FROM t").unwrap().change(), Some("DELETE"));
//! assert_eq!(Statement::read("Which users are active?"), Err(Refusal::Sentence));
//! ```

mod change;
mod condition;
mod deny;
mod explain;
mod lexer;
mod quote;
mod statement;

pub use condition::Condition;
pub use deny::is_denied;
pub use explain::ExplainOptions;
pub use lexer::LexicalFault;
pub use quote::{quote_identifier, quote_literal};
pub use statement::{Page, Refusal, Statement, Verdict};
