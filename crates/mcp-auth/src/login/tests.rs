//! How much is hashed, and when: what no client can see.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_identity::{NoAudit, RequestId, SystemClock, SystemEntropy};
use mcp_password::{
    Algorithm, Asker, HashError, Hasher, HasherError, PasswordHash, Settings, Verdict,
};
use mcp_store::{BoxFuture, MemoryAccounts, StoredHash, UserEdit, UserRecord};
use mcp_throttle::{LockoutPolicy, Quota};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;

const PASSWORD: &str = "correct horse battery staple";

/// The real thing, counted, and held up until it is let on.
struct Counted {
    hasher: Hasher,
    begun: AtomicUsize,
    made: AtomicUsize,
    let_on: Semaphore,
}

impl Counted {
    fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    async fn turn(&self) {
        if let Ok(turn) = self.let_on.acquire().await {
            turn.forget();
        }
    }
}

impl Passwords for Counted {
    fn verify<'a>(
        &'a self,
        asker: &'a Asker,
        password: &'a Password,
        stored: Option<&'a PasswordHash>,
    ) -> BoxFuture<'a, Result<Verdict, HasherError>> {
        Box::pin(async move {
            self.begun.fetch_add(1, Ordering::Relaxed);
            self.turn().await;
            self.hasher.verify(asker, password, stored).await
        })
    }

    fn hash<'a>(
        &'a self,
        asker: &'a Asker,
        password: &'a Password,
    ) -> BoxFuture<'a, Result<PasswordHash, HashError>> {
        self.made.fetch_add(1, Ordering::Relaxed);
        Box::pin(self.hasher.hash(asker, password))
    }

    fn needs_rehash(&self, stored: &PasswordHash) -> bool {
        self.hasher.needs_rehash(stored)
    }
}

struct House {
    store: Arc<MemoryAccounts>,
    passwords: Arc<Counted>,
    logins: Arc<Logins>,
}

