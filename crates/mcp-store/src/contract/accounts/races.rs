//! What holds when many arrive at once.

use std::future::{Future, poll_fn};
use std::mem;
use std::task::Poll;
use std::time::Duration;

use mcp_identity::UserName;
use mcp_throttle::{Failure, LockoutPolicy, Ticket, Verdict};

use super::people::{
    addressed, again, find, keep, minute, name, opening, plain, policy, read, read_one,
    read_sessions, reserve, session, user,
};
use crate::account::{AdminsLeft, UserEdit, UserRecord};
use crate::account_store::{AccountStore, Opening};
use crate::contract::hold;

/// The longest that any race may take: whoever waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(30);
/// As long as a very quick password takes to be looked at.
const LOOK: Duration = Duration::from_millis(2);

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    of_those_who_race_for_a_name_or_an_address_one_has_it(&make().await).await;
    at_most_so_many_guesses_are_evaluated_as_the_limit_says(&make().await).await;
    one_place_lets_in_all_who_share_it(&make().await).await;
    all_who_know_the_password_are_let_in(&make().await).await;
    the_limit_of_sessions_holds_for_those_who_come_at_once(&make().await).await;
    no_session_outlives_its_account(&make().await).await;
}

async fn of_those_who_race_for_a_name_or_an_address_one_has_it(store: &dyn AccountStore) {
    let spellings = ["alice", "Alice", "ALICE", "aLICE"];
    let records = spellings.map(|text| UserRecord { name: name(text), ..plain(1) });
    let added = together(records.map(|record| store.add_account(record))).await;
    hold("of those who race for a name, one has it", &successes(&added), &1);
    let records = [2, 3, 4, 5].map(|n| addressed(n, "a@example.org"));
    let added = together(records.map(|record| store.add_account(record))).await;
    hold("of those who race for an address, one has it", &successes(&added), &1);
    hold("of each race one is kept", &read(store).await.len(), &2);

    keep(store, [plain(6), plain(7), plain(8)]).await;
    let wanted = UserEdit { email: Some(Some("b@example.org".to_owned())), ..UserEdit::default() };
    let names = [user(6), user(7), user(8)];
    let edits = names.each_ref().map(|name| store.edit_account(name, wanted.clone()));
    let edited = together(edits).await;
    hold("of those who race to an address, one gets it", &successes(&edited), &1);
}

async fn at_most_so_many_guesses_are_evaluated_as_the_limit_says(store: &dyn AccountStore) {
    const GUESSES: usize = 20;
    keep(store, [plain(1)]).await;
    let (name, policy) = (user(1), policy(5, 15));
    let guesses = (0..GUESSES).map(|_| guess_wrong(store, &name, &policy));
    let failures: Vec<_> = together(guesses).await.into_iter().flatten().collect();
    hold("at most so many guesses are evaluated as the limit says", &failures.len(), &5);
    let locking = |failure: &&Failure| matches!(failure, Failure::Locks(_));
    let locks = failures.iter().filter(locking).count();
    hold("exactly one failure locks", &locks, &1);
    let lockout = read_one(store, &name).await.lockout;
    hold("parallel failures are counted exactly", &lockout.failures, &5);
    hold("no place is left held", &lockout.reserved, &Vec::new());
}

/// Tries a wrong password, and waits for its turn as long as it takes. `None`: it was not looked
/// at.
async fn guess_wrong(
    store: &dyn AccountStore,
    name: &UserName,
    policy: &LockoutPolicy,
) -> Option<Failure> {
    let ticket = turn(store, name, policy).await?;
    tokio::time::sleep(LOOK).await;
    match store.fail_login(name, plain(1).created_at, ticket, *policy, minute(1)).await {
        Ok(failure) => Some(failure),
        Err(error) => panic!("contract broken: parallel failures are counted: {error}"),
    }
}

/// A place; `None`: the account is locked.
async fn turn(store: &dyn AccountStore, name: &UserName, policy: &LockoutPolicy) -> Option<Ticket> {
    loop {
        match find(store, name, policy, minute(1)).await {
            Verdict::Reserved(ticket) => return Some(ticket),
            Verdict::Wait => tokio::time::sleep(LOOK).await,
            Verdict::Locked(_) => return None,
        }
    }
}

