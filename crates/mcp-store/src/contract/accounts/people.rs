//! Those who appear in the suite, and what they do again and again.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use mcp_identity::{DatabaseName, DbRole, RoleName, SessionId, TokenHash, UserName};
use mcp_throttle::{Failure, LockoutPolicy, Ticket, Verdict};

use crate::account::{LoginSession, SessionScope, StoredHash, UserEdit, UserRecord};
use crate::account_store::{Account, AccountStore, Login, Opening};
use crate::contract::{hold, must, second};

/// What a careless writer of YAML, SQL or log lines stumbles over.
const HOSTILE: &str = "it's: a \"note\", # with ümläuts & {more}\\n";

pub(super) fn name(text: &str) -> UserName {
    must(UserName::parse(text))
}

/// The name of [`plain`] and [`full`] of that number.
pub(in crate::contract) fn user(n: u64) -> UserName {
    name(&format!("User {n}"))
}

/// Something of the form of a hash, and of no password.
pub(super) fn password(n: u64) -> StoredHash {
    StoredHash::new(format!("$2b$12${n:0>53}"))
}

/// An account without anything optional.
pub(in crate::contract) fn plain(n: u64) -> UserRecord {
    UserRecord::new(user(n), password(n), second(n))
}

/// An account with everything optional.
pub(super) fn full(n: u64) -> UserRecord {
    let salt_and_hash = "c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    UserRecord {
        email: Some(format!("User.{n}@Example.org")),
        full_name: Some(HOSTILE.to_owned()),
        password: StoredHash::new(format!("$argon2id$v=19$m=65536,t=3,p=1${salt_and_hash}")),
        must_change_password: true,
        note: HOSTILE.to_owned(),
        enabled: false,
        roles: ["admin", "viewer"].into_iter().map(|role| must(RoleName::parse(role))).collect(),
        databases: Some([must(DatabaseName::parse("staging"))].into()),
        db_role: Some(must(DbRole::parse("app reader"))),
        read_only: true,
        ..plain(n)
    }
}

/// An account with an address.
pub(in crate::contract) fn addressed(n: u64, email: &str) -> UserRecord {
    UserRecord { email: Some(email.to_owned()), ..plain(n) }
}

/// Whole minutes: what the last use of a session is kept to.
pub(in crate::contract) fn minute(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_mins(28_333_334 + n)
}

pub(super) fn session_id(n: u64) -> SessionId {
    SessionId::from_bytes(n.to_be_bytes())
}

/// A session that is opened at that minute, for a day.
pub(in crate::contract) fn session(n: u64, user: &UserName) -> LoginSession {
    let address = if n.is_multiple_of(2) { "192.0.2.7" } else { "2001:db8::7" };
    LoginSession {
        id: session_id(n),
        hash: TokenHash::of_presented(format!("contract-session-{n}").as_bytes()),
        user: user.clone(),
        created_at: minute(n),
        expires_at: minute(n + 24 * 60),
        last_used: minute(n),
        address: address.parse().ok(),
        agent: Some(format!("{HOSTILE}\t\u{1b}[31m")),
        scope: SessionScope::Full,
    }
}

/// Locks after so many failures for so many minutes; 0: never, and until an admin unlocks.
pub(in crate::contract) fn policy(limit: u32, minutes: u64) -> LockoutPolicy {
    LockoutPolicy {
        limit: NonZeroU32::new(limit),
        duration: (minutes > 0).then(|| Duration::from_mins(minutes)),
        hold: Duration::from_secs(40),
    }
}

/// The place again: it is named by its time.
pub(super) fn again(ticket: &Ticket) -> Ticket {
    Ticket::taken_at(ticket.time())
}

/// The opening of `session` in `account`, as it was found, by the place of `ticket`: at once, and
/// one of any number.
pub(in crate::contract) fn opening(
    account: &UserRecord,
    session: LoginSession,
    ticket: Ticket,
) -> Opening {
    Opening {
        ticket,
        policy: policy(3, 15),
        account_made: account.created_at,
        checked: account.password.clone(),
        stronger: None,
        limit: 0,
        now: session.created_at,
        session,
    }
}

