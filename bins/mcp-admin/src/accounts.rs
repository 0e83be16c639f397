//! Where the accounts are: the users file, and the state database beside it.

use mcp_identity::UserName;
use mcp_store::{Account, AccountStore as _, EditRejection, LoginSession};
use mcp_store_file::{FileAccounts, FileAccountsSettings, UserFile};

use crate::desk::Desk;
use crate::output::{Fault, warn};

/// The state database, in `state.directory`.
pub(crate) const STATE: &str = "mcp-server-state.db";

/// Everything that is known of accounts.
pub(crate) struct Known {
    pub(crate) accounts: Vec<Account>,
    pub(crate) sessions: Vec<LoginSession>,
}

/// Opens both, for a change. Makes what is not there.
pub(crate) fn open(desk: &Desk) -> Result<FileAccounts, Fault> {
    let config = desk.config()?;
    let settings = FileAccountsSettings::new(&config.http.auth.user_file, &config.state.directory);
    Ok(FileAccounts::open(settings.for_its_owner(), desk.now)?)
}

/// The users file alone.
pub(crate) fn file(desk: &Desk) -> Result<UserFile, Fault> {
    Ok(UserFile::open(&desk.config()?.http.auth.user_file).for_its_owner())
}

/// Reads both, and makes nothing. Without a state database nobody has logged in yet; where it
/// cannot be used, that is said, and the users file still is.
pub(crate) fn read(desk: &Desk) -> Result<Known, Fault> {
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

/// Reads both; makes a state database where there is none.
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
