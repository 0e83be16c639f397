//! An edit changes what it says, and ends the sessions that it says.

use mcp_identity::{DatabaseName, DbRole, RoleName, SessionId};
use mcp_throttle::Lockout;

use super::people::{
    addressed, edit, fail, full, keep, log_in, minute, password, plain, policy, read, read_one,
    read_sessions, reserve, untried, user,
};
use crate::account::{AdminsLeft, LoginSession, UserEdit, UserRecord};
use crate::account_store::{AccountStore, EditRejection};
use crate::contract::{hold, must};

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    an_edit_changes_exactly_what_it_says(&make().await).await;
    an_edit_removes_what_it_says(&make().await).await;
    a_refused_edit_changes_nothing(&make().await).await;
    an_edit_of_a_checked_password_is_made_while_it_is_that_one(&make().await).await;
    disabling_ends_every_session(&make().await).await;
    only_an_edit_that_says_so_ends_sessions(&make().await).await;
    an_edit_ends_all_sessions_but_the_one_it_names(&make().await).await;
    enabling_lifts_a_lock_and_forgets_failures(&make().await).await;
    other_edits_lift_no_lock(&make().await).await;
}

/// Every field by itself, beginning with an account that has none.
fn edits() -> Vec<(UserEdit, UserRecord)> {
    let nothing = UserEdit::default;
    let (to, before) = (full(9), plain(2));
    vec![
        (nothing(), before.clone()),
        (
            UserEdit { note: Some(to.note.clone()), ..nothing() },
            UserRecord { note: to.note, ..before.clone() },
        ),
        (
            UserEdit { email: Some(to.email.clone()), ..nothing() },
            UserRecord { email: to.email, ..before.clone() },
        ),
        (
            UserEdit { password: Some(to.password.clone()), ..nothing() },
            UserRecord { password: to.password, ..before.clone() },
        ),
        (
            UserEdit { full_name: Some(to.full_name.clone()), ..nothing() },
            UserRecord { full_name: to.full_name, ..before.clone() },
        ),
        (
            UserEdit { must_change_password: Some(true), ..nothing() },
            UserRecord { must_change_password: true, ..before.clone() },
        ),
        (
            UserEdit { enabled: Some(false), ..nothing() },
            UserRecord { enabled: false, ..before.clone() },
        ),
        (
            UserEdit { roles: Some(to.roles.clone()), ..nothing() },
            UserRecord { roles: to.roles, ..before.clone() },
        ),
        (
            UserEdit { databases: Some(to.databases.clone()), ..nothing() },
            UserRecord { databases: to.databases, ..before.clone() },
        ),
        (
            UserEdit { db_role: Some(to.db_role.clone()), ..nothing() },
            UserRecord { db_role: to.db_role, ..before.clone() },
        ),
        (
            UserEdit { read_only: Some(true), ..nothing() },
            UserRecord { read_only: true, ..before.clone() },
        ),
    ]
}

async fn an_edit_changes_exactly_what_it_says(store: &dyn AccountStore) {
    // Afterwards all is undone in one.
    let undo = UserEdit {
        checked: None,
        admins: AdminsLeft::MayBeNone,
        note: Some(plain(2).note),
        email: Some(None),
        full_name: Some(None),
        password: Some(password(2)),
        past: 0,
        must_change_password: Some(false),
        enabled: Some(true),
        roles: Some(plain(2).roles),
        databases: Some(None),
        db_role: Some(None),
        read_only: Some(false),
        end_sessions: None,
    };
    keep(store, [full(1), plain(2), full(3)]).await;
    for (change, promised) in edits() {
        let edited = edit(store, &user(2), change.clone()).await;
        let sentence = format!("an edit gives the account as it is now: {change:?}");
        hold(&sentence, &edited.record, &promised);
        let sentence = format!("an edit changes exactly what it says: {change:?}");
        hold(&sentence, &read(store).await, &untried([full(1), promised, full(3)]));
        let undone = edit(store, &user(2), undo.clone()).await;
        hold("an edit changes all that it says", &undone.record, &plain(2));
    }
}

async fn an_edit_removes_what_it_says(store: &dyn AccountStore) {
    keep(store, [full(1)]).await;
    let change = UserEdit {
        note: Some(String::new()),
        email: Some(None),
        full_name: Some(None),
        roles: Some([must(RoleName::parse("operator"))].into()),
        databases: Some(Some(["one", "two"].map(|n| must(DatabaseName::parse(n))).into())),
        db_role: Some(Some(must(DbRole::parse("other")))),
        ..UserEdit::default()
    };
    let promised = change.apply(&full(1));
    hold("an edit removes", &edit(store, &user(1), change).await.record, &promised);
    hold("what is removed is gone", &read(store).await, &untried([promised.clone()]));
    let none = UserEdit { databases: Some(Some([].into())), ..UserEdit::default() };
    let edited = edit(store, &user(1), none).await;
    let sentence = "no database at all is something else than every one";
    hold(sentence, &edited.record.databases, &Some([].into()));
    let promised = UserRecord { databases: Some([].into()), ..promised };
    hold(sentence, &read(store).await, &untried([promised]));
}

