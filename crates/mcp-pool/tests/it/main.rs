//! The pools on a real PostgreSQL: who shares what, who waits for whom, and when it ends.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod cancelling;
mod inspecting;
mod isolation;
mod limits;
mod reaching;
mod session_state;
mod silence;
mod support;
