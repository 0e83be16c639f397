//! What is kept: records of credentials, the stores that keep them, and word of their changes.
//!
//! A method of a store is what must happen together or not at all. No store is on the path of a
//! good token: the index of `mcp-auth` answers that, and reads the store when a [`Change`] says
//! that something is worth reading again.
//!
//! [`MemoryTokens`] is the twin that tests use and embedders may; [`contract`] (feature
//! `contract`) is the suite that every store passes.
//!
//! ```
//! use mcp_store::{MemoryTokens, TokenSelector, TokenStore as _};
//! # use mcp_identity::{SystemClock, Clock as _, PlainToken, SystemEntropy, TokenHash, TokenId};
//! # use mcp_store::TokenRecord;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let token = PlainToken::generate(&SystemEntropy)?;
//! let mut record = TokenRecord::new(
//!     TokenId::parse("token-1")?,
//!     TokenHash::of(&token),
//!     SystemClock.now(),
//! );
//! record.note = "nightly report".to_owned();
//!
//! let store = MemoryTokens::new();
//! store.insert(record).await?;
//! let prefix = TokenHash::of(&token).to_hex()[..12].to_owned();
//! let removed = store.remove(TokenSelector::HashPrefix(prefix)).await?;
//! assert_eq!(removed.note, "nightly report");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

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
    BoxFuture, InsertRejection, RemoveRejection, StoreError, StoreErrorKind, TokenSelector,
    TokenStore,
};
