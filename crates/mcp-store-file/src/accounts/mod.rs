//! The accounts of one server: what its operator says of them in the users file, and what the
//! server keeps of them in the state database.
//!
//! ```text
//!   futures of AccountStore ──▶ queue ──▶ the clerk's thread ──▶ users file (YAML)
//!                                              │             └─▶ state database (SQLite)
//!   ChangeSender ◀── at once: what it did ─────┤
//!                ◀── every 50 ms: what another process did to the database
//!                ◀── the users file's watch: what others did to that
//! ```
//!
//! One thread does one thing after the other (in an operator's tool, which ends at once, the one
//! that asks), so that within a process every call is as if it were alone. Between processes a change begins by taking the database for itself, then the users file;
//! nobody takes them the other way round.
//!
//! A change of both cannot be one. It is made in the order in which a crash in between does no
//! harm: see `clerk/edits.rs`.

mod clerk;
mod desk;
mod places;
mod recovery;
mod roll;
mod watch;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mcp_identity::{SessionId, UserName};
use mcp_store::{
    Account, AccountStore, AddRejection, AdminsLeft, BoxFuture, ChangeSender, Changes,
    EditRejection, Login, LoginSession, OpenRejection, Opened, Opening, SessionSelector,
    StoreError, StoredHash, UserEdit, UserRecord,
};
use mcp_throttle::{Failure, LockoutPolicy, Ticket};

use self::clerk::Clerk;
use self::desk::Desk;
pub use self::watch::FileAccountsWatch;
use crate::access::Managed;
use crate::state::State;
use crate::user_file::UserFile;

/// The accounts of one server, with their sessions. One server at a time may use them, because the
/// places of attempts in flight are in its memory; `mcp-admin` may, beside it.
///
/// A users file that is not there (yet) holds nobody.
///
/// ```
/// use mcp_identity::{Clock as _, SystemClock, UserName};
/// use mcp_store::{AccountStore as _, StoredHash, UserRecord};
/// use mcp_store_file::{FileAccounts, FileAccountsSettings};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let settings = FileAccountsSettings::new(folder.join("mcp-server-users.yaml"), folder);
/// let accounts = FileAccounts::open(settings, SystemClock.now())?;
/// let hash = "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
/// let alice = UserName::parse("alice")?;
/// let record = UserRecord::new(alice.clone(), StoredHash::new(hash), SystemClock.now());
/// accounts.add_account(record).await?;
/// assert!(accounts.find_account(&alice).await?.is_some());
/// accounts.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileAccounts {
    users: UserFile,
    desk: Desk,
    changes: ChangeSender,
    state: PathBuf,
}

/// Where accounts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAccountsSettings {
    /// The users file, which need not exist yet.
    pub users: PathBuf,
    /// The folder of the state database, which must exist: `state.directory`.
    pub state: PathBuf,
    /// For the operator's tool: run as root, it may manage files that the service's user owns, and
    /// a file that it creates belongs to the owner of the folder. It sets no damaged database
    /// aside; it works on the thread that asks, which blocks, and when it is dropped the database
    /// is closed; it does not hear what other processes do to that. A server must not.
    pub for_its_owner: bool,
}

impl FileAccountsSettings {
    /// Files of the user that this process acts as.
    #[must_use]
    pub fn new(users: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { users: users.into(), state: state.into(), for_its_owner: false }
    }

    /// As the operator's tool opens them.
    #[must_use]
    pub fn for_its_owner(self) -> Self {
        Self { for_its_owner: true, ..self }
    }
}

impl FileAccounts {
    /// Opens the state database, makes it if there is none, and starts the thread that works on
    /// it: an operator's tool has none. Blocks while it does. Does not read the users file,
    /// unless a password is to be written there by a link that was spent just before a crash.
    ///
    /// A damaged database is set aside under a name with the time `now` in it, with a line in the
    /// log, and a new one begun.
    ///
    /// # Errors
    /// [`StoreErrorKind::Missing`] without the folder; [`StoreErrorKind::Refused`] for a database
    /// that somebody else owns, could read or could write, or that a newer release wrote;
    /// [`StoreErrorKind::Down`] when it cannot be read.
    ///
    /// [`StoreErrorKind::Missing`]: mcp_store::StoreErrorKind::Missing
    /// [`StoreErrorKind::Refused`]: mcp_store::StoreErrorKind::Refused
    /// [`StoreErrorKind::Down`]: mcp_store::StoreErrorKind::Down
    pub fn open(settings: FileAccountsSettings, now: SystemTime) -> Result<Self, StoreError> {
        let FileAccountsSettings { users, state, for_its_owner } = settings;
        let managed = if for_its_owner { Managed::ForItsOwner } else { Managed::ForUs };
        let users = match managed {
            Managed::ForUs => UserFile::open(users),
            Managed::ForItsOwner => UserFile::open(users).for_its_owner(),
        };
        let database = State::open(&state, managed, now)?;
        let state = database.path().to_owned();
        let changes = ChangeSender::new();
        let clerk = Clerk::new(users.clone(), managed, database, changes.clone());
        let desk = match managed {
            Managed::ForUs => {
                if let Err(error) = clerk.finish_resets() {
                    tracing::warn!(error = %error, "A password that was reset is still to be set");
                }
                Desk::start(clerk, &state)?
            }
            Managed::ForItsOwner => Desk::beside(clerk, &state),
        };
        Ok(Self { users, desk, changes, state })
    }

