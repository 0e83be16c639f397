//! The snapshot that every request reads: swapped whole, read without a lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use mcp_identity::{CredentialFault, Principal, TokenHash, UserName};
use tokio::time::Instant;

/// Every credential that the stores hold, by digest. Closed, it refuses everyone. Tokens are
/// swapped whole, and sessions by the shelf: a login must cost neither what a hundred thousand
/// tokens weigh nor what a million sessions do.
pub(crate) struct Index {
    tokens: ArcSwapOption<Entries>,
    /// Each holds the sessions whose digests send them there; `None`: there are none.
    shelves: Box<[ArcSwapOption<Entries>]>,
    last_admin: ArcSwapOption<LastAdmin>,
    made: Instant,
    /// [`SURE`], or the millisecond after `made` from which on nothing holds any more.
    stands_until: AtomicU64,
}

/// Of a million sessions, 250 are on each shelf: so many are copied when one comes or goes. Empty,
/// all of them take 32 KiB.
const SHELVES: usize = 4096;

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

/// The only enabled admin.
pub(crate) struct LastAdmin {
    pub(crate) name: UserName,
    /// In lower case.
    pub(crate) email: Option<String>,
}

/// One snapshot.
pub(crate) type Entries = HashMap<Digest, Entry, BuildHasherDefault<DigestHasher>>;

/// What is known of one digest.
#[derive(Clone)]
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

/// What is to become of the entry of a session.
pub(crate) enum SessionChange {
    /// This is shown from now on.
    Shown(TokenHash, Entry),
    /// Nothing is shown, unless it is of another by now.
    Gone(TokenHash, Arc<Principal>),
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
            shelves: (0..SHELVES).map(|_| ArcSwapOption::empty()).collect(),
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

    /// Makes these changes, the first one first. Whoever looks a session up sees it as it was or
    /// as it is; the others stay as they are.
    pub(crate) fn change_sessions(&self, changes: Vec<SessionChange>) {
        let mut copies = HashMap::new();
        for change in changes {
            match change {
                SessionChange::Shown(hash, entry) => {
                    self.copy_of(&mut copies, hash).insert(Digest(hash), entry);
                }
                SessionChange::Gone(hash, principal) => {
                    let entries = self.copy_of(&mut copies, hash);
                    if entries.get(&Digest(hash)).is_some_and(|entry| entry.shows(&principal)) {
                        entries.remove(&Digest(hash));
                    }
                }
            }
        }
        for (number, entries) in copies {
            self.shelves[number].store((!entries.is_empty()).then(|| Arc::new(entries)));
        }
    }

    /// The shelf of a digest, to be changed and put back.
    fn copy_of<'a>(
        &self,
        copies: &'a mut HashMap<usize, Entries>,
        hash: TokenHash,
    ) -> &'a mut Entries {
        let number = shelf_of(hash);
        let as_it_is = || self.shelves[number].load().as_deref().cloned().unwrap_or_default();
        copies.entry(number).or_insert_with(as_it_is)
    }

    /// Says who is the only enabled admin, if somebody is.
    pub(crate) fn publish_last_admin(&self, admin: Option<LastAdmin>) {
        self.last_admin.store(admin.map(Arc::new));
    }

    /// Whether this is the only enabled admin.
    pub(crate) fn is_last_admin(&self, name: &UserName) -> bool {
        self.last_admin.load().as_ref().is_some_and(|admin| admin.name == *name)
    }

    /// Whether this is his address of mail, in lower case.
    pub(crate) fn is_email_of_last_admin(&self, email: &str) -> bool {
        let admin = self.last_admin.load();
        admin.as_ref().is_some_and(|admin| admin.email.as_deref() == Some(email))
    }

    /// From now on, everyone is refused.
    pub(crate) fn close(&self) {
        self.tokens.store(None);
        for shelf in self.shelves.iter().filter(|shelf| shelf.load().is_some()) {
            shelf.store(None);
        }
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
        let sessions = self.shelves[shelf_of(hash)].load();
        let entry = sessions.as_ref().and_then(|entries| entries.get(&Digest(hash)));
        entry.ok_or(CredentialFault::Unknown)?.found(hash, now)
    }
}

/// By other bytes than those by which an entry is found on its shelf.
fn shelf_of(hash: TokenHash) -> usize {
    let bytes = hash.as_bytes();
    usize::from(u16::from_le_bytes([bytes[8], bytes[9]])) % SHELVES
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
    fn shows(&self, principal: &Arc<Principal>) -> bool {
        matches!(self, Self::Held(shown, _) if Arc::ptr_eq(shown, principal))
    }

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
#[derive(Clone, PartialEq, Eq)]
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

#[cfg(test)]
mod tests {
    use mcp_identity::LeaseEnd;

    use super::*;

    fn hash(number: u32) -> TokenHash {
        TokenHash::of_presented(&number.to_be_bytes())
    }

    fn somebody() -> (Arc<Principal>, LeaseEnd) {
        let (principal, end) = Principal::local();
        (Arc::new(principal), end)
    }

    fn shown(hash: TokenHash, principal: &Arc<Principal>) -> SessionChange {
        SessionChange::Shown(hash, Entry::Held(Arc::clone(principal), Arc::default()))
    }

    fn shows(index: &Index, hash: TokenHash, principal: &Arc<Principal>) -> bool {
        let found = index.look_up_session(hash, SystemTime::UNIX_EPOCH);
        found.is_ok_and(|found| Arc::ptr_eq(&found.principal, principal))
    }

    #[test]
    fn what_comes_and_goes_leaves_all_others_as_they_are() {
        const MANY: u32 = 20_000;
        let (index, (all, _end), (one, _)) = (Index::closed(), somebody(), somebody());
        index.change_sessions((0..MANY).map(|number| shown(hash(number), &all)).collect());
        index.change_sessions(vec![
            SessionChange::Gone(hash(7), Arc::clone(&all)),
            shown(hash(MANY), &one),
        ]);
        assert!(!shows(&index, hash(7), &all) && shows(&index, hash(MANY), &one));
        assert!((0..MANY).filter(|number| *number != 7).all(|it| shows(&index, hash(it), &all)));
        index.close();
        assert!(
            (0..=MANY).all(|it| index.look_up_session(hash(it), SystemTime::UNIX_EPOCH).is_err())
        );
    }

    #[test]
    fn the_end_of_a_session_hides_no_other_that_took_its_digest() {
        let (index, (before, _end), (after, _)) = (Index::closed(), somebody(), somebody());
        let gone = || SessionChange::Gone(hash(1), Arc::clone(&before));
        index.change_sessions(vec![shown(hash(1), &before), shown(hash(1), &after), gone()]);
        assert!(shows(&index, hash(1), &after));
        // What goes in the same breath as it comes is not shown.
        index.change_sessions(vec![shown(hash(1), &before), gone()]);
        assert!(!shows(&index, hash(1), &before) && !shows(&index, hash(1), &after));
    }

    #[test]
    fn the_sessions_of_random_tokens_are_spread_over_the_shelves() {
        let mut numbers = [0_u32; SHELVES];
        (0..100 * 4096).for_each(|number| numbers[shelf_of(hash(number))] += 1);
        // One in ten thousand of such piles would be as high by chance.
        assert!(numbers.iter().all(|number| (50..=160).contains(number)));
    }
}
