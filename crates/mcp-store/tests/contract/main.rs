//! The twins in memory keep the contracts that every store keeps, and a store that breaks one is
//! caught.

#![expect(clippy::unwrap_used, reason = "a broken store may panic as a test does")]

mod accounts;
mod attempts;
mod broken_accounts;
mod shared;
mod tokens;
