//! Sessions are kept whole and in order, ended by name, touched and swept.

use std::time::Duration;

use mcp_identity::{SessionId, UserName};

use super::people::{
    keep, log_in, minute, name, opening, plain, policy, read_one, read_sessions, reserve, session,
    session_id, user,
};
use crate::account::{AdminsLeft, LoginSession, SessionScope, SessionSelector, UserRecord};
use crate::account_store::{AccountStore, Excerpt, Opened};
use crate::contract::hold;

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    sessions_are_kept_whole_and_in_order(&make().await).await;
    a_session_is_found_by_its_id_until_it_ends(&make().await).await;
    what_is_named_is_read_with_whose_it_is(&make().await).await;
    exactly_the_sessions_that_are_named_end(&make().await).await;
    all_sessions_end(&make().await).await;
    the_last_use_is_noted(&make().await).await;
    what_is_over_is_swept(&make().await).await;
}

async fn sessions_are_kept_whole_and_in_order(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    // In the order of opening, which is none of ids, of users or of expiry.
    let bare = |n, user| LoginSession {
        expires_at: minute(500 - n),
        address: None,
        agent: None,
        scope: SessionScope::PasswordChange,
        ..session(n, user)
    };
    let sessions = vec![
        LoginSession { id: session_id(9), ..session(1, &user(2)) },
        bare(2, &user(1)),
        LoginSession { id: session_id(7), ..bare(3, &user(2)) },
        session(4, &user(1)),
    ];
    for session in &sessions {
        let account = read_one(store, &session.user).await.record;
        let ticket = reserve(store, &session.user, &policy(3, 15), session.created_at).await;
        let opened = store.open_session(opening(&account, session.clone(), ticket)).await;
        hold("a session is opened", &opened, &Ok(Opened::default()));
    }
    let sentence = "sessions() gives every session, whole and in the order of opening";
    hold(sentence, &read_sessions(store).await, &sessions);
    for n in 1..4 {
        let his = sessions.iter().filter(|session| session.user == user(n)).cloned().collect();
        let sentence = format!("sessions_of() gives those of one user: {n}");
        hold(&sentence, &store.sessions_of(&user(n)).await, &Ok(his));
    }
}

/// Six sessions, by turns of the first and the second account.
async fn six(store: &dyn AccountStore) -> Vec<LoginSession> {
    keep(store, [plain(1), plain(2)]).await;
    let mut sessions = Vec::new();
    for n in 1..7 {
        sessions.push(log_in(store, &plain(1 + n % 2), n).await);
    }
    sessions
}

async fn a_session_is_found_by_its_id_until_it_ends(store: &dyn AccountStore) {
    let sessions = six(store).await;
    for session in &sessions {
        let found = store.find_session(&session.id).await;
        hold("find_session() gives the session of an id", &found, &Ok(Some(session.clone())));
    }
    let found = store.find_session(&session_id(99)).await;
    hold("find_session() gives nothing for a foreign id", &found, &Ok(None));
    let [one, of_two, other, ..] = &sessions[..] else { return };
    let ended = store.end_sessions(SessionSelector::Id(one.id.clone())).await;
    hold("the session ends", &ended, &Ok(vec![one.clone()]));
    let found = store.find_session(&one.id).await;
    hold("a session that has ended is not found", &found, &Ok(None));
    let account = read_one(store, &other.user).await.record;
    hold(
        "the account is deleted",
        &store.delete_account(&other.user, AdminsLeft::MayBeNone).await,
        &Ok(account.clone()),
    );
    for when in ["is no more", "was made again"] {
        let found = store.find_session(&other.id).await;
        hold(&format!("a session is not found when its account {when}"), &found, &Ok(None));
        let again = UserRecord { created_at: minute(60), ..account.clone() };
        if when == "is no more" {
            keep(store, [again]).await;
        }
    }
    let found = store.find_session(&of_two.id).await;
    hold("the sessions of others are found", &found, &Ok(Some(of_two.clone())));
    let swept = store.sweep(of_two.expires_at + Duration::from_hours(1)).await;
    hold("what is over is swept", &swept.is_ok(), &true);
    hold("what was swept is not found", &store.find_session(&of_two.id).await, &Ok(None));
}

/// What an excerpt gives, in the order of names and of opening.
async fn excerpt(
    store: &dyn AccountStore,
    users: &[u64],
    sessions: &[&LoginSession],
) -> (Vec<UserName>, Vec<LoginSession>) {
    let users: Vec<UserName> = users.iter().map(|n| user(*n)).collect();
    let ids: Vec<SessionId> = sessions.iter().map(|session| session.id.clone()).collect();
    let read = store.excerpt(&users, &ids).await;
    hold("an excerpt can be read", &read.is_ok(), &true);
    let Excerpt { mut accounts, mut sessions } = read.unwrap_or_default();
    for account in &accounts {
        let found = store.find_account(&account.record.name).await;
        hold("excerpt() gives accounts as they are found", &found, &Ok(Some(account.clone())));
    }
    accounts.sort_by(|one, other| one.record.name.cmp(&other.record.name));
    sessions.sort_by_key(|session| session.created_at);
    (accounts.into_iter().map(|account| account.record.name).collect(), sessions)
}

