//! What is kept: records of credentials, the stores that keep them, and word of their changes.
//!
//! A [`TokenStore`] keeps API tokens, an [`AccountStore`] accounts, their sessions and their
//! failures to log in, a [`RecoveryStore`] letters to be sent and links for a new password. A method of a store is what must happen together or not at all. No store is
//! on the path of a good token: the index of `mcp-auth` answers that, and reads the store when a
//! [`Change`] says that something is worth reading again.
//!
//! An [`AttemptLedger`] keeps what attempts to log in take and give back, by address and by name:
//! [`LocalAttempts`] for one server, a shared one for several on one store. Where there are several,
//! a [`SharedStore`] is asked for what one of them does not know.
//!
//! An audit log is no store, but what all of them have in common is here, too: [`AuditQueue`],
//! [`AuditLine`], and [`AuditEvents`], which tells what happened, newest first.
//!
//! [`MemoryTokens`] and [`MemoryAccounts`] are the twins that tests use and embedders may;
//! `contract` (feature `contract`) holds the suites that every store passes. No store knows what a
//! password is: it keeps [`StoredHash`]es, and does not look into them.
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

mod account;
mod account_store;
mod attempt_ledger;
mod audit;
mod change;
#[cfg(feature = "contract")]
pub mod contract;
mod local_attempts;
mod memory;
mod memory_accounts;
mod record;
mod recovery_store;
mod rotation;
mod shared_store;
mod token_store;

pub use account::{
    ADMIN_ROLE, AdminsLeft, LoginSession, SessionScope, SessionSelector, StoredHash, UserEdit,
    UserRecord,
};
pub use account_store::{
    Account, AccountStore, AddRejection, EditRejection, Excerpt, Login, OpenRejection, Opened,
    Opening,
};
pub use attempt_ledger::{
    About, AddressPlace, Admitted, AttemptLedger, AttemptLimits, Beginning, Begun, Entered, Held,
    Seen, Sought,
};
pub use audit::{
    AuditBatch, AuditEvents, AuditFilter, AuditLine, AuditLineFault, AuditPage, AuditQueue,
    FARTHEST_EVENT, MOST_EVENTS,
};
pub use change::{Change, ChangeSender, Changes};
pub use local_attempts::LocalAttempts;
pub use memory::MemoryTokens;
pub use memory_accounts::MemoryAccounts;
pub use record::TokenRecord;
pub use recovery_store::{
    FARTHEST, LetterClaim, LetterMatter, MOST_LETTERS, Minting, QueuedLetter, REMEMBERED,
    RecoveryStore, ResetLook, SpendRejection, Spending, Spent, Whom, reset_seal,
};
pub use rotation::{RotateRejection, Rotated, Rotation};
pub use shared_store::SharedStore;
pub use token_store::{
    BoxFuture, InsertRejection, RemoveRejection, StoreError, StoreErrorKind, TokenSelector,
    TokenStore,
};
