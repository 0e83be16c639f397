//! Attempts that are certain to end alike are one: the same account, the same password, at the
//! same time. Fifty parallel logins with the right password cost one hash, and fifty with the
//! same wrong one are one guess.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use mcp_identity::{Entropy, EntropyError, Password};
use ring::hmac;
use tokio::sync::OnceCell;

/// What attempts share, by what they try.
pub(crate) struct Shares<T> {
    /// Of this process: a fingerprint says nothing elsewhere.
    key: hmac::Key,
    open: Mutex<HashMap<[u8; 32], Weak<Share<T>>>>,
}

/// The outcome that several attempts wait for. One of them finds it out; if that one gives up,
/// the next one does.
pub(crate) type Share<T> = OnceCell<T>;

impl<T> Shares<T> {
    pub(crate) fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut key = [0; 32];
        entropy.fill(&mut key)?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), open: Mutex::default() })
    }

    /// What everyone shares who tries this password for this account now. Those of another round
    /// share among themselves.
    pub(crate) fn join(&self, round: u8, account: &str, password: &Password) -> Arc<Share<T>> {
        let parts = [&[round], account.as_bytes(), password.expose().as_bytes()];
        let fingerprint = fingerprint(&self.key, &parts);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = open.get(&fingerprint).and_then(Weak::upgrade) {
            return share;
        }
        // As many as there are attempts in flight, and some that nobody came back to: those go
        // before the map grows.
        if open.len() == open.capacity() {
            open.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(OnceCell::new());
        open.insert(fingerprint, Arc::downgrade(&share));
        share
    }
}

/// A digest that only this process can make.
pub(crate) fn fingerprint(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        // The length first, so that no two lists of parts read the same.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(context.sign().as_ref());
    fingerprint
}
