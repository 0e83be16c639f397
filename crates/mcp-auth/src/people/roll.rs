//! Sessions by their names, by whose they are, and in the order in which they are over.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::SystemTime;

use mcp_identity::{SessionId, UserName};

use super::Kept;

/// The sessions that hold. What is asked of it costs what is found, not what it holds.
#[derive(Default)]
pub(super) struct Roll {
    kept: HashMap<SessionId, Kept>,
    due: BTreeSet<(SystemTime, SessionId)>,
    of_users: HashMap<UserName, HashSet<SessionId>>,
}

impl Roll {
    /// Takes one that is not there.
    pub(super) fn insert(&mut self, kept: Kept) {
        let id = kept.session.id.clone();
        self.due.insert((kept.due, id.clone()));
        // Names are shared with the account: a key for each session would weigh more than it.
        match self.of_users.get_mut(&kept.session.user) {
            Some(his) => drop(his.insert(id.clone())),
            None => {
                self.of_users.insert(kept.session.user.clone(), HashSet::from([id.clone()]));
            }
        }
        self.kept.insert(id, kept);
    }

    pub(super) fn remove(&mut self, id: &SessionId) -> Option<Kept> {
        let kept = self.kept.remove(id)?;
        self.due.remove(&(kept.due, id.clone()));
        if let Some(his) = self.of_users.get_mut(&kept.session.user) {
            his.remove(id);
            if his.is_empty() {
                self.of_users.remove(&kept.session.user);
            }
        }
        Some(kept)
    }

    pub(super) fn contains(&self, id: &SessionId) -> bool {
        self.kept.contains_key(id)
    }

    /// A store has noted a use: it is over no sooner for that.
    pub(super) fn note_use(&mut self, id: &SessionId, at: SystemTime) {
        if let Some(kept) = self.kept.get_mut(id) {
            kept.session.last_used = at;
        }
    }

    /// Takes out those of these users.
    pub(super) fn take_of(&mut self, users: &HashSet<UserName>) -> Vec<Kept> {
        let theirs = users.iter().filter_map(|user| self.of_users.get(user)).flatten();
        let theirs: Vec<SessionId> = theirs.cloned().collect();
        theirs.iter().filter_map(|id| self.remove(id)).collect()
    }

    /// When the first of them has to be looked at.
    pub(super) fn next_due(&self) -> Option<SystemTime> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Those that have to be looked at by now.
    pub(super) fn due_by(&self, now: SystemTime) -> impl Iterator<Item = &Kept> {
        let due = self.due.iter().take_while(move |(due, _)| *due <= now);
        due.filter_map(|(_, id)| self.kept.get(id))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Kept> {
        self.kept.values()
    }

    pub(super) fn into_by_name(self) -> HashMap<SessionId, Kept> {
        self.kept
    }
}
