//! How often an address may fail to log in.

use std::time::Duration;

use mcp_auth::LoginRejection;
use tokio::time::advance;

use crate::support::{Household, PASSWORD, Step, outage, refusing_after, settled, until};

fn refused(rejection: &LoginRejection) -> Option<Duration> {
    match rejection {
        LoginRejection::TooManyAttempts { retry_after } => Some(*retry_after),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_over_its_quota_is_told_when_to_come_back_and_nothing_is_looked_at() {
    let house = Household::with(refusing_after(2)).await;
    house.log_in("alice", "one").await.unwrap_err();
    advance(Duration::from_mins(5)).await;
    house.log_in("nobody", "two").await.unwrap_err();
    let looked_up = house.store.looked_up();
    for name in ["alice", "nobody"] {
        let rejection = house.log_in(name, PASSWORD).await.unwrap_err();
        assert_eq!(refused(&rejection), Some(Duration::from_mins(10)), "{name}");
    }
    assert_eq!(house.store.looked_up(), looked_up);
    house.begin("192.0.2.2", "alice", PASSWORD).await.unwrap().unwrap();
    advance(Duration::from_mins(10)).await;
    house.session("alice").await;
}

#[tokio::test(start_paused = true)]
async fn a_success_buys_no_more_guesses() {
    let house = Household::with(refusing_after(2)).await;
    house.log_in("alice", "one").await.unwrap_err();
    house.session("bob").await;
    house.log_in("alice", "two").await.unwrap_err();
    assert!(refused(&house.log_in("bob", PASSWORD).await.unwrap_err()).is_some());
}

#[tokio::test(start_paused = true)]
async fn however_parallel_an_address_guesses_no_more_than_its_quota() {
    let house = Household::with(refusing_after(5)).await;
    let guess = |n| house.begin("192.0.2.1", &format!("user-{n}"), "wrong");
    let all: Vec<_> = (0..40).map(guess).collect();
    let mut evaluated = 0;
    for login in all {
        evaluated += usize::from(refused(&login.await.unwrap().unwrap_err()).is_none());
    }
    assert_eq!(evaluated, 5);
}

#[tokio::test(start_paused = true)]
async fn the_same_wrong_password_in_parallel_is_a_failure_of_each_address() {
    let house = Household::with(refusing_after(1)).await;
    let wrong = |from: &str| (from.to_owned(), "alice", "wrong");
    for login in house.begin_together(["192.0.2.1", "192.0.2.2"].map(wrong)).await {
        assert!(refused(&login.await.unwrap().unwrap_err()).is_none());
    }
    for from in ["192.0.2.1", "192.0.2.2"] {
        let late = house.begin(from, "alice", PASSWORD).await.unwrap().unwrap_err();
        assert!(refused(&late).is_some(), "{from}");
    }
}

#[tokio::test(start_paused = true)]
async fn right_passwords_behind_one_address_wait_for_each_other() {
    let house = Household::with(refusing_after(1)).await;
    house.store.hold(Some(Step::Found));
    let alice = house.begin("192.0.2.1", "alice", PASSWORD);
    until("she has the place", || house.store.standing() == 1).await;
    let bob = house.begin("192.0.2.1", "bob", PASSWORD);
    settled().await;
    assert_eq!(house.store.looked_up(), 1, "he waits");
    house.store.hold(None);
    alice.await.unwrap().unwrap();
    bob.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_behind_an_address_may_come_back() {
    let house = Household::with(refusing_after(1)).await;
    house.store.hold(Some(Step::Found));
    let alice = house.begin("192.0.2.1", "alice", PASSWORD);
    until("she has the place", || house.store.standing() == 1).await;
    let bob = house.begin("192.0.2.1", "bob", PASSWORD);
    settled().await;
    advance(Duration::from_secs(3)).await;
    let busy = LoginRejection::Busy { retry_after: Duration::from_secs(1) };
    assert_eq!(bob.await.unwrap().unwrap_err(), busy);
    house.store.hold(None);
    alice.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_in_the_middle_is_counted() {
    let house = Household::with(refusing_after(1)).await;
    house.store.hold(Some(Step::Found));
    let gone = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it is looked at", || house.store.standing() == 1).await;
    let waiting = house.begin("192.0.2.1", "bob", PASSWORD);
    settled().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    // He hears of it at once, and not when his patience ends.
    assert!(refused(&waiting.await.unwrap().unwrap_err()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_he_waits_is_not_counted() {
    let house = Household::with(refusing_after(1)).await;
    house.store.hold(Some(Step::Found));
    let alice = house.begin("192.0.2.1", "alice", PASSWORD);
    until("she has the place", || house.store.standing() == 1).await;
    let gone = house.begin("192.0.2.1", "bob", PASSWORD);
    settled().await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    house.store.hold(None);
    alice.await.unwrap().unwrap();
    house.session("bob").await;
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_down_is_no_failure_of_the_address() {
    let house = Household::with(refusing_after(1)).await;
    house.store.turn(Some(outage("disk on fire")));
    house.log_in("alice", "wrong").await.unwrap_err();
    house.store.turn(None);
    house.session("alice").await;
    house.hasher.stop();
    for password in ["wrong", PASSWORD] {
        let rejection = house.log_in("alice", password).await.unwrap_err();
        assert!(matches!(rejection, LoginRejection::Busy { .. }), "{rejection}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_guess_that_was_wrong_is_counted_though_its_account_cannot_count_it() {
    let house = Household::with(refusing_after(1)).await;
    house.store.hold(Some(Step::Failing));
    let guess = house.begin("192.0.2.1", "alice", "wrong");
    until("it is wrong", || house.store.standing() == 1).await;
    house.store.turn(Some(outage("disk full")));
    house.store.hold(None);
    guess.await.unwrap().unwrap_err();
    house.store.turn(None);
    assert!(refused(&house.log_in("alice", PASSWORD).await.unwrap_err()).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_network_of_one_client_is_one_address() {
    let house = Household::with(refusing_after(1)).await;
    house.begin("2001:db8::1", "alice", "wrong").await.unwrap().unwrap_err();
    let neighbour = house.begin("2001:db8::2", "alice", PASSWORD).await.unwrap().unwrap_err();
    assert!(refused(&neighbour).is_some());
    house.begin("2001:db8:0:1::1", "alice", PASSWORD).await.unwrap().unwrap();
}