/// Keeps new accounts.
pub(in crate::contract) async fn keep(
    store: &dyn AccountStore,
    records: impl IntoIterator<Item = UserRecord>,
) {
    for record in records {
        hold("a new account is kept", &store.add_account(record).await, &Ok(()));
    }
}

/// Logs in to `account`, and gives the session of that number.
pub(in crate::contract) async fn log_in(
    store: &dyn AccountStore,
    account: &UserRecord,
    n: u64,
) -> LoginSession {
    log_in_limited(store, account, n, 0).await
}

/// As [`log_in`]; so many sessions may be open.
pub(super) async fn log_in_limited(
    store: &dyn AccountStore,
    account: &UserRecord,
    n: u64,
    limit: usize,
) -> LoginSession {
    let session = session(n, &account.name);
    let ticket = reserve(store, &account.name, &policy(3, 15), minute(n)).await;
    let opening = Opening { limit, ..opening(account, session.clone(), ticket) };
    if let Err(rejection) = store.open_session(opening).await {
        panic!("contract broken: who has a place and the right password is let in: {rejection}");
    }
    session
}

/// Takes a place, which is free.
pub(super) async fn reserve(
    store: &dyn AccountStore,
    name: &UserName,
    policy: &LockoutPolicy,
    now: SystemTime,
) -> Ticket {
    match find(store, name, policy, now).await {
        Verdict::Reserved(ticket) => ticket,
        other => panic!("contract broken: an open account has a place: {other:?}"),
    }
}

/// What somebody is told who wants to log in to an account that is there.
pub(super) async fn find(
    store: &dyn AccountStore,
    name: &UserName,
    policy: &LockoutPolicy,
    now: SystemTime,
) -> Verdict {
    match store.find_login(name, *policy, now).await {
        Ok(Some(login)) => login.verdict,
        other => panic!("contract broken: find_login() finds an account that is there: {other:?}"),
    }
}

/// Takes a place and fails.
pub(super) async fn fail(
    store: &dyn AccountStore,
    name: &UserName,
    policy: &LockoutPolicy,
    now: SystemTime,
) -> Failure {
    let made = read_one(store, name).await.record.created_at;
    let ticket = reserve(store, name, policy, now).await;
    match store.fail_login(name, made, ticket, *policy, now).await {
        Ok(failure) => failure,
        Err(error) => panic!("contract broken: a failure is counted: {error}"),
    }
}

/// Edits an account that is there.
pub(super) async fn edit(store: &dyn AccountStore, name: &UserName, edit: UserEdit) -> Account {
    match store.edit_account(name, edit).await {
        Ok(account) => in_shape(account),
        Err(rejection) => panic!("contract broken: an account is edited: {rejection}"),
    }
}

pub(super) async fn read(store: &dyn AccountStore) -> Vec<Account> {
    match store.accounts().await {
        Ok(accounts) => accounts.into_iter().map(in_shape).collect(),
        Err(error) => panic!("contract broken: the accounts can be read: {error}"),
    }
}

/// The account of that name, which is there.
pub(in crate::contract) async fn read_one(store: &dyn AccountStore, name: &UserName) -> Account {
    match store.find_account(name).await {
        Ok(Some(account)) => in_shape(account),
        other => panic!("contract broken: find_account() gives an account by its name: {other:?}"),
    }
}

pub(super) async fn read_sessions(store: &dyn AccountStore) -> Vec<LoginSession> {
    match store.sessions().await {
        Ok(sessions) => sessions,
        Err(error) => panic!("contract broken: the sessions can be read: {error}"),
    }
}

/// An account whose places are in order: a store may keep them in any.
pub(super) fn in_shape(mut account: Account) -> Account {
    account.lockout.reserved.sort_unstable();
    account
}

/// As [`in_shape`].
pub(super) fn login_in_shape(found: Option<Login>) -> Option<Login> {
    found.map(|login| Login { account: in_shape(login.account), ..login })
}

/// Accounts that nobody has tried to log in to.
pub(super) fn untried(records: impl IntoIterator<Item = UserRecord>) -> Vec<Account> {
    records.into_iter().map(Account::new).collect()
}
