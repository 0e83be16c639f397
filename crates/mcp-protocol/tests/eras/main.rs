//! One server, two eras: whatever a handler does, a client of either sees the same.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod asking;
mod cancelling;
mod client;
mod content;
mod listening;
mod offer;
mod paging;
mod permitting;
mod reading;
mod refusing;
mod telling;
