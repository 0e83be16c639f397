//! Who appears in the tests, and what they do.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use mcp_identity::{Clock as _, SessionId, SystemClock, TokenHash, UserName};
use mcp_store::{
    AccountStore, LoginSession, OpenRejection, Opening, SessionScope, StoredHash, UserRecord,
};
use mcp_store_postgres::PostgresStore;
use mcp_throttle::{LockoutPolicy, Ticket, Verdict};

pub(crate) const HASH: &str = "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";

pub(crate) fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

pub(crate) fn now() -> SystemTime {
    SystemClock.now()
}

pub(crate) fn policy(limit: u32) -> LockoutPolicy {
    LockoutPolicy {
        limit: NonZeroU32::new(limit),
        duration: Some(Duration::from_mins(15)),
        hold: Duration::from_secs(12),
    }
}

pub(crate) async fn add(store: &PostgresStore, who: &str) {
    let record = UserRecord::new(name(who), StoredHash::new(HASH), now());
    store.add_account(record).await.unwrap();
}

/// Takes a place; `None`: there is none to have, or nobody of this name.
pub(crate) async fn place(store: &PostgresStore, who: &str) -> Option<(UserRecord, Ticket)> {
    let login = store.find_login(&name(who), policy(5), now()).await.unwrap()?;
    match login.verdict {
        Verdict::Reserved(ticket) => Some((login.account.record, ticket)),
        Verdict::Wait | Verdict::Locked(_) => None,
    }
}

/// Logs in with whatever password the account has.
pub(crate) async fn log_in(
    store: &PostgresStore,
    who: &str,
    n: u64,
) -> Result<LoginSession, OpenRejection> {
    let (account, ticket) = place(store, who).await.unwrap();
    let session = session(who, n);
    store.open_session(opening(&account, session.clone(), ticket)).await.map(|_| session)
}

pub(crate) fn session(who: &str, n: u64) -> LoginSession {
    let now = now();
    LoginSession {
        id: SessionId::from_bytes(n.to_be_bytes()),
        hash: TokenHash::of_presented(&n.to_be_bytes()),
        user: name(who),
        created_at: now,
        expires_at: now + Duration::from_hours(24),
        last_used: now,
        address: None,
        agent: None,
        scope: SessionScope::Full,
    }
}

pub(crate) fn opening(account: &UserRecord, session: LoginSession, ticket: Ticket) -> Opening {
    Opening {
        ticket,
        policy: policy(5),
        account_made: account.created_at,
        checked: account.password.clone(),
        stronger: None,
        limit: 0,
        now: session.created_at,
        session,
    }
}
