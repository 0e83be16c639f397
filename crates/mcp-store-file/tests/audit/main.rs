//! The audit log of one server, as it lies on the disk and as it is read back.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a failed test")]

mod events;
mod lines;
mod outage;
mod reading;
mod rotation;
mod support;
mod trust;
