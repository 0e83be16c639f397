//! Every change of an account or a session is told.

use super::people::{edit, keep, log_in, log_in_limited, plain, session_id, user};
use crate::account::{AdminsLeft, SessionSelector, UserEdit};
use crate::account_store::AccountStore;
use crate::change::Change;
use crate::contract::{hold, told};

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    every_change_of_an_account_is_told(&make().await).await;
    every_opening_and_end_of_a_session_is_told(&make().await).await;
    the_end_of_sessions_with_their_account_is_told(&make().await).await;
}

fn of_user(n: u64) -> Change {
    Change::User(user(n))
}

fn of_sessions(numbers: impl IntoIterator<Item = u64>) -> Vec<Change> {
    numbers.into_iter().map(|n| Change::Session(session_id(n))).collect()
}

async fn every_change_of_an_account_is_told(store: &dyn AccountStore) {
    let mut changes = store.changes();
    keep(store, [plain(1)]).await;
    told(&mut changes, &[of_user(1)], "a new account is told").await;

    let mut changes = store.changes();
    let change = UserEdit { read_only: Some(true), ..UserEdit::default() };
    let edited = edit(store, &user(1), change).await;
    told(&mut changes, &[of_user(1)], "an edit is told").await;

    let mut changes = store.changes();
    hold(
        "the account is deleted",
        &store.delete_account(&user(1), AdminsLeft::MayBeNone).await,
        &Ok(edited.record),
    );
    told(&mut changes, &[of_user(1)], "a deletion is told").await;
}

async fn every_opening_and_end_of_a_session_is_told(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let mut changes = store.changes();
    let _ = log_in(store, &plain(1), 1).await;
    told(&mut changes, &of_sessions([1]), "the opening of a session is told").await;

    let mut changes = store.changes();
    let _ = log_in_limited(store, &plain(1), 2, 1).await;
    told(&mut changes, &of_sessions([1, 2]), "the end of a session for another is told").await;

    let _ = log_in(store, &plain(1), 3).await;
    let mut changes = store.changes();
    let ended = store.end_sessions(SessionSelector::All).await.map(|ended| ended.len());
    hold("both sessions end", &ended, &Ok(2));
    told(&mut changes, &of_sessions([2, 3]), "the end of sessions is told").await;
}

async fn the_end_of_sessions_with_their_account_is_told(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    for n in 1..5 {
        let _ = log_in(store, &plain(1 + n % 2), n).await;
    }
    let mut changes = store.changes();
    let ending = UserEdit { end_sessions: Some(Some(session_id(2))), ..UserEdit::default() };
    let _ = edit(store, &user(1), ending).await;
    told(&mut changes, &of_sessions([4]), "the end of sessions by an edit is told").await;

    let mut changes = store.changes();
    let disabling = UserEdit { enabled: Some(false), ..UserEdit::default() };
    let _ = edit(store, &user(1), disabling).await;
    let expected = [of_sessions([2]), vec![of_user(1)]].concat();
    told(&mut changes, &expected, "the end of sessions by disabling is told").await;

    let mut changes = store.changes();
    hold(
        "the account is deleted",
        &store.delete_account(&user(2), AdminsLeft::MayBeNone).await,
        &Ok(plain(2)),
    );
    let expected = [of_sessions([1, 3]), vec![of_user(2)]].concat();
    told(&mut changes, &expected, "the end of sessions by deletion is told").await;
}
