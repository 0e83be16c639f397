//! What is kept: records of credentials, the stores that keep them, and word of their changes.
//!
//! A method of a store is what must happen together or not at all. No store is on the path of a
//! good token: the index of `mcp-auth` answers that, and reads the store when a [`Change`] says
//! that something is worth reading again.
//!
//! [`MemoryTokens`] is the twin that tests use and embedders may; [`contract`] (feature
//! `contract`) is the suite that every store passes.

mod change;
#[cfg(feature = "contract")]
pub mod contract;
mod memory;
mod record;
mod token_store;

pub use change::{Change, ChangeSender, Changes};
pub use memory::MemoryTokens;
pub use record::TokenRecord;
pub use token_store::{
    BoxFuture, InsertRejection, RemoveRejection, StoreError, StoreErrorKind, TokenSelector, TokenStore,
};
