//! Let in, keep in, put out: who holds a good token, until the moment it stops being one.
//!
//! [`Auth`] answers the path of every request from memory: one SHA-256, one look-up, no lock, no
//! wait, no store. [`Keeper`] is its other half and the only one that changes the answer: it reads
//! the store again when word of a change comes, replaces the entry, and ends the old [`Lease`],
//! on which everything that acts for the caller waits. When the keeper stops, for whatever
//! reason, `Auth` refuses everyone.
//!
//! Nothing here knows HTTP (that is `mcp-auth-http`) and nothing is spawned: the owner of the
//! process runs the keeper.
//!
//! ```
//! use std::sync::Arc;
//! use mcp_auth::Auth;
//! # use mcp_identity::{Clock as _, PlainToken, SystemClock, SystemEntropy, TokenHash, TokenId};
//! # use mcp_store::{MemoryTokens, TokenRecord, TokenStore as _};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let token = PlainToken::generate(&SystemEntropy)?;
//! # let id = TokenId::parse("token-1")?;
//! # let store = Arc::new(MemoryTokens::new());
//! # store.insert(TokenRecord::new(id, TokenHash::of(&token), SystemClock.now())).await?;
//! let clock = Arc::new(SystemClock);
//! let (auth, keeper) = Auth::open(store, clock).await?;
//! let keeping = tokio::spawn(keeper.run(std::future::pending()));
//!
//! let principal = auth.bearer(token.expose().as_bytes(), SystemClock.now())?;
//! assert_eq!(principal.id.to_string(), "token:token-1");
//!
//! // Whoever acts for the principal stops when its lease ends; here, because the keeper stops.
//! keeping.abort();
//! principal.lease.ended().await;
//! assert!(auth.bearer(token.expose().as_bytes(), SystemClock.now()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Lease`]: mcp_identity::Lease

#![warn(missing_docs)]

mod auth;
mod authenticate;
mod index;
mod keeper;
mod ledger;

pub use auth::{Auth, RefreshError};
pub use authenticate::{Authenticate, OpenDoor};
pub use keeper::Keeper;
