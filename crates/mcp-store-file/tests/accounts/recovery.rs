//! Links for a new password between two media, of which a crash may leave the first alone.

use mcp_identity::TokenHash;
use mcp_store::{
    AccountStore as _, Minting, RecoveryStore, ResetLook, SpendRejection, Spending, StoreErrorKind,
    UserEdit, Whom,
};
use mcp_store_file::FileAccounts;
use rusqlite::Connection;

use crate::support::{House, find, ids, name, open, password, record, second};

fn link() -> TokenHash {
    TokenHash::of_presented(b"a link")
}

fn spending(n: u64) -> Spending {
    let (hash, password, now) = (link(), password(n), second(10));
    Spending { hash, checked: None, password, past: 4, now, end_sessions: true, confirm: true }
}

/// A server with the account alice, who has a link.
async fn with_a_link(house: &House) -> FileAccounts {
    let store = house.server();
    store.add_account(record("alice")).await.unwrap();
    let whom = Whom::User(name("alice"));
    let minting = Minting { whom, hash: link(), now: second(2), expires_at: second(100) };
    assert!(store.mint_reset(minting).await.unwrap().is_some());
    store
}

/// As a crash leaves it between the two media: the link is spent, the users file as before.
fn crash_midway(house: &House, n: u64) {
    let state = Connection::open(house.state()).unwrap();
    let spent = "UPDATE reset SET spent = 1, pending = ?1 WHERE spent = 0";
    assert_eq!(state.execute(spent, [password(n).expose()]).unwrap(), 1);
}

#[tokio::test]
async fn a_password_that_a_crash_kept_from_the_users_file_is_set_at_the_next_start() {
    let house = House::with("users: {}\n");
    with_a_link(&house).await.close().await;
    crash_midway(&house, 7);
    let store = house.server();
    assert_eq!(find(&store, "alice").await.record.password, password(7));
    assert_eq!(store.look_at_reset(link(), second(3)).await, Ok(ResetLook::Invalid));
    // Once: what its owner sets from now on stays.
    let again = UserEdit { password: Some(password(8)), ..UserEdit::default() };
    store.edit_account(&name("alice"), again).await.unwrap();
    store.close().await;
    assert_eq!(find(&house.server(), "alice").await.record.password, password(8));
}

#[tokio::test]
async fn a_password_that_was_set_since_a_crash_stays() {
    let house = House::with("users: {}\n");
    with_a_link(&house).await.close().await;
    crash_midway(&house, 7);
    let admin = house.admin();
    let edit = UserEdit { password: Some(password(8)), ..UserEdit::default() };
    admin.edit_account(&name("alice"), edit).await.unwrap();
    admin.close().await;
    let store = house.server();
    assert_eq!(find(&store, "alice").await.record.password, password(8));
    assert_eq!(store.look_at_reset(link(), second(3)).await, Ok(ResetLook::Invalid));
}

#[tokio::test]
async fn a_link_is_given_back_when_the_users_file_does_not_take_its_password() {
    let house = House::with("users: {}\n");
    let store = with_a_link(&house).await;
    let nonsense = mcp_store::StoredHash::new("no hash");
    let refused = store.spend_reset(Spending { password: nonsense, ..spending(0) }).await;
    let Err(SpendRejection::Store(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert_eq!(find(&store, "alice").await.record.password, password(1));
    assert_eq!(store.past_passwords(&name("alice"), 9).await, Ok(Vec::new()));
    let spent = store.spend_reset(spending(7)).await.unwrap();
    assert_eq!(spent.record.password, password(7));
    assert_eq!(store.past_passwords(&name("alice"), 9).await, Ok(vec![password(1)]));
}

#[tokio::test]
async fn a_link_outlives_a_restart_and_is_spent_beside_a_tool() {
    let house = House::with("users: {}\n");
    let store = with_a_link(&house).await;
    open(&store, &record("alice"), 1).await.unwrap();
    store.close().await;
    let (server, admin) = (house.server(), house.admin());
    let (one, other) = tokio::join!(server.spend_reset(spending(7)), async {
        admin.spend_reset(spending(8)).await
    });
    assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
    let winner = one.or(other).unwrap();
    assert_eq!(find(&server, "alice").await.record.password, winner.record.password);
    assert!(ids(&server).await.is_empty());
}

#[tokio::test]
async fn no_secret_of_a_link_is_in_the_files() {
    let house = House::with("users: {}\n");
    with_a_link(&house).await.close().await;
    for file in [house.state(), house.users()] {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"a link"));
    }
}