impl House {
    /// Alice, Bob and Carol, who is disabled; an account locks after so many failures.
    async fn locking_after(limit: u32) -> Self {
        let hashing =
            Settings { workers: NonZeroUsize::MIN, ..Settings::new(Algorithm::Bcrypt { cost: 4 }) };
        let passwords = Arc::new(Counted {
            hasher: Hasher::start(&hashing, Arc::new(SystemEntropy)).unwrap(),
            begun: AtomicUsize::new(0),
            made: AtomicUsize::new(0),
            let_on: Semaphore::new(Semaphore::MAX_PERMITS),
        });
        let store = Arc::new(MemoryAccounts::new());
        let asker = Asker::new("", [192, 0, 2, 1].into());
        let password = Password::presented(PASSWORD.to_owned());
        let hash = passwords.hasher.hash(&asker, &password).await.unwrap();
        for name in ["alice", "bob", "carol"] {
            let (name, hash) = (UserName::parse(name).unwrap(), StoredHash::new(hash.expose()));
            let enabled = name.as_str() != "carol";
            let record = UserRecord::new(name, hash, SystemClock.now());
            store.add_account(UserRecord { enabled, ..record }).await.unwrap();
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let logins = Logins::new(
            Books { openings: Arc::default(), store: store.clone(), shared: None },
            passwords.clone(),
            settings(limit),
            Arc::new(Index::closed()),
            Arc::clone(&clock),
            Arc::new(SystemEntropy),
            Recorder::new(Arc::new(NoAudit), clock),
        );
        Self { store, passwords, logins: Arc::new(logins.unwrap()) }
    }

    /// Begins an attempt, from the network of that number.
    fn begin(
        &self,
        from: u8,
        name: &str,
        password: &str,
    ) -> JoinHandle<Result<OpenedSession, LoginRejection>> {
        let request_id = RequestId::from_bytes([0; 16]);
        let caller = Caller { address: [192, 0, 2, from].into(), agent: None, request_id };
        let password = Password::presented(password.to_owned());
        let attempt = Attempt { name: name.to_owned(), password, caller };
        let logins = Arc::clone(&self.logins);
        tokio::spawn(async move {
            let new = logins.log_in(&attempt, Issue::Opaque).await;
            new.map(|New { opened, .. }| opened)
        })
    }

    /// How many checks an attempt costs.
    async fn cost(&self, name: &str, password: &str) -> usize {
        let before = self.passwords.begun();
        let _ = self.begin(1, name, password).await.unwrap();
        self.passwords.begun() - before
    }

    /// Lets no check on, until it is told how many.
    fn hold_up(&self) {
        self.passwords.let_on.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn let_on(&self, checks: usize) {
        self.passwords.let_on.add_permits(checks);
    }
}

fn settings(limit: u32) -> LoginSettings {
    let limit = NonZeroU32::new(limit);
    let lockout = LockoutPolicy { limit, duration: None, hold: Duration::from_hours(1) };
    let quota = Quota { attempts: NonZeroU32::MAX, window: Duration::from_mins(15) };
    let (min_response, patience) = (Duration::ZERO, Duration::from_hours(1));
    LoginSettings { quota, lockout, patience, min_response, ..LoginSettings::default() }
}

/// Lets the others work, the hashing threads too, until it is so.
async fn until(is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came true");
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

/// Lets the others work until nothing more happens by itself.
async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_attempt_costs_one_check_whatever_becomes_of_it() {
    let house = House::locking_after(1).await;
    for (name, password) in [
        ("alice", PASSWORD),
        ("alice", "wrong"),
        ("alice", "locked by now"),
        ("alice", PASSWORD),
        ("carol", PASSWORD),
        ("nobody", PASSWORD),
        ("nobody", "locked by now"),
        ("no\u{7}body", PASSWORD),
        ("bob", &"too long ".repeat(100)),
    ] {
        assert_eq!(house.cost(name, password).await, 1, "{name} {password}");
    }
    assert_eq!(house.passwords.made.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn fifty_parallel_right_passwords_cost_one_check() {
    let house = House::locking_after(1).await;
    house.hold_up();
    let all: Vec<_> = (0..50).map(|n| house.begin(n, "alice", PASSWORD)).collect();
    settled().await;
    house.let_on(1);
    for login in all {
        login.await.unwrap().unwrap();
    }
    assert_eq!(house.passwords.begun(), 1);
}

#[tokio::test]
async fn a_name_of_nobody_locks_as_an_account_does() {
    let mut courses = Vec::new();
    for name in ["alice", "nobody", "no\u{7}body"] {
        let house = House::locking_after(2).await;
        house.hold_up();
        let guess = |n: u8| house.begin(n, name, &format!("guess {n}"));
        let logins: Vec<_> = (0..10).map(guess).collect();
        let mut course = Vec::new();
        for (let_on, done) in [(0, 0), (1, 1), (1, 2)] {
            house.let_on(let_on);
            until(|| logins.iter().filter(|login| login.is_finished()).count() == done).await;
            settled().await;
            course.push(house.passwords.begun());
        }
        house.let_on(8);
        for login in logins {
            login.await.unwrap().unwrap_err();
        }
        courses.push(course);
    }
    // No more at a time than may fail; when they have failed, nobody waits any more.
    assert_eq!(courses, vec![vec![2, 2, 10]; 3]);
}

#[tokio::test]
async fn a_typed_name_is_never_taken_for_the_key_of_an_account() {
    // Valid as it is typed, and of a key that could not be typed.
    let long = "İ".repeat(64);
    let name = UserName::parse(&long).unwrap();
    assert!(UserName::parse(name.key()).is_err());
    assert_ne!(Claimed::parse(name.key()).key(), Claimed::parse(&long).key());
}

#[tokio::test]
async fn those_whose_account_changed_look_again_together() {
    let house = House::locking_after(1).await;
    house.hold_up();
    let all: Vec<_> = (0..20).map(|n| house.begin(n, "alice", PASSWORD)).collect();
    settled().await;
    let (alice, asker) = (UserName::parse("alice").unwrap(), Asker::new("", [0; 4].into()));
    // Another salt: the same password, and not the hash that they compare with.
    let password = Password::presented(PASSWORD.to_owned());
    let again = house.passwords.hasher.hash(&asker, &password).await.unwrap();
    let again = Some(StoredHash::new(again.expose()));
    let edit = UserEdit { password: again, ..UserEdit::default() };
    house.store.edit_account(&alice, edit).await.unwrap();
    house.let_on(1);
    until(|| house.passwords.begun() == 2).await;
    settled().await;
    house.let_on(1);
    for login in all {
        login.await.unwrap().unwrap();
    }
    assert_eq!(house.passwords.begun(), 2);
}
