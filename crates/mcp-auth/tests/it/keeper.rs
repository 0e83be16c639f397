//! The index follows the store and the clock, and ends what they end.

use std::sync::Arc;
use std::time::Duration;

use mcp_auth::RefreshError;
use mcp_identity::{Clock as _, CredentialFault, Denial, EndReason};
use mcp_store::{Rotation, TokenRecord, TokenStore as _};
use tokio::time::{Instant, advance};

use crate::support::{House, JumpingClock, Mood, Tokens, by_id, expiring, open, record, until};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn an_added_token_is_let_in() {
    let house = House::with(&[]).await;
    house.store.insert(record("new")).await.unwrap();
    until("the new token is let in", || house.lets_in("new")).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_token_is_refused_and_its_lease_ends() {
    let house = House::with(&[record("gone"), record("stays")]).await;
    let gone = house.auth.bearer(b"gone", house.clock.now()).unwrap();
    let stays = house.auth.bearer(b"stays", house.clock.now()).unwrap();
    house.store.remove(by_id("gone")).await.unwrap();
    assert_eq!(gone.lease.ended().await, EndReason::Revoked);
    assert!(!house.lets_in("gone"));
    assert!(house.lets_in("stays"));
    assert!(!stays.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_only_when_its_token_is_refused_already() {
    let house = House::with(&[record("gone")]).await;
    let gone = house.auth.bearer(b"gone", house.clock.now()).unwrap();
    let (auth, now) = (house.auth.clone(), house.clock.now());
    let holder = tokio::spawn(async move {
        gone.lease.ended().await;
        auth.bearer(b"gone", now)
    });
    house.store.remove(by_id("gone")).await.unwrap();
    let again = holder.await.unwrap();
    assert_eq!(again.unwrap_err(), Denial::BadCredential(CredentialFault::Unknown).into());
}

#[tokio::test(start_paused = true)]
async fn a_changed_record_is_another_principal_with_another_lease() {
    let house = House::with(&[record("kept")]).await;
    let before = house.auth.bearer(b"kept", house.clock.now()).unwrap();
    let changed = TokenRecord { read_only: true, ..record("kept") };
    house.store.remove(by_id("kept")).await.unwrap();
    house.store.insert(changed).await.unwrap();
    assert_eq!(before.lease.ended().await, EndReason::Replaced);
    let after = house.auth.bearer(b"kept", house.clock.now()).unwrap();
    assert!(after.grants.read_only);
    assert!(!after.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn a_token_with_a_new_hash_is_another_token() {
    let house = House::with(&[record("old")]).await;
    let before = house.auth.bearer(b"old", house.clock.now()).unwrap();
    house.store.remove(by_id("old")).await.unwrap();
    house.store.insert(TokenRecord { hash: record("new").hash, ..record("old") }).await.unwrap();
    assert_eq!(before.lease.ended().await, EndReason::Replaced);
    assert!(!house.lets_in("old"));
    assert!(house.lets_in("new"));
}

#[tokio::test(start_paused = true)]
async fn who_edits_a_note_puts_nobody_out() {
    let house = House::with(&[record("kept")]).await;
    let before = house.auth.bearer(b"kept", house.clock.now()).unwrap();
    house.store.remove(by_id("kept")).await.unwrap();
    let renamed = TokenRecord { note: "what it is for".to_owned(), ..record("kept") };
    house.store.insert(renamed).await.unwrap();
    house.auth.refresh().await.unwrap();
    let after = house.auth.bearer(b"kept", house.clock.now()).unwrap();
    assert!(Arc::ptr_eq(&before, &after));
    assert!(!before.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn a_rotated_token_and_what_it_runs_are_good_until_the_overlap_is_over() {
    let house = House::with(&[record("old")]).await;
    let before = house.auth.bearer(b"old", house.clock.now()).unwrap();
    let began = Instant::now();
    rotate(&house, MINUTE).await;
    assert!(!before.lease.is_ended());
    assert!(house.lets_in("old") && house.lets_in("new"));
    assert_eq!(before.lease.ended().await, EndReason::Expired);
    let late = began.elapsed().checked_sub(MINUTE).expect("not before its time");
    assert!(late < Duration::from_secs(1), "{late:?}");
    assert!(!house.lets_in("old"));
    assert!(house.lets_in("new"));
}

#[tokio::test(start_paused = true)]
async fn without_an_overlap_a_rotated_token_is_refused_at_once() {
    let house = House::with(&[record("old")]).await;
    let before = house.auth.bearer(b"old", house.clock.now()).unwrap();
    rotate(&house, Duration::ZERO).await;
    assert_eq!(before.lease.why(), Some(EndReason::Expired));
    assert!(!house.lets_in("old"));
    assert!(house.lets_in("new"));
}

async fn rotate(house: &House, overlap: Duration) {
    let (at, TokenRecord { id, hash, .. }) = (house.clock.now(), record("new"));
    let rotation = Rotation { id, hash, at, old_ends: at + overlap };
    house.store.rotate(by_id("old"), rotation).await.unwrap();
    house.auth.refresh().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refresh_answers_when_the_change_is_in_force() {
    let house = House::with(&[record("gone")]).await;
    house.store.remove(by_id("gone")).await.unwrap();
    house.auth.refresh().await.unwrap();
    assert!(!house.lets_in("gone"));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_changes_is_read_a_few_times() {
    let house = House::with(&[]).await;
    for n in 0..500 {
        house.store.insert(record(&format!("token-{n}"))).await.unwrap();
    }
    until("the last one is let in", || house.lets_in("token-499")).await;
    assert!(house.store.readings() < 5, "{} readings", house.store.readings());
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_at_the_time_of_its_record() {
    let house = House::with(&[expiring("short", MINUTE * 90), expiring("long", MINUTE * 91)]).await;
    let began = Instant::now();
    let short = house.auth.bearer(b"short", house.clock.now()).unwrap();
    let long = house.auth.bearer(b"long", house.clock.now()).unwrap();
    assert_eq!(short.lease.ended().await, EndReason::Expired);
    let late = began.elapsed().checked_sub(MINUTE * 90).expect("not before its time");
    assert!(late < Duration::from_secs(1), "{late:?}");
    assert!(!long.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn what_the_store_removes_after_its_time_was_not_revoked() {
    let house = House::with(&[expiring("short", MINUTE)]).await;
    let short = house.auth.bearer(b"short", house.clock.now()).unwrap();
    house.clock.set_to(MINUTE * 2);
    house.store.remove_expired(house.clock.now()).await.unwrap();
    assert_eq!(short.lease.ended().await, EndReason::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_ends_leases_within_half_a_minute() {
    let house = House::with(&[expiring("short", MINUTE * 60 * 24 * 365)]).await;
    let short = house.auth.bearer(b"short", house.clock.now()).unwrap();
    tokio::task::yield_now().await;
    let jumped = Instant::now();
    house.clock.set_to(MINUTE * 60 * 24 * 366);
    assert_eq!(short.lease.ended().await, EndReason::Expired);
    assert!(jumped.elapsed() <= Duration::from_secs(31), "{:?}", jumped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_brings_a_token_back_with_a_new_lease() {
    let house = House::with(&[expiring("short", MINUTE)]).await;
    let before = house.auth.bearer(b"short", house.clock.now()).unwrap();
    house.clock.set_to(MINUTE * 60);
    before.lease.ended().await;
    house.clock.set_to(Duration::ZERO);
    advance(Duration::from_secs(31)).await;
    until("the token is let in again", || house.lets_in("short")).await;
    let after = house.auth.bearer(b"short", house.clock.now()).unwrap();
    assert!(!after.lease.is_ended());
    assert!(before.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_is_told_to_stop_ends_every_lease_and_refuses_everyone() {
    let house = House::with(&[record("good")]).await;
    let good = house.auth.bearer(b"good", house.clock.now()).unwrap();
    house.stop.send(()).unwrap();
    house.keeping.await.unwrap();
    assert_eq!(good.lease.why(), Some(EndReason::Unkept));
    let refused = house.auth.bearer(b"good", house.clock.now()).unwrap_err();
    assert_eq!(refused, Denial::BadCredential(CredentialFault::Ended).into());
    assert_eq!(house.auth.refresh().await, Err(RefreshError::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_is_never_run_refuses_everyone_once_it_is_dropped() {
    let store = Arc::new(Tokens::with(&[record("good")]).await);
    let clock = Arc::new(JumpingClock::new());
    let (auth, keeper) = open(&store, &clock).await.unwrap();
    assert!(auth.bearer(b"good", clock.now()).is_ok());
    drop(keeper);
    assert!(auth.bearer(b"good", clock.now()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_panics_refuses_everyone() {
    let house = House::with(&[record("good")]).await;
    let good = house.auth.bearer(b"good", house.clock.now()).unwrap();
    house.store.turn(Mood::Mad);
    assert_eq!(house.auth.refresh().await, Err(RefreshError::Stopped));
    assert!(house.keeping.await.unwrap_err().is_panic());
    assert!(good.lease.is_ended());
    assert!(house.auth.bearer(b"good", house.clock.now()).is_err());
}
