//! The transport as whoever stands above it sees it: the endpoint as a tower service, and standard
//! input and output as a pair of pipes. Time stands still but where a test lets it pass.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a failed test")]

mod client;
mod events;
mod feed;
mod going_on;
mod play;
mod questions;
mod service;
mod sessions;
mod stdio;
mod streams;
