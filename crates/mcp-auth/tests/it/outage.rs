//! A store that is down puts nobody out before its time, and hides nothing when it comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_auth::{Auth, OpenError, RefreshError, Refusal};
use mcp_identity::{Clock as _, CredentialFault, Denial, EndReason};
use mcp_store::{StoreErrorKind, TokenStore as _};
use tokio::sync::oneshot;
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

/// A house in which what was read last stands in for so long.
async fn standing_in(limit: Duration) -> House {
    let (store, clock) = (Tokens::with(&[record("good")]).await, JumpingClock::new());
    let (store, clock) = (Arc::new(store), Arc::new(clock));
    let builder = Auth::builder(store.clone()).clock(clock.clone()).stands_in(limit);
    let (auth, keeper) = builder.open().await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let keeping = tokio::spawn(keeper.run(async {
        let _ = stopped.await;
    }));
    House { store, clock, auth, keeping, stop }
}

fn refused(house: &House, token: &str) -> Option<Refusal> {
    house.auth.bearer(token.as_bytes(), house.clock.now()).err()
}

fn is_down(refusal: Option<Refusal>) -> bool {
    matches!(refusal, Some(Refusal::Down { retry_after }) if !retry_after.is_zero())
}

#[tokio::test(start_paused = true)]
async fn what_was_read_last_stands_in_until_its_time_and_then_nobody_is_let_in_nor_refused() {
    let house = standing_in(Duration::from_mins(5)).await;
    let unknown = Refusal::Denied(Denial::BadCredential(CredentialFault::Unknown));
    assert_eq!(refused(&house, "bad"), Some(unknown));
    let good = house.auth.bearer(b"good", house.clock.now()).unwrap();
    house.store.turn(Mood::Down(outage("no route")));
    house.auth.refresh().await.unwrap_err();
    let noticed = Instant::now();
    assert!(house.lets_in("good") && house.auth.can_judge());
    assert!(is_down(refused(&house, "bad")), "another server may have made it meanwhile");
    assert_eq!(good.lease.ended().await, EndReason::Unkept);
    let held = noticed.elapsed();
    let limit = Duration::from_mins(5);
    assert!((limit..limit + Duration::from_secs(1)).contains(&held), "{held:?}");
    assert!(is_down(refused(&house, "good")) && !house.auth.can_judge());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_does_not_lengthen_the_time() {
    let house = standing_in(Duration::from_secs(12)).await;
    let good = house.auth.bearer(b"good", house.clock.now()).unwrap();
    house.store.turn(Mood::Hung);
    house.auth.refresh().await.unwrap_err();
    let noticed = Instant::now();
    assert_eq!(good.lease.ended().await, EndReason::Unkept);
    assert!(noticed.elapsed() <= Duration::from_secs(13), "{:?}", noticed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn where_nothing_stands_in_the_first_failure_lets_nobody_in() {
    let house = standing_in(Duration::ZERO).await;
    let good = house.auth.bearer(b"good", house.clock.now()).unwrap();
    house.store.turn(Mood::Down(outage("no route")));
    house.auth.refresh().await.unwrap_err();
    assert!(is_down(refused(&house, "good")) && good.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_that_was_too_long_all_is_as_the_store_says() {
    let house = standing_in(Duration::from_mins(5)).await;
    house.store.turn(Mood::Down(outage("no route")));
    house.auth.refresh().await.unwrap_err();
    sleep(Duration::from_mins(6)).await;
    assert!(is_down(refused(&house, "good")));
    house.store.insert(record("new")).await.unwrap();
    house.store.turn(Mood::Well);
    house.auth.refresh().await.unwrap();
    assert!(house.lets_in("good") && house.lets_in("new") && house.auth.can_judge());
    let unknown = Refusal::Denied(Denial::BadCredential(CredentialFault::Unknown));
    assert_eq!(refused(&house, "bad"), Some(unknown));
}

#[tokio::test(start_paused = true)]
async fn opened_before_its_store_it_knows_nobody_until_the_store_can_be_read() {
    let (store, clock) = (Tokens::with(&[record("good")]).await, JumpingClock::new());
    let (store, clock) = (Arc::new(store), Arc::new(clock));
    store.turn(Mood::Down(outage("no route")));
    let builder = Auth::builder(store.clone()).clock(clock.clone());
    let builder = builder.stands_in(Duration::from_hours(1)).opens_before_stores();
    let (auth, keeper) = builder.open().await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let keeping = tokio::spawn(keeper.run(async {
        let _ = stopped.await;
    }));
    let house = House { store, clock, auth, keeping, stop };
    for _ in 0..2 {
        assert!(is_down(refused(&house, "good")) && is_down(refused(&house, "bad")));
        assert!(!house.auth.can_judge());
        house.auth.refresh().await.unwrap_err();
    }
    house.store.turn(Mood::Well);
    house.auth.refresh().await.unwrap();
    assert!(house.lets_in("good") && house.auth.can_judge());
    assert!(matches!(refused(&house, "bad"), Some(Refusal::Denied(_))));
    house.store.turn(Mood::Down(outage("no route")));
    house.auth.refresh().await.unwrap_err();
    assert!(house.lets_in("good"), "what was read once stands in");
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
