//! An admin's tool beside the server, on the same files.

use mcp_store::{AccountStore as _, Change, OpenRejection, Opening, SessionSelector, UserEdit};
use mcp_throttle::Lockout;

use crate::support::{
    House, LOCKING, find, ids, lock, name, open, password, record, reserve, second, session, told,
};

#[tokio::test]
async fn what_an_admin_ends_is_told_to_the_server() {
    let house = House::with("users: {}\n");
    let (server, admin) = (house.server(), house.admin());
    server.add_account(record("alice")).await.unwrap();
    open(&server, &record("alice"), 1).await.unwrap();
    let mut changes = server.changes();
    let ended = admin.end_sessions(SessionSelector::All).await.unwrap();
    assert_eq!(ended, [session(1, &name("alice"))]);
    told(&mut changes, Change::Everything).await;
    assert_eq!(ids(&server).await, []);
}

#[tokio::test]
async fn an_admin_lifts_the_lock_that_the_server_set() {
    let house = House::with("users: {}\n");
    let (server, admin) = (house.server(), house.admin());
    server.add_account(record("alice")).await.unwrap();
    lock(&server, &name("alice")).await;
    assert!(find(&admin, "alice").await.lockout.lock.is_some());
    assert!(admin.unlock_account(&name("alice")).await.unwrap());
    assert_eq!(find(&server, "alice").await.lockout, Lockout::default());
    open(&server, &record("alice"), 1).await.unwrap();
}

#[tokio::test]
async fn an_admin_sees_who_is_signed_in_and_when() {
    let house = House::with("users: {}\n");
    let (server, admin) = (house.server(), house.admin());
    server.add_account(record("alice")).await.unwrap();
    open(&server, &record("alice"), 7).await.unwrap();
    assert_eq!(admin.sessions().await.unwrap(), [session(7, &name("alice"))]);
    assert_eq!(find(&admin, "alice").await.last_login, Some(second(7)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_by_what_an_admin_has_just_taken_back() {
    let house = House::with("users: {}\n");
    let (server, admin) = (house.server(), house.admin());
    tokio::spawn(server.watch().unwrap().run(std::future::pending()));
    server.add_account(record("alice")).await.unwrap();
    for n in 2..22 {
        // Found before the change, and checked after it: the watch has hardly seen it.
        let found = find(&server, "alice").await.record;
        let ticket = reserve(&server, &found.name).await;
        let (password, enabled) = (Some(password(n)), Some(n % 2 == 0));
        let edit = UserEdit { password, enabled, end_sessions: Some(None), ..UserEdit::default() };
        admin.edit_account(&found.name, edit).await.unwrap();
        let opening = Opening {
            session: session(n, &found.name),
            ticket,
            policy: LOCKING,
            account_made: found.created_at,
            checked: found.password,
            stronger: None,
            limit: 0,
            now: second(n),
        };
        assert_eq!(server.open_session(opening).await, Err(OpenRejection::Changed));
    }
    assert_eq!(ids(&admin).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_logins_beside_a_change_of_the_password_none_is_left() {
    let house = House::with("users: {}\n");
    let (server, admin) = (house.server(), house.admin());
    server.add_account(record("alice")).await.unwrap();
    for n in 2..22 {
        let found = find(&admin, "alice").await.record;
        let edit = UserEdit {
            password: Some(password(n)),
            end_sessions: Some(None),
            ..UserEdit::default()
        };
        let (opened, edited) =
            tokio::join!(open(&server, &found, n), admin.edit_account(&found.name, edit));
        assert!(matches!(opened, Ok(()) | Err(OpenRejection::Changed)), "{opened:?}");
        assert_eq!(edited.unwrap().record.password, password(n));
        assert_eq!(ids(&server).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_write_at_the_same_time_lose_nothing() {
    let house = House::with("users: {}\n");
    house.server().add_account(record("alice")).await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..3_u64 {
        let store = if writer == 0 { house.server() } else { house.admin() };
        writers.push(tokio::spawn(async move {
            for n in 0..20 {
                open(&store, &record("alice"), writer * 100 + n).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(ids(&house.server()).await.len(), 60);
}
