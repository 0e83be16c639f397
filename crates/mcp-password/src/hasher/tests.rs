//! The hasher with one thread that does the real work, writes down what it did, and waits where a
//! test says so.

use std::pin::Pin;
use std::sync::{Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use mcp_identity::SystemEntropy;

use super::*;
use crate::labour::LabourFailed;

const CHEAP: Algorithm = Algorithm::Bcrypt { cost: 4 };
const CHEAP_ARGON2ID: Algorithm = Algorithm::Argon2id { memory_kib: 64, time: 1, parallelism: 1 };
const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn what_is_hashed_is_verified_and_nothing_else_is() {
    for algorithm in [CHEAP, CHEAP_ARGON2ID] {
        let bench = Bench::with(&one_thread(algorithm));
        let stored = bench.hash("SecurePassword123!").await.unwrap();
        assert_eq!(stored.algorithm(), algorithm);
        assert_ne!(stored.expose(), bench.hash("SecurePassword123!").await.unwrap().expose());
        let verify = |typed| bench.ask("alice", FIRST, typed, Some(&stored)).answer();
        assert_eq!(verify("SecurePassword123!").await, Ok(Verdict::Right));
        assert_eq!(verify("securepassword123!").await, Ok(Verdict::Wrong));
        assert_eq!(verify("").await, Ok(Verdict::Wrong));
    }
}

#[tokio::test]
async fn fifty_right_passwords_at_once_cost_one_hash_and_all_succeed() {
    let bench = Bench::new();
    let stored = bench.hash("SecurePassword123!").await.unwrap();
    bench.gate.close();
    let ask = |n: u8| bench.ask("alice", [192, 0, 2, n], "SecurePassword123!", Some(&stored));
    // Some come while it waits, and some while it runs.
    let mut asked: Vec<_> = (0..25).map(ask).collect();
    bench.gate.wait_for_arrivals(2);
    asked.extend((25..50).map(ask));
    bench.gate.open();
    for pending in asked {
        assert_eq!(pending.answer().await, Ok(Verdict::Right));
    }
    assert_eq!(bench.gate.done(), ["new hash", "bcrypt SecurePassword123!"]);
}

#[tokio::test]
async fn only_the_same_password_for_the_same_account_and_hash_is_shared() {
    let bench = Bench::new();
    let stored = bench.hash("right").await.unwrap();
    let changed = bench.hash("changed").await.unwrap();
    let blocker = bench.block();
    let asked = [
        bench.ask("alice", FIRST, "right", Some(&stored)),
        bench.ask("alice", FIRST, "right", Some(&changed)),
        bench.ask("alice", FIRST, "wrong", Some(&stored)),
        bench.ask("bob", FIRST, "right", Some(&stored)),
        bench.ask("bob", FIRST, "right", None),
    ];
    bench.gate.open();
    let mut answers = Vec::new();
    for pending in asked {
        answers.push(pending.answer().await.unwrap());
    }
    let expected = [Verdict::Right, Verdict::Wrong, Verdict::Wrong, Verdict::Right, Verdict::Wrong];
    assert_eq!(answers, expected);
    assert_eq!(blocker.answer().await, Ok(Verdict::Wrong));
    assert_eq!(bench.gate.done().len(), 2 + 1 + 5);
}

#[tokio::test]
async fn a_flood_from_one_address_delays_another_by_one_hash() {
    let bench = Bench::new();
    let mut asked = vec![bench.block()];
    for n in 0..16 {
        asked.push(bench.ask(&format!("account {n}"), FIRST, &format!("flood {n}"), None));
    }
    asked.push(bench.ask("carol", OTHER, "mine", None));
    bench.gate.open();
    for pending in asked {
        assert_eq!(pending.answer().await, Ok(Verdict::Wrong));
    }
    assert_eq!(bench.gate.done()[..3], ["bcrypt blocker", "bcrypt flood 0", "bcrypt mine"]);
}

#[tokio::test]
async fn the_fifth_different_password_of_an_account_is_told_to_come_back() {
    let bench = Bench::new();
    let _blocker = bench.block();
    let ask = |typed: u8| bench.ask("alice", [192, 0, 2, typed], &typed.to_string(), None);
    let waiting: Vec<_> = (0..4).map(ask).collect();
    assert!(waiting.iter().all(|pending| !pending.is_answered()));
    let refused = ask(4).answer().await.unwrap_err();
    assert_eq!(refused, HasherError::Busy { retry_after: LONG });
    // The same one again is not different, and another account is not concerned.
    assert!(!ask(3).is_answered());
    assert!(!bench.ask("bob", [192, 0, 2, 1], "4", None).is_answered());
    // A new password to be hashed waits like one to be verified.
    let refused = bench.hasher.hash(&asker(), &password("another")).await.unwrap_err();
    assert!(matches!(refused, HashError::Hasher(HasherError::Busy { .. })));
    bench.gate.open();
}

#[tokio::test]
async fn the_seventeenth_password_of_an_address_is_told_to_come_back() {
    let bench = Bench::new();
    let _blocker = bench.block();
    let ask = |n: u8, address| bench.ask(&format!("account {n}"), address, "guess", None);
    let waiting: Vec<_> = (0..16).map(|n| ask(n, FIRST)).collect();
    assert!(waiting.iter().all(|pending| !pending.is_answered()));
    assert!(ask(16, FIRST).is_answered());
    assert!(!ask(16, OTHER).is_answered());
    bench.gate.open();
}

#[tokio::test]
async fn those_who_share_one_verification_have_an_end_too() {
    let bench = Bench::new();
    let _blocker = bench.block();
    let ask = || bench.ask("alice", FIRST, "the same", None);
    let waiting: Vec<_> = (0..256).map(|_| ask()).collect();
    assert!(waiting.iter().all(|pending| !pending.is_answered()));
    assert!(matches!(ask().answer().await, Err(HasherError::Busy { .. })));
    bench.gate.open();
}

#[tokio::test]
async fn whoever_has_waited_too_long_is_told_so_and_whoever_is_served_is_not() {
    let bench = Bench::new();
    let blocker = bench.block();
    let waiting = bench.ask("alice", FIRST, "too late", None);
    let sharing = bench.ask("alice", OTHER, "too late", None);
    bench.hasher.pool.refuse_expired(Instant::now() + LONG);
    for refused in [waiting, sharing] {
        assert_eq!(refused.answer().await, Err(HasherError::Busy { retry_after: LONG }));
    }
    // There is room again.
    let next = bench.ask("alice", FIRST, "in time", None);
    bench.gate.open();
    assert_eq!(blocker.answer().await, Ok(Verdict::Wrong));
    assert_eq!(next.answer().await, Ok(Verdict::Wrong));
    assert_eq!(bench.gate.done(), ["bcrypt blocker", "bcrypt in time"]);
}

#[tokio::test]
async fn nobody_waits_for_a_busy_thread_to_hear_that_it_is_too_late() {
    let settings = Settings { queue_wait: Duration::from_millis(1), ..one_thread(CHEAP) };
    let bench = Bench::with(&settings);
    bench.gate.close();
    let (one, two) = (bench.ask("alice", FIRST, "a", None), bench.ask("bob", OTHER, "b", None));
    // One thread: at most one of them is served, and the gate keeps it from being answered.
    let first = tokio::select! {
        answer = one.answer() => answer,
        answer = two.answer() => answer,
    };
    assert_eq!(first, Err(HasherError::Busy { retry_after: Duration::from_secs(1) }));
    bench.gate.open();
}

#[tokio::test]
async fn an_account_that_does_not_exist_costs_what_the_dearest_one_costs() {
    // The cheap bcrypt is the dearer of the two.
    let settings = Settings { also_stored: vec![CHEAP], ..one_thread(CHEAP_ARGON2ID) };
    let bench = Bench::with(&settings);
    assert_eq!(bench.ask("nobody", FIRST, "guess", None).answer().await, Ok(Verdict::Wrong));
    let stored = Bench::new().hash("right").await.unwrap();
    let known = bench.ask("alice", FIRST, "guess", Some(&stored));
    assert_eq!(known.answer().await, Ok(Verdict::Wrong));
    assert_eq!(bench.gate.done(), ["bcrypt guess", "bcrypt guess"]);
    let made = bench.hash("new").await.unwrap();
    assert_eq!(made.algorithm(), CHEAP_ARGON2ID);
    assert_eq!(bench.hasher.dummy.algorithm(), stored.algorithm());
    let dearest = |algorithm, also_stored: &[Algorithm]| {
        Settings { also_stored: also_stored.to_vec(), ..one_thread(algorithm) }.dearest()
    };
    assert_eq!(dearest(Algorithm::BCRYPT, &[CHEAP]), Algorithm::BCRYPT);
    assert_eq!(dearest(CHEAP, &[Algorithm::ARGON2ID]), Algorithm::ARGON2ID);
}

#[tokio::test]
async fn a_password_that_bcrypt_cannot_take_is_wrong_after_the_same_work_and_refused_when_set() {
    let bench = Bench::new();
    let longest = "x".repeat(72);
    let stored = bench.hash(&longest).await.unwrap();
    let verify = |typed: &str| bench.ask("alice", FIRST, typed, Some(&stored)).answer();
    assert_eq!(verify(&longest).await, Ok(Verdict::Right));
    for hopeless in ["x".repeat(73), "x".repeat(2000), format!("{longest}\0")] {
        assert_eq!(verify(&hopeless).await, Ok(Verdict::Wrong));
    }
    assert_eq!(
        bench.gate.done()[2..],
        ["bcrypt (nothing)", "bcrypt (nothing)", "bcrypt (nothing)"]
    );
    let refused = bench.hash(&"x".repeat(73)).await.unwrap_err();
    let expected = PasswordTextRejection::TooLongForBcrypt { bytes: 73 };
    assert_eq!(refused, HashError::Rejected(expected));
    // Argon2id takes it.
    let argon2id = Bench::with(&one_thread(CHEAP_ARGON2ID));
    let stored = argon2id.hash(&"x".repeat(73)).await.unwrap();
    let verified = argon2id.ask("alice", FIRST, &"x".repeat(73), Some(&stored));
    assert_eq!(verified.answer().await, Ok(Verdict::Right));
}

#[tokio::test]
async fn a_client_that_leaves_gets_nothing_back_for_it() {
    let bench = Bench::new();
    // One leaves while its password is hashed: the thread is not free before that is done.
    drop(bench.block());
    let ask = |n: u8| bench.ask("alice", FIRST, &format!("guess {n}"), None);
    // Three leave the queue: their places are not free before their turn.
    drop([ask(0), ask(1), ask(2)]);
    let stays = ask(3);
    assert!(ask(4).is_answered());
    bench.gate.open();
    assert_eq!(stays.answer().await, Ok(Verdict::Wrong));
    // For those who left the queue no work is done.
    assert_eq!(bench.gate.done(), ["bcrypt blocker", "bcrypt guess 3"]);
}

#[tokio::test]
async fn one_of_many_leaving_takes_nothing_from_the_others() {
    let bench = Bench::new();
    let _blocker = bench.block();
    let ask = || bench.ask("alice", FIRST, "the same", None);
    let (leaves, stays) = (ask(), ask());
    drop(leaves);
    bench.gate.open();
    assert_eq!(stays.answer().await, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn a_panic_ends_one_attempt_and_not_the_thread() {
    let bench = Bench::new();
    let panics = bench.ask("alice", FIRST, "panic", None);
    assert_eq!(panics.answer().await, Err(HasherError::Failed));
    let next = bench.ask("alice", FIRST, "next", None);
    assert_eq!(next.answer().await, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn stopping_refuses_what_waits_and_answers_what_runs() {
    let bench = Bench::new();
    let running = bench.block();
    let waiting = bench.ask("alice", FIRST, "waits", None);
    bench.hasher.stop();
    assert_eq!(waiting.answer().await, Err(HasherError::Stopped));
    let late = bench.ask("alice", FIRST, "late", None);
    assert_eq!(late.answer().await, Err(HasherError::Stopped));
    bench.gate.open();
    assert_eq!(running.answer().await, Ok(Verdict::Wrong));
    assert_eq!(bench.gate.done(), ["bcrypt blocker"]);
}

#[test]
fn the_threads_end_with_the_hasher() {
    let Bench { hasher, gate } = Bench::new();
    drop(hasher);
    gate.wait_for_the_last_thread();
}

#[tokio::test]
async fn a_wait_without_measure_is_no_fault() {
    let bench = Bench::with(&Settings { queue_wait: Duration::MAX, ..one_thread(CHEAP) });
    assert_eq!(bench.ask("alice", FIRST, "guess", None).answer().await, Ok(Verdict::Wrong));
}

#[test]
fn parameters_out_of_bounds_do_not_start() {
    for settings in [
        one_thread(Algorithm::Bcrypt { cost: 31 }),
        Settings { also_stored: vec![Algorithm::Bcrypt { cost: 31 }], ..one_thread(CHEAP) },
    ] {
        let refused = Hasher::start(&settings, Arc::new(SystemEntropy)).unwrap_err();
        assert_eq!(refused.to_string(), "bcrypt cost is 31, and must be 4 to 15");
    }
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_a_password_or_a_hash() {
    let bench = Bench::new();
    let stored = bench.hash("hunter2").await.unwrap();
    let refused = bench.hash(&"hunter2".repeat(11)).await.unwrap_err();
    let shown = format!("{:?} {stored:?} {refused:?} {refused}", bench.hasher);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(!shown.contains(&stored.expose()[7..]), "{shown}");
}

const FIRST: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [198, 51, 100, 7];

/// A hasher with one thread, and the gate that this thread passes for each job.
struct Bench {
    hasher: Arc<Hasher>,
    gate: Arc<Gate>,
}

impl Bench {
    fn new() -> Self {
        Self::with(&one_thread(CHEAP))
    }

    fn with(settings: &Settings) -> Self {
        let gate = Arc::new(Gate::default());
        let labour = Box::new(Gated(Arc::clone(&gate)));
        let hasher = Hasher::start_with(settings, Arc::new(SystemEntropy), labour).unwrap();
        Self { hasher: Arc::new(hasher), gate }
    }

    async fn hash(&self, typed: &str) -> Result<PasswordHash, HashError> {
        self.hasher.hash(&asker(), &password(typed)).await
    }

    /// Asks, so far that the attempt is in the queue or refused.
    fn ask(
        &self,
        account: &str,
        address: [u8; 4],
        typed: &str,
        stored: Option<&PasswordHash>,
    ) -> Pending {
        let (hasher, stored) = (Arc::clone(&self.hasher), stored.cloned());
        let (asker, password) = (Asker::new(account, address.into()), password(typed));
        let mut attempt: Attempt =
            Box::pin(async move { hasher.verify(&asker, &password, stored.as_ref()).await });
        match attempt.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Pending::Answered(answer),
            Poll::Pending => Pending::Waiting(attempt),
        }
    }

    /// Occupies the thread until the gate is opened.
    fn block(&self) -> Pending {
        self.gate.close();
        let arrivals = self.gate.state.lock().unwrap().arrivals;
        let blocker = self.ask("blocker", [10, 0, 0, 1], "blocker", None);
        self.gate.wait_for_arrivals(arrivals + 1);
        blocker
    }
}

type Attempt = Pin<Box<dyn Future<Output = Result<Verdict, HasherError>> + Send>>;

/// An attempt that is under way.
enum Pending {
    Answered(Result<Verdict, HasherError>),
    Waiting(Attempt),
}

impl Pending {
    fn is_answered(&self) -> bool {
        matches!(self, Self::Answered(_))
    }

    async fn answer(self) -> Result<Verdict, HasherError> {
        match self {
            Self::Answered(answer) => answer,
            Self::Waiting(attempt) => attempt.await,
        }
    }
}

/// What the thread did, and whether it may go on.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    moved: Condvar,
}

#[derive(Default)]
struct GateState {
    closed: bool,
    /// Jobs that have come to the gate.
    arrivals: usize,
    done: Vec<String>,
    threads_are_gone: bool,
}

impl Gate {
    fn close(&self) {
        self.change(|state| state.closed = true);
    }

    fn open(&self) {
        self.change(|state| state.closed = false);
    }

    fn pass(&self) {
        self.change(|state| state.arrivals += 1);
        self.wait_until(|state| !state.closed);
    }

    fn wait_for_arrivals(&self, jobs: usize) {
        self.wait_until(|state| state.arrivals >= jobs);
    }

    fn wait_for_the_last_thread(&self) {
        self.wait_until(|state| state.threads_are_gone);
    }

    fn done(&self) -> Vec<String> {
        self.state.lock().unwrap().done.clone()
    }

    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state.lock().unwrap());
        self.moved.notify_all();
    }

    fn wait_until(&self, is_so: impl Fn(&GateState) -> bool) {
        let state = self.state.lock().unwrap();
        drop(self.moved.wait_while(state, |state| !is_so(state)).unwrap());
    }
}

/// The real work, behind the gate.
struct Gated(Arc<Gate>);

impl Labour for Gated {
    fn check(&self, check: &Check) -> Result<bool, LabourFailed> {
        self.0.pass();
        let text = check.text().unwrap_or("(nothing)");
        assert_ne!(text, "panic", "as the test wants it");
        let right = Hashing.check(check);
        let done = format!("{} {text}", check.algorithm().name());
        self.0.change(|state| state.done.push(done));
        right
    }

    fn make(&self, make: &Make) -> Result<PasswordHash, LabourFailed> {
        self.0.pass();
        let hash = Hashing.make(make);
        self.0.change(|state| state.done.push("new hash".to_owned()));
        hash
    }
}

/// The threads share the labour, so that it is dropped with the last of them.
impl Drop for Gated {
    fn drop(&mut self) {
        self.0.change(|state| state.threads_are_gone = true);
    }
}

fn one_thread(algorithm: Algorithm) -> Settings {
    let mut settings = Settings::new(algorithm);
    settings.workers = NonZeroUsize::MIN;
    settings.queue_wait = LONG;
    settings
}

fn asker() -> Asker {
    Asker::new("alice", FIRST.into())
}

fn password(typed: &str) -> Password {
    Password::presented(typed.to_owned())
}
