//! A store that can fail, a clock that can jump, and a keeper at work.

mod household;
mod ledger;
mod register;
mod still;

pub(crate) use household::{
    Household, PASSWORD, attempt, hash_of, locking_after, refusing_after, settings, user,
};
pub(crate) use ledger::Recorded;
pub(crate) use register::{Register, Step};
pub(crate) use still::StillTime;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use mcp_auth::{Auth, Keeper, OpenError};
use mcp_identity::{Caller, Clock, RequestId, TokenHash, TokenId};
use mcp_store::{
    BoxFuture, Change, ChangeSender, Changes, InsertRejection, MemoryTokens, RemoveRejection,
    RotateRejection, Rotated, Rotation, SharedStore, StoreError, StoreErrorKind, TokenRecord,
    TokenSelector, TokenStore,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Everything that a test touches.
pub(crate) struct House {
    pub(crate) store: Arc<Tokens>,
    pub(crate) clock: Arc<JumpingClock>,
    pub(crate) auth: Auth,
    pub(crate) keeping: JoinHandle<()>,
    pub(crate) stop: oneshot::Sender<()>,
}

impl House {
    /// A house in which these tokens are good, with its keeper at work.
    pub(crate) async fn with(records: &[TokenRecord]) -> Self {
        Self::of(Tokens::with(records).await).await
    }

    pub(crate) async fn of(store: Tokens) -> Self {
        let (store, clock) = (Arc::new(store), Arc::new(JumpingClock::new()));
        let (auth, keeper) = open(&store, &clock).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let keeping = tokio::spawn(keeper.run(async {
            let _ = stopped.await;
        }));
        Self { store, clock, auth, keeping, stop }
    }

    pub(crate) fn lets_in(&self, token: &str) -> bool {
        self.auth.bearer(token.as_bytes(), self.clock.now()).is_ok()
    }
}

pub(crate) async fn open(
    store: &Arc<Tokens>,
    clock: &Arc<JumpingClock>,
) -> Result<(Auth, Keeper), OpenError> {
    let store: Arc<dyn TokenStore> = Arc::<Tokens>::clone(store);
    let clock: Arc<dyn Clock> = Arc::<JumpingClock>::clone(clock);
    Auth::open(store, clock).await
}

/// Lets the others work until it is so. None of tokio's time passes.
pub(crate) async fn until(sentence: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "never came true: {sentence}");
        tokio::task::yield_now().await;
        // The hashing threads work, too.
        std::thread::yield_now();
    }
}

/// Lets the others go as far as they can without the hashing threads.
pub(crate) async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// The record of a token: its id is the token's text.
pub(crate) fn record(token: &str) -> TokenRecord {
    let hash = TokenHash::of_presented(token.as_bytes());
    TokenRecord::new(TokenId::parse(token).unwrap(), hash, start())
}

pub(crate) fn expiring(token: &str, after: Duration) -> TokenRecord {
    TokenRecord { expires_at: Some(start() + after), ..record(token) }
}

pub(crate) fn by_id(token: &str) -> TokenSelector {
    TokenSelector::Id(TokenId::parse(token).unwrap())
}

/// Somebody who calls from there.
pub(crate) fn caller(address: &str) -> Caller {
    let request_id = RequestId::from_bytes([0; 16]);
    Caller { address: address.parse().unwrap(), agent: Some("curl/8.5".into()), request_id }
}

pub(crate) fn outage(fault: &str) -> StoreError {
    let (place, fault) = ("tokens.yaml".to_owned(), fault.to_owned());
    StoreError { place, fault, hint: None, kind: StoreErrorKind::Down }
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// A wall clock that goes with tokio's paused time, until it is set.
pub(crate) struct JumpingClock {
    set: Mutex<(SystemTime, Instant)>,
}

impl JumpingClock {
    pub(crate) fn new() -> Self {
        Self { set: Mutex::new((start(), Instant::now())) }
    }

    pub(crate) fn set_to(&self, after_start: Duration) {
        *self.set.lock().unwrap() = (start() + after_start, Instant::now());
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> SystemTime {
        let (time, since) = *self.set.lock().unwrap();
        time + since.elapsed()
    }
}

/// The store in memory, with a switch.
#[derive(Default)]
pub(crate) struct Tokens {
    kept: MemoryTokens,
    mood: Mutex<Mood>,
    readings: AtomicUsize,
    silent: ChangeSender,
}

#[derive(Clone, Default)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Each reading fails.
    Down(StoreError),
    /// No reading ever ends.
    Hung,
    /// Each reading is a bug.
    Mad,
    /// Says nothing of its changes any more.
    Mute,
    /// Says nothing of its changes yet.
    Silent,
}

impl Tokens {
    pub(crate) async fn with(records: &[TokenRecord]) -> Self {
        let tokens = Self::default();
        for record in records {
            tokens.kept.insert(record.clone()).await.unwrap();
        }
        tokens
    }

    pub(crate) fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn readings(&self) -> usize {
        self.readings.load(Ordering::Relaxed)
    }

    fn mood(&self) -> Mood {
        self.mood.lock().unwrap().clone()
    }
}

impl TokenStore for Tokens {
    fn all(&self) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>> {
        self.readings.fetch_add(1, Ordering::Relaxed);
        match self.mood() {
            Mood::Well | Mood::Mute | Mood::Silent => self.kept.all(),
            Mood::Down(fault) => Box::pin(async { Err(fault) }),
            Mood::Hung => Box::pin(std::future::pending()),
            Mood::Mad => panic!("a bug of the store"),
        }
    }

    fn find(&self, hash: TokenHash) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
        self.kept.find(hash)
    }

    fn insert(&self, record: TokenRecord) -> BoxFuture<'_, Result<(), InsertRejection>> {
        self.kept.insert(record)
    }

    fn rotate(
        &self,
        selector: TokenSelector,
        rotation: Rotation,
    ) -> BoxFuture<'_, Result<Rotated, RotateRejection>> {
        self.kept.rotate(selector, rotation)
    }

    fn remove(
        &self,
        selector: TokenSelector,
    ) -> BoxFuture<'_, Result<TokenRecord, RemoveRejection>> {
        self.kept.remove(selector)
    }

    fn remove_expired(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.kept.remove_expired(now)
    }

    fn changes(&self) -> Changes {
        match self.mood() {
            Mood::Mute => ChangeSender::new().listen(),
            Mood::Silent => self.silent.listen(),
            _ => self.kept.changes(),
        }
    }
}

impl SharedStore for Tokens {
    fn changes_behind<'a>(
        &'a self,
        hashes: &'a [TokenHash],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Vec<Change>, StoreError>> {
        self.kept.changes_behind(hashes, now)
    }
}
