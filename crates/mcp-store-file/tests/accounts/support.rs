//! A folder with the files of one server, and those who work on them.

use std::fs::{self, Permissions};
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mcp_identity::{SessionId, TokenHash, UserName};
use mcp_store::{
    Account, AccountStore, Change, Changes, LoginSession, OpenRejection, Opening, SessionScope,
    StoreError, StoredHash, UserRecord,
};
use mcp_store_file::{FileAccounts, FileAccountsSettings};
use mcp_throttle::{Failure, LockoutPolicy, Ticket, Verdict};
use tempfile::TempDir;

/// Far more than is promised: a loaded test machine promises nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Once locked, always locked.
pub(crate) const LOCKING: LockoutPolicy =
    LockoutPolicy { limit: Some(NonZeroU32::MIN), duration: None, hold: Duration::from_mins(1) };

pub(crate) struct House(TempDir);

impl House {
    /// With a users file that says this.
    pub(crate) fn with(users: &str) -> Self {
        let house = Self::empty();
        house.write_users(users);
        house
    }

    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn users(&self) -> PathBuf {
        self.path().join("users.yaml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("mcp-server-state.db")
    }

    pub(crate) fn write_users(&self, users: &str) {
        fs::write(self.users(), users).unwrap();
        fs::set_permissions(self.users(), Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn open(&self) -> Result<FileAccounts, StoreError> {
        FileAccounts::open(FileAccountsSettings::new(self.users(), self.path()), second(0))
    }

    pub(crate) fn server(&self) -> FileAccounts {
        self.open().unwrap()
    }

    pub(crate) fn open_as_admin(&self) -> Result<FileAccounts, StoreError> {
        let settings = FileAccountsSettings::new(self.users(), self.path()).for_its_owner();
        FileAccounts::open(settings, second(0))
    }

    pub(crate) fn admin(&self) -> FileAccounts {
        self.open_as_admin().unwrap()
    }
}

pub(crate) fn second(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n)
}

pub(crate) fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

pub(crate) fn password(n: u64) -> StoredHash {
    StoredHash::new(format!("$2b$12${n:0>53}"))
}

pub(crate) fn record(text: &str) -> UserRecord {
    UserRecord::new(name(text), password(1), second(1))
}

pub(crate) fn session(n: u64, user: &UserName) -> LoginSession {
    LoginSession {
        id: SessionId::from_bytes(n.to_be_bytes()),
        hash: TokenHash::of_presented(&n.to_be_bytes()),
        user: user.clone(),
        created_at: second(n),
        expires_at: second(1_000_000),
        last_used: second(n),
        address: None,
        agent: None,
        scope: SessionScope::Full,
    }
}

/// Opens the session of that number, with the account as it was found.
pub(crate) async fn open(
    store: &dyn AccountStore,
    found: &UserRecord,
    n: u64,
) -> Result<(), OpenRejection> {
    let ticket = reserve(store, &found.name).await;
    let opening = Opening {
        session: session(n, &found.name),
        ticket,
        policy: LOCKING,
        account_made: found.created_at,
        checked: found.password.clone(),
        stronger: None,
        limit: 0,
        now: second(n),
    };
    store.open_session(opening).await.map(|_| ())
}

pub(crate) async fn reserve(store: &dyn AccountStore, name: &UserName) -> Ticket {
    let login = store.find_login(name, LOCKING, second(5)).await.unwrap().unwrap();
    match login.verdict {
        Verdict::Reserved(ticket) => ticket,
        other => panic!("no place: {other:?}"),
    }
}

pub(crate) async fn lock(store: &dyn AccountStore, name: &UserName) {
    let made = store.find_account(name).await.unwrap().unwrap().record.created_at;
    let ticket = reserve(store, name).await;
    let failed = store.fail_login(name, made, ticket, LOCKING, second(5)).await.unwrap();
    assert!(matches!(failed, Failure::Locks(_)), "{failed:?}");
}

pub(crate) async fn find(store: &dyn AccountStore, text: &str) -> Account {
    store.find_account(&name(text)).await.unwrap().unwrap()
}

pub(crate) async fn ids(store: &dyn AccountStore) -> Vec<SessionId> {
    store.sessions().await.unwrap().into_iter().map(|session| session.id).collect()
}

pub(crate) async fn told(changes: &mut Changes, expected: Change) {
    let word = async { while changes.next().await.unwrap() != expected {} };
    tokio::time::timeout(PATIENCE, word).await.unwrap();
}

pub(crate) async fn until(mut reached: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap();
}
