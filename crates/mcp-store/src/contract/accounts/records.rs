//! Accounts are kept whole, found by name, unique, and deleted with all that is kept of them.

use mcp_identity::UserName;
use mcp_throttle::{Failure, Ticket};

use super::people::{
    addressed, fail, full, keep, log_in, minute, name, opening, plain, policy, read, read_one,
    read_sessions, session, untried, user,
};
use crate::account::{AdminsLeft, SessionSelector, UserEdit, UserRecord};
use crate::account_store::{Account, AccountStore, AddRejection, EditRejection, OpenRejection};
use crate::contract::hold;

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    an_empty_store_knows_nobody(&make().await).await;
    an_empty_store_lets_nobody_in(&make().await).await;
    accounts_are_kept_whole_and_in_order(&make().await).await;
    a_list_goes_on_behind_any_name(&make().await).await;
    a_name_is_the_same_in_any_spelling(&make().await).await;
    an_address_is_the_same_in_upper_and_lower_case(&make().await).await;
    an_address_that_is_given_up_is_free(&make().await).await;
    a_deleted_account_is_gone_with_its_sessions(&make().await).await;
    who_is_made_again_inherits_nothing(&make().await).await;
}

async fn an_empty_store_knows_nobody(store: &dyn AccountStore) {
    hold("a new store has no accounts", &read(store).await, &Vec::new());
    hold("a new store has no sessions", &read_sessions(store).await, &Vec::new());
    let found = store.find_account(&user(1)).await;
    hold("an account that is not there is not found", &found, &Ok(None));
    let edited = store.edit_account(&user(1), UserEdit::default()).await;
    hold("nobody is not edited", &edited, &Err(EditRejection::NotFound));
    let deleted = store.delete_account(&user(1), AdminsLeft::MayBeNone).await;
    hold("nobody is not deleted", &deleted, &Err(EditRejection::NotFound));
    let unlocked = store.unlock_account(&user(1)).await;
    hold("nobody is not unlocked", &unlocked, &Err(EditRejection::NotFound));
    let ended = store.end_sessions(SessionSelector::All).await;
    hold("a new store ends no session", &ended, &Ok(Vec::new()));
    hold("a new store sweeps no session", &store.sweep(minute(0)).await, &Ok(0));
}

async fn an_empty_store_lets_nobody_in(store: &dyn AccountStore) {
    let (place, now) = (|| Ticket::taken_at(minute(1)), minute(1));
    let found = store.find_login(&user(1), policy(3, 15), now).await;
    hold("nobody has no place", &found, &Ok(None));
    let failed = store.fail_login(&user(1), plain(1).created_at, place(), policy(3, 15), now).await;
    hold("a failure of nobody is ignored", &failed, &Ok(Failure::Ignored));
    let withdrawn = store.withdraw_login(&user(1), plain(1).created_at, place()).await;
    hold("a place of nobody is given back", &withdrawn, &Ok(()));
    let opened = store.open_session(opening(&plain(1), session(1, &user(1)), place())).await;
    hold("nobody is not let in", &opened, &Err(OpenRejection::Changed));
    hold("nobody has no session", &read_sessions(store).await, &Vec::new());
    hold("nobody is made by an attempt", &read(store).await, &Vec::new());
}

async fn accounts_are_kept_whole_and_in_order(store: &dyn AccountStore) {
    // Not the order of their names.
    let records = [plain(3), full(1), plain(2)];
    keep(store, records.clone()).await;
    let sentence = "accounts() gives every account, whole and in order";
    hold(sentence, &read(store).await, &untried(records.clone()));
    for record in &records {
        let found = store.find_account(&record.name).await;
        let promised = Ok(Some(Account::new(record.clone())));
        hold("find_account() gives the account of a name", &found, &promised);
    }
    let found = store.find_account(&user(9)).await;
    hold("find_account() gives nothing for a foreign name", &found, &Ok(None));
    let found = store.find_account(&name("User")).await;
    hold("a part of a name is no name", &found, &Ok(None));
}

async fn a_list_goes_on_behind_any_name(store: &dyn AccountStore) {
    // As bytes they come in this order, in no dictionary; one that is gone is a place to go on.
    let names = ["B_b", "b-a", "b.a", "ba", "bb", "z", "Ärger", "中文"];
    let mut records: Vec<_> =
        names.into_iter().map(|text| UserRecord { name: name(text), ..plain(1) }).collect();
    keep(store, records.iter().rev().cloned()).await;
    records.sort_by(|one, other| one.name.key().cmp(other.name.key()));
    let mut listed = Vec::new();
    loop {
        let last = listed.last().map(|account: &Account| account.record.name.key().to_owned());
        match store.accounts_after(last.as_deref(), 3).await {
            Ok(page) if page.is_empty() => break,
            Ok(page) if page.len() <= 3 => listed.extend(page),
            odd => panic!("contract broken: a list gives at most what is asked for: {odd:?}"),
        }
        hold("a list ends", &(listed.len() <= names.len()), &true);
    }
    hold(
        "a list gives every account, by the bytes of its name",
        &listed,
        &untried(records.clone()),
    );
    let behind = store.accounts_after(Some("b"), 1).await;
    let sentence = "a list goes on behind a name that nobody has";
    let next = records.iter().find(|record| record.name.key() > "b").cloned();
    hold(sentence, &behind, &Ok(untried(next)));
}

