//! Sessions that this server opens: in force by the rows that the store gave with them, so that
//! whoever logs in waits for no reading of what was just written.
//!
//! ```text
//!   opener: notes the number of the last reading ──▶ opens ──▶ hands the rows to the keeper
//!   keeper: was one of them read since?  no ──▶ they are in force
//!           (or everything, or too much)  yes ─▶ the session is read by name, and is in force
//!   words of that session are set aside meanwhile, and read when its opener has done
//! ```
//!
//! # Why late rows undo nothing
//!
//! Readings are numbered as their answers arrive, before they are put in force. The opener notes
//! the number N before he asks the store to open; so what the store says to him, it says after
//! every reading up to N was answered. Let a change be committed that his rows do not show: it came
//! after them, and so after all those readings.
//!
//! - If its word was not handled yet, it is handled after the rows, by a reading that shows it.
//! - If it was, then by a reading that was answered after the change, and so has a number above N.
//!   It read the user, the session, or everything, and its number is remembered, or is below that
//!   of something forgotten: the rows are not taken.
//! - If its word was set aside, it was one of a second change of the session: the first word of a
//!   session is of its opening. Then the rows are not taken either. Was the first one lost, then
//!   because nothing was heard for a while; everything is read after that. And whatever was set
//!   aside is read in the end.
//!
//! An account that is known just as the rows have it is left as it is: nothing could be undone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use mcp_identity::SessionId;
use mcp_store::{Account, Change, Entered, Seen};
use tokio::sync::Notify;

use crate::auth::Wanted;
use crate::people::People;
use crate::reread::{Named, Reread};

/// So many of the users and sessions that were read last are remembered.
const REMEMBERED: usize = 1024;

/// What openers and the keeper have in common.
#[derive(Default)]
pub(crate) struct Openings {
    /// The number of the last reading that was answered.
    last_reading: AtomicU64,
    under_way: Mutex<BTreeSet<SessionId>>,
    /// Told when an opener has done, however that ended.
    done: Notify,
}

impl Openings {
    /// Before the store is asked to open it.
    pub(crate) fn begin(self: &Arc<Self>, id: &SessionId) -> UnderWay {
        self.under_way().insert(id.clone());
        let since = self.last_reading.load(Ordering::Acquire);
        UnderWay { openings: Arc::clone(self), id: id.clone(), since }
    }

    /// Waits until an opener has done.
    pub(crate) async fn one_is_done(&self) {
        self.done.notified().await;
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeSet<SessionId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that is being opened. Dropped, its opener has done.
pub(crate) struct UnderWay {
    openings: Arc<Openings>,
    id: SessionId,
    since: u64,
}

impl UnderWay {
    /// What is to be read again of it, or need not be.
    pub(crate) fn wanted(&self, entered: Entered) -> Wanted {
        let Entered { ended, seen } = entered;
        match seen {
            Some(seen) => Wanted::Opened(Box::new(Fresh { since: self.since, ended, seen })),
            None => Wanted::Session(self.id.clone()),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.openings.under_way().remove(&self.id);
        self.openings.done.notify_one();
    }
}

/// The rows of a session that was opened.
#[derive(Debug)]
pub(crate) struct Fresh {
    /// The number of the last reading before the store was asked.
    since: u64,
    /// Sessions that ended for it.
    ended: Vec<SessionId>,
    seen: Box<Seen>,
}

impl Fresh {
    pub(crate) fn id(&self) -> &SessionId {
        &self.seen.session.id
    }
}

/// What the keeper read last, and what he was told and has set aside.
pub(crate) struct Readings {
    openings: Arc<Openings>,
    /// The newest last.
    newest: VecDeque<(u64, Change)>,
    /// Up to this number, anything may have been read that is not remembered.
    forgotten: u64,
    /// How often he was told of sessions that were under way.
    aside: BTreeMap<SessionId, u32>,
}

impl Readings {
    pub(crate) fn new(openings: Arc<Openings>) -> Self {
        Self { openings, newest: VecDeque::new(), forgotten: 0, aside: BTreeMap::new() }
    }

    /// Everything was read: whatever was told before is known.
    pub(crate) fn read_whole(&mut self) {
        self.forgotten = self.next();
        self.newest.clear();
        self.aside.clear();
    }

    /// These were read, and are about to be put in force.
    pub(crate) fn read_some(&mut self, reread: &Reread) {
        let number = self.next();
        let users = reread.users.iter().map(|(name, _)| Change::User(name.clone()));
        let sessions = reread.sessions.iter().map(|(id, _)| Change::Session(id.clone()));
        for what in users.chain(sessions) {
            if self.newest.len() == REMEMBERED
                && let Some((number, _)) = self.newest.pop_front()
            {
                self.forgotten = number;
            }
            self.newest.push_back((number, what));
        }
    }

    /// Counts the reading whose answer is here. Openers that begin from now on ask after it.
    fn next(&self) -> u64 {
        self.openings.last_reading.fetch_add(1, Ordering::AcqRel) + 1
    }

    fn was_read_since(&self, since: u64, what: &Change) -> bool {
        let mut since_then = self.newest.iter().rev().take_while(|(number, _)| *number > since);
        since_then.any(|(_, read)| read == what)
    }

    /// Puts the rows in force, unless something newer may be. `false`: nothing was changed, and the
    /// session is to be read by name.
    pub(crate) fn take(&mut self, fresh: &Fresh, people: &mut People, now: SystemTime) -> bool {
        let Fresh { since, ended, seen } = fresh;
        let Seen { record, session } = &**seen;
        let told = self.aside.get(&session.id).copied().unwrap_or_default();
        let read = |what| self.was_read_since(*since, &what);
        if *since < self.forgotten || told > 1 || read(Change::Session(session.id.clone())) {
            return false;
        }
        let mut reread = Reread::default();
        if !people.knows(record) {
            if read(Change::User(record.name.clone())) {
                return false;
            }
            reread.users.push((record.name.clone(), Some(Account::new(record.clone()))));
        }
        // What has ended never comes back.
        reread.sessions.extend(ended.iter().map(|id| (id.clone(), None)));
        reread.sessions.push((session.id.clone(), Some(session.clone())));
        self.read_some(&reread);
        people.settle_some(reread, now)
    }

    /// Is this word of a session that is under way, and not in force yet? Then it is read when its
    /// opener has done: nobody can come in by it before.
    pub(crate) fn sets_aside(&mut self, word: &Change, people: &People) -> bool {
        let Change::Session(id) = word else { return false };
        let can_wait = !people.holds(id) && self.openings.under_way().contains(id);
        if can_wait {
            *self.aside.entry(id.clone()).or_default() += 1;
        }
        can_wait
    }

    /// These are about to be read: what was set aside of them is.
    pub(crate) fn take_aside(&mut self, named: &Named) {
        self.aside.retain(|id, _| !named.names(id));
    }

    /// What was set aside of sessions whose openers have done.
    pub(crate) fn take_done(&mut self) -> Named {
        let mut named = Named::default();
        let under_way = self.openings.under_way();
        for (id, _) in self.aside.extract_if(.., |id, _| !under_way.contains(id)) {
            named.add(Change::Session(id));
        }
        named
    }
}
