//! Let in, kept in, put out: the two halves together, on the stores in memory.
//!
//! Time is tokio's paused time: what waits for a timer waits no time at all.

#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod admission;
mod audit;
mod bearer;
mod elsewhere;
mod idle;
#[cfg(feature = "jwt")]
mod jwt;
mod keeper;
mod limits;
mod lockout;
mod login;
mod outage;
mod password_change;
mod reread;
mod sessions;
mod support;
