//! The wall on a real PostgreSQL: what must not get through, what must, and what is written by
//! those who may.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod changes;
mod escapes;
mod generated;
mod legal;
mod record;
mod size;
mod stubborn;
mod support;
