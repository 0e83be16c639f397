//! What this crate says, held against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod judged;
