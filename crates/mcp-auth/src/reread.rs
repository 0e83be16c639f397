//! What changes name, read again by itself: a login must not cost what a hundred thousand accounts
//! weigh.

use std::collections::BTreeSet;

use mcp_identity::{SessionId, UserName};
use mcp_store::{Account, AccountStore, Change, Changes, LoginSession, StoreError};

use crate::auth::{Refresh, Wanted};

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

    /// Adds what was told by now.
    pub(crate) fn hear(&mut self, changes: &mut Changes) {
        while !self.is_too_much()
            && let Some(change) = changes.told()
        {
            self.add(change);
        }
    }

    /// Is it better to read everything?
    pub(crate) fn is_too_much(&self) -> bool {
        self.everything || self.users.len() + self.sessions.len() > MOST
    }

    /// Reads what is named, and whose the sessions are.
    pub(crate) async fn read(self, store: &dyn AccountStore) -> Result<Reread, StoreError> {
        let Self { mut users, sessions, everything: _ } = self;
        let mut reread = Reread::default();
        let mut there = Vec::new();
        for id in sessions {
            match store.find_session(&id).await? {
                Some(session) => {
                    users.insert(session.user);
                    there.push(id);
                }
                None => reread.sessions.push((id, None)),
            }
        }
        for name in users {
            let account = store.find_account(&name).await?;
            reread.users.push((name, account));
        }
        // Once more, after what they hang on: if their account was removed before it was read, and
        // made anew, they are gone by now.
        for id in there {
            let session = store.find_session(&id).await?;
            reread.sessions.push((id, session));
        }
        Ok(reread)
    }
}
