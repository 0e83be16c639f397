//! What every ledger of attempts promises.

mod addresses;
mod histories;
mod names;
mod trying;

use std::sync::Arc;

use crate::account_store::AccountStore;
use crate::attempt_ledger::{AttemptLedger, AttemptLimits};

/// Runs every check of a ledger of attempts, each on a new and empty one from `make`, with the
/// accounts that it lies beside. What must be settled by and by is waited for.
///
/// ```
/// use std::sync::Arc;
/// use mcp_store::{LocalAttempts, MemoryAccounts, contract};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// contract::attempts(async |limits| {
///     let accounts = Arc::new(MemoryAccounts::new());
///     (accounts.clone(), LocalAttempts::new(accounts, limits))
/// })
/// .await;
/// # });
/// ```
///
/// # Panics
/// When the ledger breaks a promise, or takes half a minute over what should take no time.
pub async fn attempts<S: AccountStore, L: AttemptLedger>(
    make: impl AsyncFn(AttemptLimits) -> (Arc<S>, L),
) {
    addresses::check(&make).await;
    names::check(&make).await;
    histories::check(&make).await;
}