async fn a_name_is_the_same_in_any_spelling(store: &dyn AccountStore) {
    let kept = UserRecord { name: name("Étienne"), ..plain(1) };
    keep(store, [kept.clone()]).await;
    // As it is, in upper case, decomposed, and in full-width letters.
    for spelling in ["Étienne", "ÉTIENNE", "e\u{301}tienne", "éｔｉｅｎｎｅ"] {
        let spelled = name(spelling);
        let refused = store.add_account(UserRecord { name: spelled.clone(), ..full(2) }).await;
        let sentence = format!("a name is taken in any spelling: {spelling}");
        hold(&sentence, &refused, &Err(AddRejection::NameTaken));
        let found = read_one(store, &spelled).await;
        hold("an account is found in any spelling", &found.record, &kept);
        let shown = found.record.name.as_str().to_owned();
        hold("a name is shown as it was given", &shown, &"Étienne".to_owned());
    }
    hold("a refused name changes nothing", &read(store).await, &untried([kept]));
    let edit = UserEdit { note: Some("edited".to_owned()), ..UserEdit::default() };
    let edited = super::people::edit(store, &name("éTIENNE"), edit).await;
    let shown = edited.record.name.as_str().to_owned();
    hold("an edit leaves the name as it was given", &shown, &"Étienne".to_owned());
    let deleted = store.delete_account(&name("éTIENNE"), AdminsLeft::MayBeNone).await;
    hold("an account is deleted in any spelling", &deleted, &Ok(edited.record));
}

async fn an_address_is_the_same_in_upper_and_lower_case(store: &dyn AccountStore) {
    let records = [addressed(1, "Alice@Example.org"), plain(2), plain(3)];
    keep(store, records.clone()).await;
    for email in ["Alice@Example.org", "alice@example.ORG"] {
        let refused = store.add_account(addressed(4, email)).await;
        let sentence = format!("an address is taken in upper and lower case: {email}");
        hold(&sentence, &refused, &Err(AddRejection::EmailTaken));
        let edit = UserEdit { email: Some(Some(email.to_owned())), ..UserEdit::default() };
        let refused = store.edit_account(&user(2), edit).await;
        hold(&sentence, &refused, &Err(EditRejection::EmailTaken));
    }
    for email in ["Alice@Example.org", "aLICE@example.org"] {
        let found = store.find_email(email).await;
        let sentence = format!("find_email() gives the account of an address: {email}");
        hold(&sentence, &found, &Ok(Some(Account::new(records[0].clone()))));
    }
    let found = store.find_email("alice@example.com").await;
    hold("find_email() gives nothing for a foreign address", &found, &Ok(None));
    hold("a refused address changes nothing", &read(store).await, &untried(records.clone()));
    let own = "ALICE@example.org".to_owned();
    let edit = UserEdit { email: Some(Some(own.clone())), ..UserEdit::default() };
    let edited = super::people::edit(store, &user(1), edit).await;
    hold("an account may spell its own address anew", &edited.record.email, &Some(own));
}

async fn an_address_that_is_given_up_is_free(store: &dyn AccountStore) {
    keep(store, [addressed(1, "a@example.org"), addressed(2, "b@example.org")]).await;
    let edit = UserEdit { email: Some(None), ..UserEdit::default() };
    let _ = super::people::edit(store, &user(1), edit).await;
    let added = store.add_account(addressed(3, "a@example.org")).await;
    hold("an address that was removed is free", &added, &Ok(()));
    let deleted = store.delete_account(&user(2), AdminsLeft::MayBeNone).await;
    hold("an account is deleted", &deleted, &Ok(addressed(2, "b@example.org")));
    let added = store.add_account(addressed(4, "b@example.org")).await;
    hold("the address of a deleted account is free", &added, &Ok(()));
}

async fn a_deleted_account_is_gone_with_its_sessions(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2), plain(3)]).await;
    let stays = log_in(store, &plain(1), 1).await;
    let _ = log_in(store, &plain(2), 2).await;
    let _ = log_in(store, &plain(2), 3).await;
    hold(
        "delete gives the record",
        &store.delete_account(&user(2), AdminsLeft::MayBeNone).await,
        &Ok(plain(2)),
    );
    let left: Vec<UserName> =
        read(store).await.into_iter().map(|account| account.record.name).collect();
    hold("the others stay in order", &left, &vec![user(1), user(3)]);
    let found = store.find_account(&user(2)).await;
    hold("a deleted account is not found", &found, &Ok(None));
    hold("deleting ends the sessions of the account", &read_sessions(store).await, &vec![stays]);
    let again = store.delete_account(&user(2), AdminsLeft::MayBeNone).await;
    hold("an account is deleted once", &again, &Err(EditRejection::NotFound));
}

async fn who_is_made_again_inherits_nothing(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let _ = log_in(store, &plain(1), 1).await;
    for _ in 0..3 {
        let _ = fail(store, &user(1), &policy(3, 0), minute(2)).await;
    }
    hold(
        "the account is deleted",
        &store.delete_account(&user(1), AdminsLeft::MayBeNone).await,
        &Ok(plain(1)),
    );
    // The same password and all, only later.
    let again = UserRecord { created_at: minute(3), ..plain(1) };
    keep(store, [again.clone()]).await;
    let found = read_one(store, &user(1)).await;
    let sentence = "who is made again inherits no lock, no failures and no last login";
    hold(sentence, &found, &Account::new(again));
    hold("who is made again inherits no session", &read_sessions(store).await, &Vec::new());
    hold("nothing is left to sweep", &store.sweep(minute(10_000)).await, &Ok(0));
}
