//! The snapshot that every request reads: swapped whole, read without a lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use mcp_identity::{CredentialFault, Principal, TokenHash};

/// Every token that the store holds, by digest. Closed, it refuses everyone.
pub(crate) struct Index(ArcSwapOption<Entries>);

/// One snapshot.
pub(crate) type Entries = HashMap<Digest, Entry, BuildHasherDefault<DigestHasher>>;

/// What is known of one digest.
pub(crate) enum Entry {
    /// Its lease was held when the snapshot was made.
    Held(Arc<Principal>),
    /// Its time is over. Kept apart from unknown ones for the audit log's sake.
    Expired,
}

impl Index {
    /// Knows nothing yet and refuses everyone.
    pub(crate) fn closed() -> Self {
        Self(ArcSwapOption::empty())
    }

    /// Replaces the whole snapshot.
    pub(crate) fn publish(&self, entries: Entries) {
        self.0.store(Some(Arc::new(entries)));
    }

    /// From now on, everyone is refused.
    pub(crate) fn close(&self) {
        self.0.store(None);
    }

    /// The lease is not asked: the keeper publishes before it ends one, so who finds an entry
    /// found it while it held, and waits on the lease from then on.
    pub(crate) fn look_up(
        &self,
        hash: TokenHash,
        now: SystemTime,
    ) -> Result<Arc<Principal>, CredentialFault> {
        let snapshot = self.0.load();
        let entries = snapshot.as_ref().ok_or(CredentialFault::Ended)?;
        match entries.get(&Digest(hash)) {
            None => Err(CredentialFault::Unknown),
            Some(Entry::Expired) => Err(CredentialFault::Expired),
            // The keeper sweeps by timer and may be late; the record's word is exact.
            Some(Entry::Held(principal)) if principal.expires_at.is_some_and(|end| end <= now) => {
                Err(CredentialFault::Expired)
            }
            Some(Entry::Held(principal)) => Ok(Arc::clone(principal)),
        }
    }
}

/// A key that hashes to its own first eight bytes.
#[derive(PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) TokenHash);

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Eight bytes are there: a digest has 32.
        state.write(self.0.as_bytes().first_chunk::<8>().map_or(&[], <[u8; 8]>::as_slice));
    }
}

/// Takes eight bytes as they are: SHA-256 has spread them already.
///
/// That is safe without a secret key, because who sends tokens puts nothing in the table. He can
/// grind for digests that fall into the fullest bucket, but that bucket was filled by random
/// tokens, and is as short as chance made it. What the time of a look-up tells of a kept digest
/// is of no use either: it does not lead back to a token of 256 random bits.
#[derive(Default)]
pub(crate) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(word) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*word);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
