//! Where the accounts are: the users file, and the state database beside it; or PostgreSQL.

use std::ops::Deref;

use mcp_config::UserStore;
use mcp_identity::UserName;
use mcp_store::{
    Account, AccountStore as _, AddRejection, EditRejection, LoginSession, RecoveryStore,
    StoreError, UserRecord,
};
use mcp_store_file::{FileAccounts, FileAccountsSettings, UserFile};
use mcp_store_postgres::PostgresStore;

use crate::desk::Desk;
use crate::dsn;
use crate::output::{Fault, warn};

/// The state database, in `state.directory`.
pub(crate) const STATE: &str = "mcp-server-state.db";

/// Everything that is known of accounts.
pub(crate) struct Known {
    pub(crate) accounts: Vec<Account>,
    pub(crate) sessions: Vec<LoginSession>,
}

/// Accounts, open for a change.
pub(crate) enum Accounts {
    Files(FileAccounts),
    Postgres(PostgresStore),
}

impl Deref for Accounts {
    type Target = dyn RecoveryStore;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Files(files) => files,
            Self::Postgres(store) => store,
        }
    }
}

impl Accounts {
    /// Adds accounts: to the users file in one change, all that it takes or none; to PostgreSQL
    /// one after the other. Says of each whether it was taken.
    pub(crate) async fn add_all(
        &self,
        records: Vec<UserRecord>,
    ) -> Result<Vec<Result<(), AddRejection>>, StoreError> {
        let store = match self {
            Self::Files(files) => return files.add_accounts(records).await,
            Self::Postgres(store) => store,
        };
        let mut answers = Vec::with_capacity(records.len());
        for record in records {
            answers.push(store.add_account(record).await);
        }
        Ok(answers)
    }
}

/// Opens them, for a change. Makes what is not there.
pub(crate) fn open(desk: &Desk) -> Result<Accounts, Fault> {
    let config = desk.config()?;
    if config.users.store == UserStore::Postgres {
        return Ok(Accounts::Postgres(dsn::open(desk)?));
    }
    let settings = FileAccountsSettings::new(&config.http.auth.user_file, &config.state.directory);
    Ok(Accounts::Files(FileAccounts::open(settings.for_its_owner(), desk.now)?))
}

/// The users file alone.
pub(crate) fn file(desk: &Desk) -> Result<UserFile, Fault> {
    Ok(UserFile::open(&desk.config()?.http.auth.user_file).for_its_owner())
}

/// Reads them, and of files makes nothing. Without a state database nobody has logged in yet; where
/// it cannot be used, that is said, and the users file still is.
pub(crate) fn read(desk: &Desk) -> Result<Known, Fault> {
    if desk.config()?.users.store == UserStore::Postgres {
        return read_all(desk);
    }
    if desk.config()?.state.directory.join(STATE).exists() {
        match read_all(desk) {
            // Nobody at all: perhaps there is no file, which is another matter.
            Ok(known) if !known.accounts.is_empty() => return Ok(known),
            Ok(_) => {}
            Err(fault) => warn(&format!("no locks, no sessions: {}", fault.message())),
        }
    }
    let account = |kept: mcp_store_file::KeptUser| {
        let mut account = Account::new(kept.record);
        account.last_login = kept.last_login;
        account.lockout.failures = kept.failed_attempts;
        account
    };
    let accounts = file(desk)?.read()?.into_iter().map(account).collect();
    Ok(Known { accounts, sessions: Vec::new() })
}

/// Reads them; makes a state database where there is none.
pub(crate) fn read_all(desk: &Desk) -> Result<Known, Fault> {
    let store = open(desk)?;
    let accounts = desk.wait(store.accounts())?;
    let mut sessions = desk.wait(store.sessions())?;
    sessions.retain(|session| !session.is_expired(desk.now));
    Ok(Known { accounts, sessions })
}

/// A name as an operator types it.
pub(crate) fn name(text: &str) -> Result<UserName, Fault> {
    UserName::parse(text).map_err(Fault::from_fault)
}

impl Known {
    pub(crate) fn find(&self, name: &UserName) -> Result<&Account, Fault> {
        let found = self.accounts.iter().find(|account| account.record.name == *name);
        found.ok_or_else(|| EditRejection::NotFound.into())
    }

    pub(crate) fn sessions_of(&self, name: &UserName) -> impl Iterator<Item = &LoginSession> {
        self.sessions.iter().filter(move |session| session.user == *name)
    }
}
