//! What changes name, read again by itself: a login must not cost what a hundred thousand accounts
//! weigh.

use std::collections::{BTreeMap, BTreeSet};

use mcp_identity::{SessionId, UserName};
use mcp_store::{Account, AccountStore, Change, Changes, LoginSession, StoreError};

use crate::auth::{Refresh, Wanted};
use crate::opened::Readings;
use crate::people::People;

/// So many are read one by one; of more, all that there is.
const MOST: usize = 32;

/// What is to be read again of accounts and their sessions.
#[derive(Debug, Default)]
pub(crate) struct Named {
    users: BTreeSet<UserName>,
    sessions: BTreeSet<SessionId>,
    everything: bool,
}

/// What was read of what was named; `None`: it is no more.
#[derive(Debug, Default)]
pub(crate) struct Reread {
    pub(crate) users: Vec<(UserName, Option<Account>)>,
    pub(crate) sessions: Vec<(SessionId, Option<LoginSession>)>,
}

/// What all who wait want to be read.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) named: Named,
    /// The tokens, of which a part is not read by itself.
    pub(crate) tokens: bool,
    /// All of accounts.
    pub(crate) accounts: bool,
}

impl Wishes {
    pub(crate) fn of(waiting: &[Refresh]) -> Self {
        let mut wishes = Self::default();
        for refresh in waiting {
            match &refresh.what {
                Wanted::Session(id) => wishes.named.add(Change::Session(id.clone())),
                Wanted::Opened(fresh) => wishes.named.add(Change::Session(fresh.id().clone())),
                Wanted::Named(changes) => changes.iter().for_each(|change| wishes.add(change)),
                Wanted::Both => (wishes.tokens, wishes.accounts) = (true, true),
            }
        }
        wishes
    }

    fn add(&mut self, change: &Change) {
        match change {
            Change::Token(_) => self.tokens = true,
            Change::Everything => (self.tokens, self.accounts) = (true, true),
            Change::User(_) | Change::Session(_) => self.named.add(change.clone()),
        }
    }
}

impl Named {
    pub(crate) fn add(&mut self, change: Change) {
        match change {
            Change::User(name) => drop(self.users.insert(name)),
            Change::Session(id) => drop(self.sessions.insert(id)),
            // Of a token nothing is known here, so it may mean anything.
            Change::Everything | Change::Token(_) => self.everything = true,
        }
    }

    /// Adds what was told by now, and need not be set aside.
    pub(crate) fn hear(&mut self, changes: &mut Changes, readings: &mut Readings, people: &People) {
        while !self.is_too_much()
            && let Some(change) = changes.told()
        {
            if !readings.sets_aside(&change, people) {
                self.add(change);
            }
        }
    }

    /// Is this session among them?
    pub(crate) fn names(&self, session: &SessionId) -> bool {
        self.sessions.contains(session)
    }

    /// Is there nothing to read?
    pub(crate) fn is_empty(&self) -> bool {
        !self.everything && self.users.is_empty() && self.sessions.is_empty()
    }

    /// Is it better to read everything?
    pub(crate) fn is_too_much(&self) -> bool {
        self.everything || self.users.len() + self.sessions.len() > MOST
    }

    /// Reads what is named, and whose the sessions are.
    pub(crate) async fn read(self, store: &dyn AccountStore) -> Result<Reread, StoreError> {
        let Self { users, sessions, everything: _ } = self;
        if users.is_empty() && sessions.is_empty() {
            return Ok(Reread::default());
        }
        let names: Vec<UserName> = users.iter().cloned().collect();
        let ids: Vec<SessionId> = sessions.iter().cloned().collect();
        let found = store.excerpt(&names, &ids).await?;
        let mut users: BTreeMap<_, _> = users.into_iter().map(|name| (name, None)).collect();
        let mut sessions: BTreeMap<_, _> = sessions.into_iter().map(|id| (id, None)).collect();
        for account in found.accounts {
            users.insert(account.record.name.clone(), Some(account));
        }
        for session in found.sessions {
            sessions.insert(session.id.clone(), Some(session));
        }
        Ok(Reread { users: users.into_iter().collect(), sessions: sessions.into_iter().collect() })
    }
}
