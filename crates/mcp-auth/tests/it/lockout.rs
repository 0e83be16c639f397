//! Accounts that lock, and what does not lock them.

use std::time::Duration;

use mcp_auth::{LoginRejection, LoginSettings};
use mcp_identity::{CredentialFault, RoleName};
use mcp_store::{AccountStore as _, AdminsLeft, UserRecord};
use mcp_throttle::LockoutPolicy;
use tokio::time::advance;

use crate::support::{
    Household, PASSWORD, Step, locking_after, outage, settings, settled, until, user,
};

const LOCKED: LoginRejection = LoginRejection::Refused(CredentialFault::Locked);

/// A lock lasts until an admin lifts it.
fn for_ever() -> LoginSettings {
    let lockout = LockoutPolicy { duration: None, ..locking_after(1).lockout };
    LoginSettings { lockout, ..settings() }
}

#[tokio::test(start_paused = true)]
async fn at_most_the_limit_is_guessed_however_many_guesses_are_parallel() {
    // As many as wait for one account at a time.
    let house = Household::with(locking_after(4)).await;
    let from = |n| format!("192.0.2.{n}");
    let guess = |n| house.begin(&from(n), "alice", &format!("guess {n}"));
    let all: Vec<_> = (0..40).map(guess).collect();
    for login in all {
        login.await.unwrap().unwrap_err();
    }
    assert_eq!(house.store.guessed_wrong(), 4);
    assert_eq!(house.log_in("alice", PASSWORD).await.unwrap_err(), LOCKED);
}

