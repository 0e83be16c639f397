//! `mcp-admin sessions`, and the sessions and locks that it finds.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use mcp_identity::{
    Clock as _, Entropy as _, PlainToken, SessionId, SystemClock, SystemEntropy, TokenHash,
    UserName,
};
use mcp_store::{AccountStore as _, LoginSession, Opening, SessionScope};
use mcp_store_file::FileAccounts;
use mcp_throttle::{LockoutPolicy, Verdict};
use serde_json::json;

use crate::admin_folder::Admin;
use crate::admin_users::HOSTILE;

fn policy(minutes: Option<u64>) -> LockoutPolicy {
    LockoutPolicy {
        limit: NonZeroU32::new(1),
        duration: minutes.map(Duration::from_mins),
        hold: Duration::from_mins(1),
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Opens a session, as the server does.
pub(crate) fn log_in(admin: &Admin, name: &str, agent: &str) -> SessionId {
    log_in_until(admin, name, agent, SystemClock.now() + Duration::from_hours(24))
}

fn log_in_until(admin: &Admin, name: &str, agent: &str, expires_at: SystemTime) -> SessionId {
    open_session(&admin.store(), name, |session| {
        session.expires_at = expires_at;
        session.agent = Some(agent.to_owned());
    })
}

/// Opens a session as the server does, changed from one that begins now and lasts a day.
pub(crate) fn open_session(
    store: &FileAccounts,
    name: &str,
    change: impl FnOnce(&mut LoginSession),
) -> SessionId {
    let (now, user) = (SystemClock.now(), UserName::parse(name).unwrap());
    let mut bytes = [0; 8];
    SystemEntropy.fill(&mut bytes).unwrap();
    let mut session = LoginSession {
        id: SessionId::from_bytes(bytes),
        hash: TokenHash::of(&PlainToken::generate(&SystemEntropy).unwrap()),
        user: user.clone(),
        created_at: now,
        expires_at: now + Duration::from_hours(24),
        last_used: now,
        address: Some("2001:db8::1".parse().unwrap()),
        agent: None,
        scope: SessionScope::Full,
    };
    change(&mut session);
    let id = session.id.clone();
    let login = wait(store.find_login(&user, policy(None), now)).unwrap().unwrap();
    let Verdict::Reserved(ticket) = login.verdict else { panic!("{name} is locked") };
    let opening = Opening {
        session,
        ticket,
        policy: policy(None),
        account_made: login.account.record.created_at,
        checked: login.account.record.password,
        stronger: None,
        limit: 0,
        now,
    };
    wait(store.open_session(opening)).unwrap();
    id
}

/// Locks an account for so many minutes, as a wrong password does.
pub(crate) fn lock(admin: &Admin, name: &str, minutes: Option<u64>) {
    let (store, now, user) = (admin.store(), SystemClock.now(), UserName::parse(name).unwrap());
    let login = wait(store.find_login(&user, policy(minutes), now)).unwrap().unwrap();
    let made = login.account.record.created_at;
    let Verdict::Reserved(ticket) = login.verdict else { panic!("{name} is locked") };
    wait(store.fail_login(&user, made, ticket, policy(minutes), now)).unwrap();
}

#[test]
fn sessions_are_listed_with_whose_they_are_and_where_from() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    admin.add_user("bob", &[]);
    let empty = admin.stdout(&["sessions", "list"]);
    assert!(empty.starts_with("Sessions:\n====") && empty.lines().count() == 5, "{empty}");
    let id = log_in(&admin, "alice", HOSTILE);
    log_in(&admin, "bob", &"x".repeat(256));
    log_in_until(&admin, "bob", "expired", SystemClock.now() - Duration::from_secs(1));
    let list = admin.stdout(&["sessions", "list"]);
    let row = list.lines().nth(4).unwrap();
    let shown = [id.as_str(), " alice ", " 2001:db8::1 ", r"\u{1b}[31mred\u{202e}drow\nfor"];
    assert!(shown.iter().all(|part| row.contains(part)), "{row}");
    assert_eq!(list.lines().count(), 7, "the expired one is none: {list}");
    assert!(!list.contains(['\u{1b}', '\u{202e}', '\u{200b}', '\t']), "{list}");
    let of_alice = admin.json(&["sessions", "list", "ALICE"]);
    assert_eq!(of_alice["total"], 1);
    assert_eq!(of_alice["sessions"][0]["agent"], HOSTILE);
    let shown = admin.stdout(&["users", "show", "alice"]);
    assert!(shown.contains("Sessions: 1\n") && shown.contains(id.as_str()), "{shown}");
    assert_eq!(admin.json(&["users", "show", "alice"])["sessions"][0]["id"], id.as_str());
}

#[test]
fn sessions_are_ended_one_by_one_by_user_and_all() {
    let admin = Admin::new();
    admin.add_user("alice", &[]);
    admin.add_user("bob", &[]);
    let id = log_in(&admin, "alice", "a");
    for name in ["alice", "alice", "bob", "bob"] {
        log_in(&admin, name, "a");
    }
    let left = || admin.json(&["sessions", "list"])["total"].clone();
    assert_eq!(admin.transcript(&["sessions", "revoke", id.as_str()]), "Sessions ended: 1\nexit 0");
    assert_eq!(left(), 4);
    let again = admin.transcript(&["sessions", "revoke", id.as_str()]);
    let nobody = "Error: Session not found\nhint: the ids are in: mcp-admin sessions list\nexit 1";
    assert_eq!(again, nobody);
    assert_eq!(admin.transcript(&["sessions", "revoke", "O9ms9jqTfUdy-DIjvpFWeqd_yH_N"]), nobody);
    assert_eq!(
        admin.transcript(&["sessions", "revoke", "--user", "Alice"]),
        "Sessions ended: 2\nexit 0"
    );
    assert_eq!(left(), 2);
    assert_eq!(admin.json(&["sessions", "revoke", "--all"])["total"], json!(2));
    assert_eq!(left(), 0);
    assert_eq!(admin.transcript(&["sessions", "revoke", "--all"]), "Sessions ended: 0\nexit 0");
    for wrong in
        [["sessions", "revoke"].as_slice(), &["sessions", "revoke", "--all", "--user", "bob"]]
    {
        assert_eq!(admin.run(wrong).status.code(), Some(64), "{wrong:?}");
    }
}
