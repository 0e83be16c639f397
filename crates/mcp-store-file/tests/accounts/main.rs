//! What the accounts of one server promise, over a users file and a state database.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod beside;
mod by_hand;
mod contract;
mod killed;
mod opening;
mod past;
mod recovery;
mod support;
