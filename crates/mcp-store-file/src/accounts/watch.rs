//! Word of what others do to the users file, and what follows from it.

use std::future::Future;

use mcp_store::{Change, ChangeSender, Changes, StoreError};

use super::desk::Desk;
use crate::user_file::UserFile;
use crate::watch::{FileState, UserFileWatch};

/// Tells the listeners of a [`FileAccounts`](super::FileAccounts) of every change to the users
/// file that left it readable. Accounts that it no longer knows or that it says are disabled lose
/// their sessions for good, be they put back the next minute. Made by
/// [`FileAccounts::watch`](super::FileAccounts::watch).
///
/// What other processes do to the state database is told without it.
#[must_use = "nothing is told until `run` is awaited"]
pub struct FileAccountsWatch {
    users: UserFileWatch,
    told: Changes,
    desk: Desk,
    changes: ChangeSender,
}

impl FileAccountsWatch {
    pub(super) fn of(
        users: &UserFile,
        desk: &Desk,
        changes: &ChangeSender,
    ) -> Result<Self, StoreError> {
        let told = users.changes();
        Ok(Self { users: users.watch()?, told, desk: desk.clone(), changes: changes.clone() })
    }

    /// The state of the users file, for as long as this runs.
    #[must_use]
    pub fn state(&self) -> FileState {
        self.users.state()
    }

    /// Tells until `shutdown` ends. Returns before that only if the store has stopped working,
    /// which is a fault of ours.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { users, told, desk, changes } = self;
        tokio::select! {
            () = users.run(shutdown) => {}
            () = follow(told, &desk, &changes) => {}
            () = desk.clone().ended() => {}
        }
    }
}

async fn follow(mut told: Changes, desk: &Desk, changes: &ChangeSender) {
    // What became of accounts while nobody watched.
    settle(desk).await;
    while let Some(change) = told.next().await {
        // The others are our own edits, and told already.
        if change == Change::Everything {
            changes.tell(change);
            settle(desk).await;
        }
    }
}

async fn settle(desk: &Desk) {
    let settled = desk.ask(|clerk| clerk.sweep(None)).await;
    if let Err(error) = settled.and_then(|settled| settled) {
        tracing::warn!(error = %error, "Sessions of accounts that are no more were not forgotten");
    }
}
