//! What every store of accounts promises.

mod admins;
mod edits;
mod histories;
mod lockout_histories;
mod logins;
mod openings;
mod past;
pub(super) mod people;
mod races;
mod records;
mod recovery;
mod sessions;
mod words;

pub use self::recovery::recovery;
use crate::account_store::AccountStore;

/// Runs every check of a store of accounts, each on a new and empty store from `make`: some fifty
/// of them. What a store needs as long as it lives (a folder, a database) is kept by whoever calls.
///
/// ```
/// use mcp_store::{MemoryAccounts, contract};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// contract::accounts(async || MemoryAccounts::new()).await;
/// # });
/// ```
///
/// # Panics
/// When the store breaks a promise, or takes half a minute over what should take no time.
pub async fn accounts<S: AccountStore>(make: impl AsyncFn() -> S) {
    records::check(&make).await;
    edits::check(&make).await;
    past::check(&make).await;
    admins::check(&make).await;
    logins::check(&make).await;
    openings::check(&make).await;
    sessions::check(&make).await;
    words::check(&make).await;
    races::check(&make).await;
    lockout_histories::check(&make).await;
    histories::check(&make).await;
}
