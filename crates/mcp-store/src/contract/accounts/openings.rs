//! Who gave the right password gets a session, unless something happened meanwhile.

use mcp_identity::{SessionId, UserName};
use mcp_throttle::{Lock, Lockout, LockoutPolicy, Ticket};

use super::people::{
    again, edit, fail, keep, log_in, log_in_limited, minute, opening, password, plain, policy,
    read_one, read_sessions, reserve, session, session_id, user,
};
use crate::account::{AdminsLeft, LoginSession, UserEdit, UserRecord};
use crate::account_store::{Account, AccountStore, OpenRejection, Opened, Opening};
use crate::contract::hold;

const POLICY_MINUTES: u64 = 15;

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    a_right_password_opens_a_session_and_starts_the_count_anew(&make().await).await;
    a_stronger_hash_is_kept_and_ends_no_session(&make().await).await;
    nobody_is_let_in_with_a_password_that_was_changed(&make().await).await;
    nobody_is_let_in_to_an_account_that_was_disabled(&make().await).await;
    nobody_is_let_in_to_an_account_that_was_deleted(&make().await).await;
    nobody_is_let_in_to_another_account_of_the_same_name(&make().await).await;
    nobody_is_let_in_to_an_account_that_was_locked(&make().await).await;
    a_taken_session_is_refused(&make().await).await;
    the_limit_ends_the_sessions_used_least_recently(&make().await).await;
    a_lowered_limit_ends_as_many_as_it_must(&make().await).await;
    expired_sessions_do_not_count(&make().await).await;
}

fn limits() -> LockoutPolicy {
    policy(3, POLICY_MINUTES)
}

/// An account with one failure, and a place for the attempt that is to be let in.
async fn one_attempt(store: &dyn AccountStore) -> Ticket {
    keep(store, [plain(1), plain(2)]).await;
    let _ = fail(store, &user(1), &limits(), minute(1)).await;
    reserve(store, &user(1), &limits(), minute(2)).await
}

/// The opening of session 2 in account 1.
fn second_opening(ticket: Ticket) -> Opening {
    opening(&plain(1), session(2, &user(1)), ticket)
}

async fn a_right_password_opens_a_session_and_starts_the_count_anew(store: &dyn AccountStore) {
    let ticket = one_attempt(store).await;
    let opened = store.open_session(second_opening(ticket)).await;
    hold("a right password is let in", &opened, &Ok(Opened::default()));
    let sessions = read_sessions(store).await;
    hold("a session is kept whole", &sessions, &vec![session(2, &user(1))]);
    let promised = Account { last_login: Some(minute(2)), ..Account::new(plain(1)) };
    let sentence = "a login notes its time, forgets failures and gives its place back";
    hold(sentence, &read_one(store, &user(1)).await, &promised);
    let other = read_one(store, &user(2)).await;
    hold("a login touches no other account", &other, &Account::new(plain(2)));
}

async fn a_stronger_hash_is_kept_and_ends_no_session(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let first = log_in(store, &plain(1), 1).await;
    let ticket = reserve(store, &user(1), &limits(), minute(2)).await;
    let stronger = Some(password(9));
    let opened = store.open_session(Opening { stronger, ..second_opening(ticket) }).await;
    hold("who needs a stronger hash is let in", &opened, &Ok(Opened::default()));
    let promised = UserRecord { password: password(9), ..plain(1) };
    let sentence = "a stronger hash is kept, and nothing else changes";
    hold(sentence, &read_one(store, &user(1)).await.record, &promised);
    let sessions = read_sessions(store).await;
    hold("a stronger hash ends no session", &sessions, &vec![first, session(2, &user(1))]);
}

/// What every refusal has in common, with the account as it must be left.
async fn refused(store: &dyn AccountStore, ticket: Ticket, why: &str, promised: &Account) {
    let stronger = Some(password(9));
    let opened = store.open_session(Opening { stronger, ..second_opening(ticket) }).await;
    let sentence = format!("nobody is let in when the account {why} meanwhile");
    hold(&sentence, &opened, &Err(OpenRejection::Changed));
    let sentence = format!("no session is opened when the account {why} meanwhile");
    hold(&sentence, &read_sessions(store).await, &Vec::new());
    let sentence = format!("a refusal gives back the place alone: the account {why} meanwhile");
    hold(&sentence, &read_one(store, &promised.record.name).await, promised);
}

async fn nobody_is_let_in_with_a_password_that_was_changed(store: &dyn AccountStore) {
    let ticket = one_attempt(store).await;
    let before = read_one(store, &user(1)).await.lockout;
    let change = UserEdit { password: Some(password(8)), ..UserEdit::default() };
    let changed = edit(store, &user(1), change).await;
    let lockout = Lockout { reserved: Vec::new(), ..before };
    refused(store, ticket, "got another password", &Account { lockout, ..changed }).await;
}

async fn nobody_is_let_in_to_an_account_that_was_disabled(store: &dyn AccountStore) {
    let ticket = one_attempt(store).await;
    let before = read_one(store, &user(1)).await.lockout;
    let change = UserEdit { enabled: Some(false), ..UserEdit::default() };
    let disabled = edit(store, &user(1), change).await;
    let lockout = Lockout { reserved: Vec::new(), ..before };
    refused(store, ticket, "was disabled", &Account { lockout, ..disabled }).await;
}

async fn nobody_is_let_in_to_an_account_that_was_deleted(store: &dyn AccountStore) {
    let ticket = one_attempt(store).await;
    hold(
        "the account is deleted",
        &store.delete_account(&user(1), AdminsLeft::MayBeNone).await,
        &Ok(plain(1)),
    );
    refused(store, ticket, "was deleted", &Account::new(plain(2))).await;
}