async fn what_is_named_is_read_with_whose_it_is(store: &dyn AccountStore) {
    let sessions = six(store).await;
    keep(store, [plain(3)]).await;
    let [of_two, of_one, ..] = &sessions[..] else { return };
    let others = LoginSession { id: session_id(99), ..of_one.clone() };
    let cases: [(&[u64], &[&LoginSession], Vec<UserName>); 5] = [
        (&[3, 9], &[], vec![user(3)]),
        (&[], &[of_one], vec![user(1)]),
        (&[1, 3], &[of_two], vec![user(1), user(2), user(3)]),
        (&[2], &[of_two, of_one], vec![user(1), user(2)]),
        (&[], &[], vec![]),
    ];
    for (users, named, accounts) in cases {
        let expected = (accounts, named.iter().map(|it| (*it).clone()).collect());
        let sentence = format!("excerpt() gives what is named, and whose it is: {users:?}");
        hold(&sentence, &excerpt(store, users, named).await, &expected);
    }
    let found = excerpt(store, &[], &[&others]).await;
    hold("excerpt() gives nothing for a foreign id", &found, &(vec![], vec![]));
    let ended = store.end_sessions(SessionSelector::Id(of_one.id.clone())).await;
    hold("the session ends", &ended, &Ok(vec![of_one.clone()]));
    let found = excerpt(store, &[], &[of_one, of_two]).await;
    let expected = (vec![user(2)], vec![of_two.clone()]);
    hold("excerpt() gives no session that has ended", &found, &expected);
    hold(
        "the account is deleted",
        &store.delete_account(&user(2), AdminsLeft::MayBeNone).await,
        &Ok(plain(2)),
    );
    keep(store, [UserRecord { created_at: minute(60), ..plain(2) }]).await;
    let found = excerpt(store, &[2], &[of_two]).await;
    hold("who is made again has no session of before", &found, &(vec![user(2)], vec![]));
}

async fn exactly_the_sessions_that_are_named_end(store: &dyn AccountStore) {
    let mut left = six(store).await;
    let selectors = [
        SessionSelector::Id(session_id(2)),
        // Again, and it is gone.
        SessionSelector::Id(session_id(2)),
        SessionSelector::OfUser(user(3), None),
        SessionSelector::OfUser(name("uSeR 1"), Some(session_id(4))),
        // The session that stays is another's: all of this one's end.
        SessionSelector::OfUser(user(2), Some(session_id(4))),
        SessionSelector::OfUser(user(1), None),
    ];
    for selector in selectors {
        let (gone, stay): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|session| selector.names(session));
        let ended = store.end_sessions(selector.clone()).await;
        let by_id = |mut sessions: Vec<LoginSession>| {
            sessions.sort_by(|one, other| one.id.cmp(&other.id));
            sessions
        };
        let sentence = format!("end_sessions() gives exactly those that ended: {selector:?}");
        hold(&sentence, &ended.map(by_id), &Ok(by_id(gone)));
        let sentence = format!("exactly the sessions that are named end: {selector:?}");
        hold(&sentence, &read_sessions(store).await, &stay);
        left = stay;
    }
    hold("every session was ended", &left, &Vec::new());
}

async fn all_sessions_end(store: &dyn AccountStore) {
    let sessions = six(store).await;
    let ended = store.end_sessions(SessionSelector::All).await.map(|ended| ended.len());
    hold("all sessions end", &ended, &Ok(sessions.len()));
    hold("all sessions are gone", &read_sessions(store).await, &Vec::new());
    let account = read_one(store, &user(1)).await;
    hold("the end of a session is no end of a login", &account.last_login, &Some(minute(6)));
}

async fn the_last_use_is_noted(store: &dyn AccountStore) {
    let mut sessions = six(store).await;
    let gone = sessions.remove(0);
    let ended = store.end_sessions(SessionSelector::Id(gone.id.clone())).await;
    hold("the session ends", &ended, &Ok(vec![gone.clone()]));
    sessions[1].last_used = minute(20);
    sessions[3].last_used = minute(30);
    let used = vec![
        (gone.id, minute(10)),
        (sessions[1].id.clone(), minute(20)),
        (session_id(99), minute(20)),
        (sessions[3].id.clone(), minute(30)),
    ];
    let touched = store.touch_sessions(used).await;
    hold("sessions that are gone are passed over", &touched, &Ok(()));
    let sentence = "the last use of sessions is noted, and nothing else";
    hold(sentence, &read_sessions(store).await, &sessions);
    let late = store.touch_sessions(vec![(sessions[3].id.clone(), minute(25))]).await;
    hold("late word of a use is taken", &late, &Ok(()));
    let sentence = "late word of an earlier use changes nothing";
    hold(sentence, &read_sessions(store).await, &sessions);
}

async fn what_is_over_is_swept(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let mut sessions = Vec::new();
    for (n, end) in [(1, 100), (2, 101), (3, 99), (4, 100)] {
        let session = LoginSession { expires_at: minute(end), ..session(n, &user(1)) };
        let ticket = reserve(store, &user(1), &policy(3, 15), minute(n)).await;
        let opened = store.open_session(opening(&plain(1), session.clone(), ticket)).await;
        hold("a session is opened", &opened, &Ok(Opened::default()));
        sessions.push(session);
    }
    let before = read_one(store, &user(1)).await;
    hold("nothing is swept before its time", &store.sweep(minute(98)).await, &Ok(0));
    hold("all are there before their time", &read_sessions(store).await, &sessions);
    let swept = store.sweep(minute(100)).await;
    hold("a session is over at the instant it names", &swept, &Ok(3));
    let left = read_sessions(store).await;
    hold("what is not over is not swept", &left, &vec![sessions[1].clone()]);
    hold("nothing is swept twice", &store.sweep(minute(100)).await, &Ok(0));
    hold("accounts are not swept", &read_one(store, &user(1)).await, &before);
}