async fn one_place_lets_in_all_who_share_it(store: &dyn AccountStore) {
    const SHARING: u64 = 50;
    keep(store, [plain(1)]).await;
    let place = reserve(store, &user(1), &policy(5, 15), minute(1)).await;
    let openings = (1..=SHARING).map(|n| at_once(n, again(&place)));
    let opened = together(openings.map(|opening| store.open_session(opening))).await;
    hold("one place lets in all fifty who share it", &successes(&opened), &50);
    hold("all fifty have a session", &read_sessions(store).await.len(), &50);
    let lockout = read_one(store, &user(1)).await.lockout;
    hold("a place that was shared comes back once", &lockout.reserved, &Vec::new());
}

/// Opens that session of account 1 in the first minute, as all do in a race.
fn at_once(n: u64, ticket: Ticket) -> Opening {
    let opening = opening(&plain(1), session(n, &user(1)), ticket);
    Opening { policy: policy(5, 15), now: minute(1), ..opening }
}

async fn all_who_know_the_password_are_let_in(store: &dyn AccountStore) {
    const PEOPLE: u64 = 20;
    keep(store, [plain(1)]).await;
    let (name, policy) = (user(1), policy(5, 15));
    let logins = (1..=PEOPLE).map(|n| {
        let turn = turn(store, &name, &policy);
        async move {
            let ticket = turn.await?;
            tokio::time::sleep(LOOK).await;
            store.open_session(at_once(n, ticket)).await.ok()
        }
    });
    let let_in = together(logins).await.into_iter().flatten().count();
    hold("all who know the password are let in, each in turn", &let_in, &20);
    let lockout = read_one(store, &name).await.lockout;
    hold("nothing is held against those who knew it", &lockout.reserved, &Vec::new());
}

async fn the_limit_of_sessions_holds_for_those_who_come_at_once(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let place = reserve(store, &user(1), &policy(5, 15), minute(1)).await;
    let openings = (1..=8).map(|n| Opening { limit: 3, ..at_once(n, again(&place)) });
    let opened = together(openings.map(|opening| store.open_session(opening))).await;
    hold("all who come at once are let in", &successes(&opened), &8);
    let left = read_sessions(store).await.len();
    hold("the limit of sessions holds for those who come at once", &left, &3);
    let ended: usize = opened.iter().flatten().map(|opened| opened.ended.len()).sum();
    hold("each session that ended is told once", &ended, &5);
}

async fn no_session_outlives_its_account(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let name = user(1);
    let disabling = UserEdit { enabled: Some(false), ..UserEdit::default() };
    let place = reserve(store, &name, &policy(5, 15), minute(1)).await;
    let opening = store.open_session(at_once(1, again(&place)));
    let (_, disabled) = tokio::join!(opening, store.edit_account(&name, disabling.clone()));
    hold("the account is disabled", &disabled.is_ok(), &true);
    let sentence = "no session is opened beside the disabling of its account";
    hold(sentence, &read_sessions(store).await, &Vec::new());

    let enabling = UserEdit { enabled: Some(true), ..UserEdit::default() };
    hold("the account is enabled", &store.edit_account(&name, enabling).await.is_ok(), &true);
    let opening = store.open_session(at_once(2, place));
    let (_, deleted) = tokio::join!(opening, store.delete_account(&name, AdminsLeft::MayBeNone));
    hold("the account is deleted", &deleted, &Ok(plain(1)));
    let sentence = "no session is opened beside the deletion of its account";
    hold(sentence, &read_sessions(store).await, &Vec::new());
}

pub(super) fn successes<T, E>(results: &[Result<T, E>]) -> usize {
    results.iter().filter(|result| result.is_ok()).count()
}

/// Drives all at once on the task of the suite: whenever one waits, the others go on.
pub(super) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    let all = poll_fn(|context| {
        running.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(output) => {
                done.push(output);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(mem::take(&mut done)) } else { Poll::Pending }
    });
    match tokio::time::timeout(PATIENCE, all).await {
        Ok(outputs) => outputs,
        Err(late) => panic!("contract broken: all who come at once are answered soon: {late}"),
    }
}
