//! Sessions that nobody uses.

use std::time::Duration;

use mcp_auth::LoginSettings;
use mcp_identity::{Clock as _, EndReason};
use mcp_store::AccountStore as _;
use tokio::time::advance;

use crate::support::{Household, settings, settled};

const MINUTE: Duration = Duration::from_mins(1);

/// Over after an hour without a use.
async fn household() -> Household {
    Household::with(LoginSettings { session_idle: Some(MINUTE * 60), ..settings() }).await
}

/// Lets minutes pass, and the keeper work in each.
async fn pass(house: &Household, minutes: u32) {
    for _ in 0..minutes {
        advance(MINUTE).await;
        tokio::task::yield_now().await;
        house.auth.refresh().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_uses_is_over() {
    let house = household().await;
    let (unused, used) = (house.session("alice").await, house.session("alice").await);
    let lease = house.bearer(&unused.token).unwrap().lease.clone();
    for _ in 0..4 {
        pass(&house, 20).await;
        assert!(house.lets_in(&used));
    }
    assert_eq!(lease.ended().await, EndReason::Expired);
    assert!(!house.lets_in(&unused));
    pass(&house, 2).await;
    let kept = house.store.sessions().await.unwrap();
    let kept: Vec<_> = kept.into_iter().map(|session| session.id).collect();
    assert_eq!(kept, [used.id], "the store is told");
}

#[tokio::test(start_paused = true)]
async fn a_use_that_another_server_saw_counts() {
    let house = household().await;
    let opened = house.session("alice").await;
    advance(MINUTE * 50).await;
    let used = vec![(opened.id.clone(), house.clock.now())];
    house.store.touch_sessions(used).await.unwrap();
    advance(MINUTE * 30).await;
    house.auth.refresh().await.unwrap();
    assert!(house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn a_use_elsewhere_that_nobody_told_of_is_asked_for_before_a_session_ends() {
    let house = household().await;
    let opened = house.session("alice").await;
    let lease = house.bearer(&opened.token).unwrap().lease.clone();
    // No word of it comes: uses are not told.
    let used = vec![(opened.id.clone(), house.clock.now() + MINUTE * 50)];
    house.store.touch_sessions(used).await.unwrap();
    for _ in 0..70 {
        advance(MINUTE).await;
        tokio::task::yield_now().await;
    }
    settled().await;
    assert!(!lease.is_ended());
    assert!(house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn a_login_of_somebody_else_ends_no_session_that_is_used_elsewhere() {
    let house = household().await;
    let opened = house.session("alice").await;
    let lease = house.bearer(&opened.token).unwrap().lease.clone();
    settled().await;
    let used = vec![(opened.id.clone(), house.clock.now() + MINUTE * 50)];
    house.store.touch_sessions(used).await.unwrap();
    // No timer tells the keeper how late it is: the login is the first that it hears.
    house.clock.set_to(MINUTE * 70);
    house.session("bob").await;
    assert!(!lease.is_ended());
    assert!(house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn an_idle_time_without_end_ends_nothing() {
    let settings = LoginSettings { session_idle: Some(Duration::MAX), ..settings() };
    let house = Household::with(settings).await;
    let opened = house.session("alice").await;
    pass(&house, 120).await;
    assert!(house.lets_in(&opened));
}
