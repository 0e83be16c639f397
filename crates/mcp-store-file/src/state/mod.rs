//! The state database: what the server keeps by itself, in one SQLite file.
//!
//! It belongs to whoever runs the server; `mcp-admin` opens it beside him. Nothing here knows the
//! users file: an account is a name and a time of making, and whether there is one is for
//! [`crate::accounts`] to say.
//!
//! Every call blocks. A change is made in a transaction that holds the database for itself from
//! its beginning, in this and in every other process; who waits for it waits 5 s at most.

mod columns;
mod connection;
mod fault;
mod kept;
mod past;
mod place;
mod recovery;
mod schema;
mod sessions;
mod trust;

pub(crate) use connection::{Durability, State, Tables};
pub(crate) use kept::{AccountKey, Kept};
pub(crate) use recovery::KeptReset;
