//! Let in, kept in, put out: the two halves together, on the store in memory.
//!
//! Time is tokio's paused time: what waits for a timer waits no time at all.

#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod bearer;
mod keeper;
mod outage;
mod support;