#[tokio::test(start_paused = true)]
async fn the_same_wrong_password_in_parallel_is_one_guess() {
    let house = Household::with(locking_after(2)).await;
    let wrong = |n| (format!("192.0.2.{n}"), "alice", "wrong");
    for login in house.begin_together((0..20).map(wrong)).await {
        let wrong = LoginRejection::Refused(CredentialFault::WrongPassword);
        assert_eq!(login.await.unwrap().unwrap_err(), wrong);
    }
    assert_eq!(house.account("alice").await.lockout.failures, 1);
    house.session("alice").await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_ends_by_itself_and_is_not_prolonged() {
    let house = Household::with(locking_after(1)).await;
    house.log_in("alice", "wrong").await.unwrap_err();
    for _ in 0..14 {
        advance(Duration::from_mins(1)).await;
        assert_eq!(house.log_in("alice", "wrong").await.unwrap_err(), LOCKED);
    }
    advance(Duration::from_mins(1)).await;
    house.session("alice").await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_stops_logins_and_nothing_else() {
    let house = Household::with(locking_after(1)).await;
    let opened = house.session("alice").await;
    house.log_in("alice", "wrong").await.unwrap_err();
    house.auth.refresh().await.unwrap();
    assert!(house.lets_in(&opened));
    assert!(!house.bearer(&opened.token).unwrap().lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn the_last_admin_is_never_locked_out_for_good() {
    let house = Household::with(for_ever()).await;
    let admin = [RoleName::parse("admin").unwrap()];
    let carol = UserRecord { roles: admin.clone().into(), ..house.record("carol").await };
    house.add_record(carol).await;
    for name in ["alice", "carol"] {
        house.log_in(name, "wrong").await.unwrap_err();
        assert_eq!(house.log_in(name, PASSWORD).await.unwrap_err(), LOCKED, "{name}");
    }
    advance(Duration::from_mins(15)).await;
    house.session("carol").await;
    assert_eq!(house.log_in("alice", PASSWORD).await.unwrap_err(), LOCKED);

    // One of two admins stays locked, until he is the last.
    let dave = UserRecord { roles: admin.into(), ..house.record("dave").await };
    house.add_record(dave).await;
    house.log_in("carol", "wrong").await.unwrap_err();
    advance(Duration::from_mins(15)).await;
    assert_eq!(house.log_in("carol", PASSWORD).await.unwrap_err(), LOCKED);
    house.store.delete_account(&user("dave"), AdminsLeft::MayBeNone).await.unwrap();
    house.auth.refresh().await.unwrap();
    assert_eq!(house.log_in("carol", PASSWORD).await.unwrap_err(), LOCKED);
    advance(Duration::from_mins(15)).await;
    house.session("carol").await;
}

#[tokio::test(start_paused = true)]
async fn the_last_admin_is_known_by_his_address_of_mail_too() {
    let house = Household::with(for_ever()).await;
    for name in ["carol", "dave"] {
        let roles = [RoleName::parse("admin").unwrap()].into();
        let email = Some(format!("{name}@Example.org"));
        house.add_record(UserRecord { roles, email, ..house.record(name).await }).await;
    }
    house.log_in("carol", "wrong").await.unwrap_err();
    for _ in 0..2 {
        advance(Duration::from_mins(15)).await;
        assert_eq!(house.log_in("carol@example.org", PASSWORD).await.unwrap_err(), LOCKED);
    }
    house.store.delete_account(&user("dave"), AdminsLeft::MayBeNone).await.unwrap();
    house.auth.refresh().await.unwrap();
    assert_eq!(house.log_in("carol@example.org", PASSWORD).await.unwrap_err(), LOCKED);
    advance(Duration::from_mins(15)).await;
    assert_eq!(house.session("carol@example.org").await.user, user("carol"));
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_was_set_meanwhile_refuses_a_right_password() {
    let lockout = LockoutPolicy { hold: Duration::from_secs(5), ..locking_after(2).lockout };
    let house = Household::with(LoginSettings { lockout, ..settings() }).await;
    house.store.hold(Some(Step::Opening));
    let late = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it was right", || house.store.standing() == 1).await;
    // Its place is void by now, and others may fail.
    advance(Duration::from_secs(5)).await;
    for guess in ["one", "two"] {
        house.log_in("alice", guess).await.unwrap_err();
    }
    house.store.hold(None);
    assert_eq!(late.await.unwrap().unwrap_err(), LOCKED);
    assert_eq!(house.store.sessions().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_place_of_the_account_waits_for_one() {
    let house = Household::with(locking_after(1)).await;
    house.store.hold(Some(Step::Opening));
    let right = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it was right", || house.store.standing() == 1).await;
    let guess = house.begin("192.0.2.2", "alice", "wrong");
    until("it asked for a place", || house.store.looked_up() == 2).await;
    assert_eq!(house.store.guessed_wrong(), 0);
    house.store.hold(None);
    right.await.unwrap().unwrap();
    let wrong = LoginRejection::Refused(CredentialFault::WrongPassword);
    assert_eq!(guess.await.unwrap().unwrap_err(), wrong);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_another_server_gives_back_is_found() {
    let house = Household::with(locking_after(1)).await;
    let taken = house.store.find_login(&user("alice"), locking_after(1).lockout, now(&house)).await;
    let taken = taken.unwrap().unwrap();
    let made = taken.account.record.created_at;
    let mcp_throttle::Verdict::Reserved(ticket) = taken.verdict else {
        panic!("there is a place");
    };
    let login = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it asked for a place", || house.store.looked_up() == 2).await;
    house.store.withdraw_login(&user("alice"), made, ticket).await.unwrap();
    tokio::task::yield_now().await;
    advance(Duration::from_millis(100)).await;
    login.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_for_a_place_is_not_refused_for_it() {
    let house = Household::with(locking_after(1)).await;
    house.store.hold(Some(Step::Failing));
    let wrong = house.begin("192.0.2.1", "alice", "wrong");
    until("it is wrong", || house.store.standing() == 1).await;
    let right = house.begin("192.0.2.2", "alice", PASSWORD);
    until("it asked for a place", || house.store.looked_up() == 2).await;
    for _ in 0..20 {
        let asked = house.store.looked_up();
        assert!(!right.is_finished());
        tokio::task::yield_now().await;
        advance(Duration::from_millis(100)).await;
        until("it asked again", || right.is_finished() || house.store.looked_up() > asked).await;
    }
    let busy = LoginRejection::Busy { retry_after: Duration::from_secs(1) };
    assert_eq!(right.await.unwrap().unwrap_err(), busy);
    house.store.hold(None);
    wrong.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn those_who_share_a_wait_do_not_wait_one_after_the_other() {
    let house = Household::with(locking_after(1)).await;
    house.store.hold(Some(Step::Failing));
    let wrong = house.begin("192.0.2.1", "alice", "wrong");
    until("it is wrong", || house.store.standing() == 1).await;
    let right: Vec<_> = (0..10).map(|_| house.begin("192.0.2.2", "alice", PASSWORD)).collect();
    for _ in 0..20 {
        settled().await;
        assert!(!right.iter().any(tokio::task::JoinHandle::is_finished));
        advance(Duration::from_millis(100)).await;
    }
    for login in right {
        assert!(matches!(login.await.unwrap().unwrap_err(), LoginRejection::Busy { .. }));
    }
    wrong.abort();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_his_place_with_him_for_a_while_only() {
    let house = Household::with(locking_after(1)).await;
    house.store.hold(Some(Step::Found));
    let gone = house.begin("192.0.2.1", "alice", "wrong");
    until("he has his place", || house.store.standing() == 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    house.store.hold(None);
    assert_eq!(house.account("alice").await.lockout.reserved.len(), 1);
    advance(Duration::from_secs(30)).await;
    house.session("alice").await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_counts_nothing() {
    let house = Household::hashing(locking_after(100), 8).await;
    let from = |n| format!("192.0.2.{n}");
    let guess = |n| house.begin(&from(n), "alice", &format!("guess {n}"));
    let all: Vec<_> = (0..12).map(guess).collect();
    let (mut busy, mut wrong) = (0, 0);
    for login in all {
        match login.await.unwrap().unwrap_err() {
            LoginRejection::Busy { retry_after } => {
                assert!(retry_after >= Duration::from_secs(1));
                busy += 1;
            }
            LoginRejection::Refused(_) => wrong += 1,
            other => panic!("{other}"),
        }
    }
    // One is being hashed, and four wait.
    assert!(busy >= 7, "{busy}");
    let lockout = house.account("alice").await.lockout;
    assert_eq!((lockout.failures, lockout.reserved), (wrong, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_counts_nothing_and_evaluates_nothing() {
    let house = Household::with(locking_after(1)).await;
    house.store.turn(Some(outage("disk on fire")));
    house.log_in("alice", "wrong").await.unwrap_err();
    house.store.turn(None);
    assert_eq!(house.store.guessed_wrong(), 0);
    house.session("alice").await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_cannot_be_counted_keeps_its_place() {
    let house = Household::with(locking_after(1)).await;
    house.store.hold(Some(Step::Failing));
    let guess = house.begin("192.0.2.1", "alice", "wrong");
    until("it is wrong", || house.store.standing() == 1).await;
    house.store.turn(Some(outage("disk full")));
    house.store.hold(None);
    let down = LoginRejection::Store(outage("disk full"));
    assert_eq!(guess.await.unwrap().unwrap_err(), down);
    house.store.turn(None);
    assert_eq!(house.account("alice").await.lockout.reserved.len(), 1, "no second guess for it");
}

fn now(house: &Household) -> std::time::SystemTime {
    mcp_identity::Clock::now(&*house.clock)
}
