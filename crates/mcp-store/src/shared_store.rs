//! What other servers made, for whoever does not know it yet.

use std::time::SystemTime;

use mcp_identity::TokenHash;

use crate::change::Change;
use crate::token_store::{BoxFuture, StoreError};

/// A place that other servers write to, too. Word of what they made may be late or lost; this asks
/// for it by what somebody presents.
///
/// A store of one server knows all that is made, and needs none.
pub trait SharedStore: Send + Sync {
    /// What to read again, to know the credentials with these digests: the token or the session of
    /// each that is there and not over at `now`, in any order. As with all [`Change`]s, what is true
    /// of them is for that reading to say.
    ///
    /// One question to the store, however many they are. The one who asks keeps them few.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read. Nothing found is an empty list.
    fn changes_behind<'a>(
        &'a self,
        hashes: &'a [TokenHash],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Vec<Change>, StoreError>>;
}
