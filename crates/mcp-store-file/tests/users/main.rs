//! The users file: what is read, what a change does to it, and what it leaves alone.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a failed test")]

mod editing;
mod hostile;
mod reading;
mod support;
mod writing;
