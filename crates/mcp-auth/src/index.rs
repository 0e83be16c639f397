//! The snapshot that every request reads: swapped whole, read without a lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use mcp_identity::{CredentialFault, Principal, TokenHash, UserName};
use tokio::time::Instant;

/// Every credential that the stores hold, by digest. Closed, it refuses everyone. Tokens and
/// sessions are swapped apart: a login must not cost what a hundred thousand tokens weigh.
pub(crate) struct Index {
    tokens: ArcSwapOption<Entries>,
    sessions: ArcSwapOption<Entries>,
    last_admin: ArcSwapOption<UserName>,
    made: Instant,
    /// [`SURE`], or the millisecond after `made` from which on nothing holds any more.
    stands_until: AtomicU64,
}

/// The index is what the stores say.
const SURE: u64 = u64::MAX;

/// What the word of an index is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is what the stores say.
    Sure,
    /// It stands in for a store that cannot be read.
    In,
    /// Nothing stands in any more for a store that cannot be read.
    Fallen,
}

/// One snapshot.
pub(crate) type Entries = HashMap<Digest, Entry, BuildHasherDefault<DigestHasher>>;

/// What is known of one digest.
pub(crate) enum Entry {
    /// Its lease was held when the snapshot was made.
    Held(Arc<Principal>, Arc<Use>),
    /// Its time is over. Kept apart from unknown ones for the audit log's sake.
    Expired,
}

/// When and from where a credential was used last, as far as somebody wants to know.
#[derive(Debug, Default)]
pub(crate) struct Use {
    /// In seconds since 1970, to the minute. 0: not since it was told last.
    pub(crate) at: AtomicU64,
    /// A mark of the address and the hour of the last use. Another one: look whether that is news.
    pub(crate) seen: AtomicU64,
}

impl Use {
    /// Notes that it was used, once a minute: the cache line is everybody's.
    fn note(&self, now: SystemTime) {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let minute = seconds - seconds % 60;
        if self.at.load(Ordering::Relaxed) != minute {
            self.at.store(minute, Ordering::Relaxed);
        }
    }
}

/// A credential that was found to hold.
pub(crate) struct Found {
    pub(crate) principal: Arc<Principal>,
    pub(crate) hash: TokenHash,
    pub(crate) used: Arc<Use>,
}

impl Index {
    /// Knows nothing yet and refuses everyone.
    pub(crate) fn closed() -> Self {
        Self {
            tokens: ArcSwapOption::empty(),
            sessions: ArcSwapOption::empty(),
            last_admin: ArcSwapOption::empty(),
            made: Instant::now(),
            stands_until: AtomicU64::new(SURE),
        }
    }

    /// A store cannot be read. Until then the index stands in for it, as far as it goes: what it
    /// does not know, a store may.
    pub(crate) fn doubt(&self, until: Instant) {
        self.stands_until.store(self.millis(until), Ordering::Relaxed);
    }

    /// The index is what the stores say.
    pub(crate) fn trust(&self) {
        self.stands_until.store(SURE, Ordering::Relaxed);
    }

    /// Whether anybody can be let in: the index is what the stores say, or stands in for them.
    pub(crate) fn stands(&self) -> bool {
        self.tokens.load().is_some() && self.standing() != Standing::Fallen
    }

    /// What its word is worth. The clock is read during an outage alone.
    pub(crate) fn standing(&self) -> Standing {
        match self.stands_until.load(Ordering::Relaxed) {
            SURE => Standing::Sure,
            until if self.millis(Instant::now()) < until => Standing::In,
            _ => Standing::Fallen,
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        let since: Duration = at.saturating_duration_since(self.made);
        u64::try_from(since.as_millis()).unwrap_or(SURE).min(SURE - 1)
    }

    /// Replaces the whole snapshot of the tokens.
    pub(crate) fn publish_tokens(&self, entries: Entries) {
        let before = self.tokens.swap(Some(Arc::new(entries)));
        outlast_readers(before.as_ref());
    }

    /// Replaces the whole snapshot of the sessions.
    pub(crate) fn publish_sessions(&self, entries: Entries) {
        let before = self.sessions.swap(Some(Arc::new(entries)));
        outlast_readers(before.as_ref());
    }

    /// Says who is the only enabled admin, if somebody is.
    pub(crate) fn publish_last_admin(&self, name: Option<UserName>) {
        self.last_admin.store(name.map(Arc::new));
    }

    /// Whether this is the only enabled admin.
    pub(crate) fn is_last_admin(&self, name: &UserName) -> bool {
        self.last_admin.load().as_deref() == Some(name)
    }

    /// From now on, everyone is refused.
    pub(crate) fn close(&self) {
        self.tokens.store(None);
        self.sessions.store(None);
    }

    /// The lease is not asked: the keeper publishes before it ends one, so who finds an entry
    /// found it while it held, and waits on the lease from then on.
    pub(crate) fn look_up(
        &self,
        hash: TokenHash,
        now: SystemTime,
    ) -> Result<Found, CredentialFault> {
        let (digest, tokens) = (Digest(hash), self.tokens.load());
        let entries = tokens.as_ref().ok_or(CredentialFault::Ended)?;
        if let Some(entry) = entries.get(&digest) {
            return entry.found(hash, now);
        }
        self.look_up_session(hash, now)
    }

    /// The same among sessions alone.
    pub(crate) fn look_up_session(
        &self,
        hash: TokenHash,
        now: SystemTime,
    ) -> Result<Found, CredentialFault> {
        let sessions = self.sessions.load();
        let entry = sessions.as_ref().and_then(|entries| entries.get(&Digest(hash)));
        entry.ok_or(CredentialFault::Unknown)?.found(hash, now)
    }
}

/// Waits until nobody is in the middle of a look-up in a snapshot of before, as far as that is soon
/// over: who lets it go last frees a hundred thousand entries, and that must not be a request.
fn outlast_readers(before: Option<&Arc<Entries>>) {
    const LOOKS: usize = 1_000;
    for _ in 0..LOOKS {
        if before.is_none_or(|entries| Arc::strong_count(entries) == 1) {
            return;
        }
        std::thread::yield_now();
    }
}

impl Entry {
    fn found(&self, hash: TokenHash, now: SystemTime) -> Result<Found, CredentialFault> {
        let Self::Held(principal, used) = self else { return Err(CredentialFault::Expired) };
        // The keeper sweeps by timer and may be late; the record's word is exact.
        if principal.expires_at.is_some_and(|end| end <= now) {
            return Err(CredentialFault::Expired);
        }
        used.note(now);
        Ok(Found { principal: Arc::clone(principal), hash, used: Arc::clone(used) })
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
