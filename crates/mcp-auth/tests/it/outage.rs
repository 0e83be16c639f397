//! A store that is down puts nobody out, and hides nothing when it comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_auth::{OpenError, RefreshError};
use mcp_identity::{Clock as _, EndReason};
use mcp_store::{StoreErrorKind, TokenStore as _};
use tokio::time::{Instant, sleep};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata};

use crate::support::{
    House, JumpingClock, Mood, Tokens, by_id, expiring, open, outage, record, until,
};

#[tokio::test(start_paused = true)]
async fn without_its_tokens_nothing_opens() {
    let (store, clock) = (Arc::new(Tokens::default()), Arc::new(JumpingClock::new()));
    store.turn(Mood::Down(outage("disk on fire")));
    let refused = open(&store, &clock).await.unwrap_err();
    assert_eq!(refused, OpenError::Store(outage("disk on fire")));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_the_last_good_tokens_hold() {
    let house = House::with(&[record("good")]).await;
    let good = house.auth.bearer(b"good", house.clock.now()).unwrap();
    house.store.turn(Mood::Down(outage("disk on fire")));
    house.store.remove(by_id("good")).await.unwrap();
    let told = house.auth.refresh().await;
    assert_eq!(told, Err(RefreshError::Store(outage("disk on fire"))));
    assert!(house.lets_in("good"));
    assert!(!good.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn what_changed_in_an_outage_is_in_force_soon_after_it() {
    let house = House::with(&[record("gone")]).await;
    let gone = house.auth.bearer(b"gone", house.clock.now()).unwrap();
    house.store.turn(Mood::Down(outage("disk on fire")));
    house.store.remove(by_id("gone")).await.unwrap();
    // Long enough for the pauses between two readings to be the longest.
    sleep(Duration::from_mins(10)).await;
    assert!(house.store.readings() < 30, "{} readings", house.store.readings());
    house.store.turn(Mood::Well);
    let mended = Instant::now();
    assert_eq!(gone.lease.ended().await, EndReason::Revoked);
    assert!(mended.elapsed() <= Duration::from_secs(31), "{:?}", mended.elapsed());
}

#[tokio::test(start_paused = true)]
async fn tokens_expire_in_an_outage_too() {
    let house = House::with(&[expiring("short", Duration::from_mins(1))]).await;
    let short = house.auth.bearer(b"short", house.clock.now()).unwrap();
    house.store.turn(Mood::Down(outage("disk on fire")));
    house.auth.refresh().await.unwrap_err();
    assert_eq!(short.lease.ended().await, EndReason::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_down() {
    let house = House::with(&[record("good")]).await;
    house.store.turn(Mood::Hung);
    let told = house.auth.refresh().await;
    assert!(matches!(told, Err(RefreshError::Store(fault)) if fault.kind == StoreErrorKind::Down));
    assert!(house.lets_in("good"));
}

#[tokio::test(start_paused = true)]
async fn a_keeper_stops_though_its_store_hangs() {
    let house = House::with(&[record("good")]).await;
    house.store.turn(Mood::Hung);
    house.store.insert(record("new")).await.unwrap();
    until("the keeper reads", || house.store.readings() == 2).await;
    let began = Instant::now();
    house.stop.send(()).unwrap();
    house.keeping.await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_falls_silent_is_read_every_few_seconds() {
    let tokens = Tokens::with(&[record("gone")]).await;
    tokens.turn(Mood::Mute);
    let house = House::of(tokens).await;
    let gone = house.auth.bearer(b"gone", house.clock.now()).unwrap();
    until("the silence is noticed", || house.store.readings() == 2).await;
    house.store.remove(by_id("gone")).await.unwrap();
    let began = Instant::now();
    gone.lease.ended().await;
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn each_distinct_fault_is_logged_once() {
    let errors = Arc::new(AtomicUsize::new(0));
    let _logging = tracing::subscriber::set_default(ErrorCount(Arc::clone(&errors)));
    let house = House::with(&[record("good")]).await;
    for (fault, logged) in [("disk on fire", 1), ("disk on fire", 1), ("disk is gone", 2)] {
        house.store.turn(Mood::Down(outage(fault)));
        house.auth.refresh().await.unwrap_err();
        assert_eq!(errors.load(Ordering::Relaxed), logged, "{fault}");
    }
    house.store.turn(Mood::Well);
    house.auth.refresh().await.unwrap();
    house.store.turn(Mood::Down(outage("disk is gone")));
    house.auth.refresh().await.unwrap_err();
    assert_eq!(errors.load(Ordering::Relaxed), 3, "a new outage is news");
}

/// Counts what is logged as an error.
struct ErrorCount(Arc<AtomicUsize>);

impl tracing::Subscriber for ErrorCount {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn event(&self, _event: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}