async fn nobody_is_let_in_to_another_account_of_the_same_name(store: &dyn AccountStore) {
    let ticket = one_attempt(store).await;
    hold(
        "the account is deleted",
        &store.delete_account(&user(1), AdminsLeft::MayBeNone).await,
        &Ok(plain(1)),
    );
    // The same password: only the time of making tells them apart.
    let other = UserRecord { created_at: minute(2), ..plain(1) };
    keep(store, [other.clone()]).await;
    refused(store, ticket, "was made again", &Account::new(other)).await;
}

async fn nobody_is_let_in_to_an_account_that_was_locked(store: &dyn AccountStore) {
    let (locking, now) = (policy(1, POLICY_MINUTES), minute(2));
    let ticket = one_attempt(store).await;
    let other = reserve(store, &user(1), &limits(), minute(2)).await;
    let failed = store.fail_login(&user(1), plain(1).created_at, other, locking, now).await;
    hold("a lowered limit locks", &failed.is_ok(), &true);
    let locked = read_one(store, &user(1)).await;
    let stronger = Some(password(9));
    let opened = store.open_session(Opening { stronger, ..second_opening(ticket) }).await;
    let lock = Lock::Until(minute(2 + POLICY_MINUTES));
    let sentence = "nobody is let in when the account was locked meanwhile";
    hold(sentence, &opened, &Err(OpenRejection::Locked(lock)));
    hold("a locked account gets no session", &read_sessions(store).await, &Vec::new());
    let lockout = Lockout { reserved: Vec::new(), ..locked.lockout };
    let sentence = "who is refused for a lock gives his place back, and nothing else changes";
    hold(sentence, &read_one(store, &user(1)).await, &Account { lockout, ..locked });
}

async fn a_taken_session_is_refused(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    let kept = log_in(store, &plain(1), 1).await;
    let ticket = reserve(store, &user(2), &limits(), minute(2)).await;
    let before = read_one(store, &user(2)).await;
    for twin in [
        LoginSession { hash: kept.hash, ..session(2, &user(2)) },
        LoginSession { id: kept.id.clone(), ..session(2, &user(2)) },
    ] {
        let opened = store.open_session(opening(&plain(2), twin, again(&ticket))).await;
        let refused = matches!(opened, Err(OpenRejection::Store(_)));
        hold("a session whose token or id is another's is refused", &refused, &true);
        hold("a taken session changes nothing", &read_one(store, &user(2)).await, &before);
    }
    hold("a taken session stays whose it is", &read_sessions(store).await, &vec![kept]);
}

/// Logs in under a limit, and gives the numbers of the sessions that ended for it.
async fn ended(store: &dyn AccountStore, name: &UserName, n: u64, limit: usize) -> Vec<u64> {
    let before = read_sessions(store).await;
    let account = read_one(store, name).await.record;
    let ticket = reserve(store, name, &limits(), minute(n)).await;
    let opening = Opening { limit, ..opening(&account, session(n, name), ticket) };
    let mut told = match store.open_session(opening).await {
        Ok(opened) => opened.ended,
        Err(rejection) => panic!("contract broken: a right password is let in: {rejection}"),
    };
    let left = read_sessions(store).await;
    let gone = before.into_iter().filter(|session| !left.contains(session));
    let mut gone: Vec<SessionId> = gone.map(|session| session.id).collect();
    told.sort();
    gone.sort();
    hold("a login gives the sessions that ended for it", &told, &gone);
    (0..n).filter(|n| gone.contains(&session_id(*n))).collect()
}

async fn the_limit_ends_the_sessions_used_least_recently(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    // Somebody else's oldest does not go for it.
    let _ = log_in(store, &plain(2), 1).await;
    for n in 2..5 {
        let _ = log_in_limited(store, &plain(1), n, 3).await;
    }
    hold("as many as the limit may be open", &read_sessions(store).await.len(), &4);
    let touched = store.touch_sessions(vec![(session_id(2), minute(5))]).await;
    hold("a use is noted", &touched, &Ok(()));
    let sentence = "the limit ends the session used least recently";
    hold(sentence, &ended(store, &user(1), 6, 3).await, &vec![3]);
    hold(sentence, &ended(store, &user(1), 7, 3).await, &vec![4]);
    hold(sentence, &ended(store, &user(1), 8, 3).await, &vec![2]);
}

async fn a_lowered_limit_ends_as_many_as_it_must(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    for n in 1..6 {
        let _ = log_in_limited(store, &plain(1), n, 0).await;
    }
    hold("without a limit no session ends", &read_sessions(store).await.len(), &5);
    let sentence = "a lowered limit ends as many as it must";
    hold(sentence, &ended(store, &user(1), 6, 2).await, &vec![1, 2, 3, 4]);
    let sentence = "the session that is opened stays, whatever the limit";
    hold(sentence, &ended(store, &user(1), 7, 1).await, &vec![5, 6]);
}

async fn expired_sessions_do_not_count(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let live = log_in(store, &plain(1), 1).await;
    let ticket = reserve(store, &user(1), &limits(), minute(2)).await;
    let short = LoginSession { expires_at: minute(5), ..session(2, &user(1)) };
    let opened = store.open_session(opening(&plain(1), short, ticket)).await;
    hold("a short session is opened", &opened, &Ok(Opened::default()));
    // It was used after the other, and is over at the instant it names.
    let third = log_in_limited(store, &plain(1), 5, 2).await;
    let now = minute(5);
    let open: Vec<_> =
        read_sessions(store).await.into_iter().filter(|session| !session.is_expired(now)).collect();
    hold("a session that has expired takes no place of the limit", &open, &vec![live, third]);
}