async fn a_refused_edit_changes_nothing(store: &dyn AccountStore) {
    keep(store, [addressed(1, "a@example.org"), plain(2)]).await;
    let session = log_in(store, &plain(2), 1).await;
    let before = read(store).await;
    let change = UserEdit {
        note: Some("edited".to_owned()),
        email: Some(Some("A@example.org".to_owned())),
        enabled: Some(false),
        end_sessions: Some(None),
        ..UserEdit::default()
    };
    let refused = store.edit_account(&user(2), change).await;
    hold("a taken address is refused", &refused, &Err(EditRejection::EmailTaken));
    hold("a refused edit changes nothing", &read(store).await, &before);
    hold("a refused edit ends no session", &read_sessions(store).await, &vec![session]);
}

async fn an_edit_of_a_checked_password_is_made_while_it_is_that_one(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let session = log_in(store, &plain(1), 1).await;
    let change = |to: u64| UserEdit {
        checked: Some(plain(1).password),
        password: Some(password(to)),
        ..UserEdit::default()
    };
    let made = store.edit_account(&user(1), change(2)).await.map(|account| account.record.password);
    hold("the password is the one that was checked", &made, &Ok(password(2)));
    let before = read(store).await;
    let late = UserEdit { end_sessions: Some(None), ..change(3) };
    let refused = store.edit_account(&user(1), late).await;
    hold("the password is another by now", &refused, &Err(EditRejection::NotFound));
    hold("an edit that comes late changes nothing", &read(store).await, &before);
    hold("an edit that comes late ends no session", &read_sessions(store).await, &vec![session]);
}

async fn disabling_ends_every_session(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    let kept = log_in(store, &plain(1), 1).await;
    let current = log_in(store, &plain(2), 2).await;
    let _ = log_in(store, &plain(2), 3).await;
    // Even the one that the edit would keep.
    let change = UserEdit {
        enabled: Some(false),
        end_sessions: Some(Some(current.id)),
        ..UserEdit::default()
    };
    let _ = edit(store, &user(2), change).await;
    let left = read_sessions(store).await;
    hold("disabling ends every session of the account", &left, &vec![kept.clone()]);
    let enabled = UserEdit { enabled: Some(true), ..UserEdit::default() };
    let _ = edit(store, &user(2), enabled).await;
    let left = read_sessions(store).await;
    hold("enabling brings no session back", &left, &vec![kept]);
}

async fn only_an_edit_that_says_so_ends_sessions(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let sessions = vec![log_in(store, &plain(1), 1).await, log_in(store, &plain(1), 2).await];
    let change = UserEdit {
        enabled: Some(true),
        password: Some(password(9)),
        roles: Some(full(1).roles),
        ..UserEdit::default()
    };
    let _ = edit(store, &user(1), change).await;
    let sentence = "an edit that does not say so ends no session";
    hold(sentence, &read_sessions(store).await, &sessions);
}

async fn an_edit_ends_all_sessions_but_the_one_it_names(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    let foreign = log_in(store, &plain(2), 1).await;
    let mut own: Vec<LoginSession> = Vec::new();
    for n in 2..5 {
        own.push(log_in(store, &plain(1), n).await);
    }
    let ending = |kept: Option<&SessionId>| UserEdit {
        end_sessions: Some(kept.cloned()),
        ..UserEdit::default()
    };
    let _ = edit(store, &user(1), ending(Some(&own[1].id))).await;
    let sentence = "an edit ends all sessions but the one it names";
    hold(sentence, &read_sessions(store).await, &vec![foreign.clone(), own[1].clone()]);
    // Somebody else's is none of the account's.
    let _ = edit(store, &user(1), ending(Some(&foreign.id))).await;
    let sentence = "an edit ends the sessions of its account and no others";
    hold(sentence, &read_sessions(store).await, &vec![foreign]);
    hold("sessions end without a trace in the record", &read(store).await.len(), &2);
}

async fn enabling_lifts_a_lock_and_forgets_failures(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    let (locking, lenient) = (policy(1, 0), policy(5, 15));
    let _ = fail(store, &user(1), &locking, minute(1)).await;
    let _ = fail(store, &user(2), &lenient, minute(1)).await;
    let place = reserve(store, &user(2), &lenient, minute(2)).await;
    let enabling = || UserEdit { enabled: Some(true), ..UserEdit::default() };
    let edited = edit(store, &user(1), enabling()).await;
    hold("enabling lifts a lock", &edited.lockout, &Lockout::default());
    let edited = edit(store, &user(2), enabling()).await;
    let held = Lockout { reserved: vec![place.time()], ..Lockout::default() };
    hold("enabling forgets failures, and leaves places held", &edited.lockout, &held);
    let kept: Vec<_> = read(store).await.into_iter().map(|account| account.lockout).collect();
    hold("enabling is kept", &kept, &vec![Lockout::default(), held]);
}

async fn other_edits_lift_no_lock(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let _ = fail(store, &user(1), &policy(1, 0), minute(1)).await;
    let locked = read_one(store, &user(1)).await.lockout;
    hold("a lock is kept", &locked.lock.is_some(), &true);
    let changes = [
        UserEdit { enabled: Some(false), ..UserEdit::default() },
        UserEdit { password: Some(password(9)), ..UserEdit::default() },
        UserEdit { end_sessions: Some(None), ..UserEdit::default() },
    ];
    for change in changes {
        let sentence = format!("an edit that does not enable lifts no lock: {change:?}");
        hold(&sentence, &edit(store, &user(1), change).await.lockout, &locked);
    }
}
