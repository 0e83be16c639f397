//! Passwords of before are remembered where that is asked for, and nowhere else.

use mcp_identity::UserName;

use super::people::{
    addressed, edit, keep, minute, name, opening, password, plain, policy, read_one, reserve,
    session, user,
};
use super::races::{successes, together};
use crate::account::{AdminsLeft, StoredHash, UserEdit, UserRecord};
use crate::account_store::{AccountStore, EditRejection, Opening};
use crate::contract::hold;

/// More than are ever remembered here.
const ALL: usize = 9;

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    the_newest_passwords_of_before_are_remembered(&make().await).await;
    nothing_is_remembered_unless_that_is_asked_for(&make().await).await;
    an_edit_that_is_refused_remembers_nothing(&make().await).await;
    a_stronger_hash_is_no_other_password(&make().await).await;
    the_past_of_an_account_goes_with_it(&make().await).await;
    of_those_who_race_to_a_new_password_one_is_the_next(&make().await).await;
}

async fn the_newest_passwords_of_before_are_remembered(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    hold("a new account has no past", &past(store, &user(1), ALL).await, &none());
    for n in 2..=6 {
        let _ = edit(store, &user(1), change(n, 4)).await;
    }
    let sentence = "passwords of before are given newest first, and no more than were to be kept";
    hold(sentence, &past(store, &user(1), ALL).await, &hashes([5, 4, 3, 2]));
    hold("no more are given than are asked for", &past(store, &user(1), 2).await, &hashes([5, 4]));
    hold("no more are given than are asked for", &past(store, &user(1), 0).await, &none());
    let found = past(store, &name("uSeR 1"), ALL).await;
    hold("they are given by the name in any spelling", &found, &hashes([5, 4, 3, 2]));
    hold("the past of others is their own", &past(store, &user(2), ALL).await, &none());
    hold("nobody has no past", &past(store, &user(3), ALL).await, &none());
    let _ = edit(store, &user(1), change(7, 2)).await;
    hold("who is to remember less forgets", &past(store, &user(1), ALL).await, &hashes([6, 5]));
}

async fn nothing_is_remembered_unless_that_is_asked_for(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let _ = edit(store, &user(1), change(2, 0)).await;
    let sentence = "nothing is remembered unless that is asked for";
    hold(sentence, &past(store, &user(1), ALL).await, &none());
    let _ = edit(store, &user(1), change(3, 4)).await;
    let remembered = hashes([2]);
    hold("the password that goes is remembered", &past(store, &user(1), ALL).await, &remembered);
    let _ = edit(store, &user(1), change(3, 4)).await;
    let sentence = "a password that stays is none of before";
    hold(sentence, &past(store, &user(1), ALL).await, &remembered);
    for past_too in [0, 4] {
        let note = Some(format!("note {past_too}"));
        let _ =
            edit(store, &user(1), UserEdit { note, past: past_too, ..UserEdit::default() }).await;
        let sentence = "who gives no password changes nothing about those of before";
        hold(sentence, &past(store, &user(1), ALL).await, &remembered);
    }
    let _ = edit(store, &user(1), change(4, 0)).await;
    hold("who is to remember none forgets all", &past(store, &user(1), ALL).await, &none());
}

async fn an_edit_that_is_refused_remembers_nothing(store: &dyn AccountStore) {
    keep(store, [plain(1), addressed(2, "a@example.org")]).await;
    let taken = UserEdit { email: Some(Some("A@example.org".to_owned())), ..change(3, 4) };
    let late = UserEdit { checked: Some(password(9)), ..change(3, 4) };
    for (edit, refused) in [(taken, EditRejection::EmailTaken), (late, EditRejection::NotFound)] {
        let answer = store.edit_account(&user(1), edit).await;
        hold("an edit is refused", &answer.map(|_| ()), &Err(refused));
        let sentence = "an edit that is refused remembers nothing";
        hold(sentence, &past(store, &user(1), ALL).await, &none());
    }
}

async fn a_stronger_hash_is_no_other_password(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let _ = edit(store, &user(1), change(2, 4)).await;
    let now = read_one(store, &user(1)).await.record;
    let ticket = reserve(store, &user(1), &policy(3, 15), minute(1)).await;
    let stronger = Some(password(3));
    let opening = Opening { stronger, ..opening(&now, session(1, &user(1)), ticket) };
    hold("a login is let in", &store.open_session(opening).await.is_ok(), &true);
    let sentence = "a stronger hash is no other password";
    hold(sentence, &past(store, &user(1), ALL).await, &hashes([1]));
}

async fn the_past_of_an_account_goes_with_it(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let _ = edit(store, &user(1), change(2, 4)).await;
    let gone = store.delete_account(&user(1), AdminsLeft::MayBeNone).await.is_ok();
    hold("the account is deleted", &gone, &true);
    hold("who is gone has no past", &past(store, &user(1), ALL).await, &none());
    keep(store, [UserRecord { created_at: minute(0), ..plain(1) }]).await;
    hold("who is made again inherits no past", &past(store, &user(1), ALL).await, &none());
}

async fn of_those_who_race_to_a_new_password_one_is_the_next(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let looked_at = Some(plain(1).password);
    let name = user(1);
    let edits = (2..=20).map(|n| UserEdit { checked: looked_at.clone(), ..change(n, 4) });
    let edited = together(edits.map(|edit| store.edit_account(&name, edit))).await;
    hold("of those who looked at one password, one sets the next", &successes(&edited), &1);
    let sentence = "one password went, and one is remembered";
    hold(sentence, &past(store, &name, ALL).await, &hashes([1]));
}

fn change(to: u64, past: usize) -> UserEdit {
    UserEdit { password: Some(password(to)), past, ..UserEdit::default() }
}

fn hashes<const N: usize>(numbers: [u64; N]) -> Vec<StoredHash> {
    numbers.map(password).to_vec()
}

fn none() -> Vec<StoredHash> {
    Vec::new()
}

pub(super) async fn past(
    store: &dyn AccountStore,
    name: &UserName,
    most: usize,
) -> Vec<StoredHash> {
    match store.past_passwords(name, most).await {
        Ok(past) => past,
        Err(error) => panic!("contract broken: the passwords of before can be read: {error}"),
    }
}