    /// The users file.
    #[must_use]
    pub fn users(&self) -> &UserFile {
        &self.users
    }

    /// The file of the state database.
    #[must_use]
    pub fn state_path(&self) -> &Path {
        &self.state
    }

    /// Prepares to watch the users file, which need not be there yet. Blocks while it reads.
    ///
    /// # Errors
    /// When it cannot be watched at all.
    pub fn watch(&self) -> Result<FileAccountsWatch, StoreError> {
        FileAccountsWatch::of(&self.users, &self.desk, &self.changes)
    }

    /// Keeps new accounts, in one change of the users file: all that it takes, or none. Says of
    /// each whether it was taken.
    ///
    /// # Errors
    /// [`StoreError`]; none was taken then, unless it says that the change is not durable.
    pub async fn add_accounts(
        &self,
        records: Vec<UserRecord>,
    ) -> Result<Vec<Result<(), AddRejection>>, StoreError> {
        self.ask(move |clerk| clerk.add_all(records)).await
    }

    /// Finishes what was asked for before and closes the database. What is asked for after fails:
    /// the store is down. A store that is dropped does the same, and nobody waits for it.
    pub async fn close(&self) {
        self.desk.close().await;
    }

    /// Lets the clerk do it, on its thread.
    async fn ask<T, E>(
        &self,
        work: impl FnOnce(&mut Clerk) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.desk.ask(work).await?
    }
}

impl AccountStore for FileAccounts {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, StoreError>> {
        Box::pin(self.ask(|clerk| clerk.accounts()))
    }

    fn find_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        let name = name.clone();
        Box::pin(self.ask(move |clerk| clerk.find_account(&name)))
    }

    fn find_email<'a>(
        &'a self,
        email: &'a str,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        let email = email.to_owned();
        Box::pin(self.ask(move |clerk| clerk.find_email(&email)))
    }

    fn past_passwords<'a>(
        &'a self,
        name: &'a UserName,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredHash>, StoreError>> {
        let name = name.clone();
        Box::pin(self.ask(move |clerk| clerk.past_passwords(&name, most)))
    }

    fn add_account(&self, record: UserRecord) -> BoxFuture<'_, Result<(), AddRejection>> {
        Box::pin(self.ask(move |clerk| clerk.add(record)))
    }

    fn edit_account<'a>(
        &'a self,
        name: &'a UserName,
        edit: UserEdit,
    ) -> BoxFuture<'a, Result<Account, EditRejection>> {
        let name = name.clone();
        Box::pin(self.ask(move |clerk| clerk.edit(&name, &edit)))
    }

    fn delete_account<'a>(
        &'a self,
        name: &'a UserName,
        admins: AdminsLeft,
    ) -> BoxFuture<'a, Result<UserRecord, EditRejection>> {
        let name = name.clone();
        Box::pin(self.ask(move |clerk| clerk.delete(&name, admins)))
    }

    fn unlock_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<bool, EditRejection>> {
        let name = name.clone();
        Box::pin(self.ask(move |clerk| clerk.unlock(&name)))
    }

    fn find_login<'a>(
        &'a self,
        name: &'a UserName,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Option<Login>, StoreError>> {
        let name = name.clone();
        Box::pin(self.ask(move |clerk| clerk.find_login(&name, &policy, now)))
    }

    fn fail_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>> {
        let name = name.clone();
        let work =
            move |clerk: &mut Clerk| clerk.fail_login(&name, account_made, ticket, &policy, now);
        Box::pin(self.ask(work))
    }

    fn withdraw_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let name = name.clone();
        Box::pin(self.ask(move |clerk| clerk.withdraw_login(&name, account_made, &ticket)))
    }

    fn open_session(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, OpenRejection>> {
        Box::pin(self.ask(move |clerk| clerk.open_session(opening)))
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(self.ask(|clerk| clerk.sessions()))
    }

    fn sessions_of<'a>(
        &'a self,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<Vec<LoginSession>, StoreError>> {
        let user = user.clone();
        Box::pin(self.ask(move |clerk| clerk.sessions_of(&user)))
    }

    fn find_session<'a>(
        &'a self,
        id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<LoginSession>, StoreError>> {
        let id = id.clone();
        Box::pin(self.ask(move |clerk| clerk.find_session(&id)))
    }

    fn end_sessions(
        &self,
        selector: SessionSelector,
    ) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.end_sessions(&selector)))
    }

    fn touch_sessions(
        &self,
        used: Vec<(SessionId, SystemTime)>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.touch_sessions(&used)))
    }

    fn sweep(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.ask(move |clerk| clerk.sweep(Some(now))))
    }

    fn changes(&self) -> Changes {
        self.changes.listen()
    }
}

impl fmt::Debug for FileAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileAccounts")
            .field("users", &self.users.path())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
