//! One account with an address, a clock that goes with the runtime's, and an outbox that says no
//! when it is told to.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use mcp_accounts::{
    LockNotices, LockWords, MailTexts, Mailroom, MailroomParts, Recovery, RecoveryParts,
    RecoverySettings,
};
use mcp_auth::Auth;
use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, Caller, Clock, RequestId, Subject,
    SystemEntropy, UserName,
};
use mcp_mail::{DirectoryOutbox, Letter, Line, Mailbox, Outbox, Postmark, Sending};
use mcp_password::{Algorithm, Hasher, Policy, Preset};
use mcp_store::{
    AccountStore as _, MemoryAccounts, MemoryTokens, RecoveryStore as _, StoredHash, UserRecord,
};
use mcp_throttle::Quota;
use tokio::time::Instant;

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

pub(crate) fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

pub(crate) fn caller() -> Caller {
    let request_id = RequestId::from_bytes([0; 16]);
    Caller { address: [192, 0, 2, 1].into(), agent: None, request_id }
}

pub(crate) struct House {
    pub(crate) recovery: Recovery,
    pub(crate) store: Arc<MemoryAccounts>,
    pub(crate) outbox: Arc<Stubborn>,
    pub(crate) locks: LockNotices,
    words: LockWords,
    clock: Arc<RuntimeClock>,
    record: Arc<Record>,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Preset::Classic).await
    }

    /// Passwords are chosen by this policy.
    pub(crate) async fn with(preset: Preset) -> Self {
        let clock = Arc::new(RuntimeClock(Instant::now()));
        let store = Arc::new(MemoryAccounts::new());
        let alice = UserRecord {
            email: Some("alice@example.com".to_owned()),
            ..UserRecord::new(name("alice"), StoredHash::new("a hash"), clock.now())
        };
        store.add_account(alice).await.unwrap();
        let record = Arc::new(Record::default());
        let (locks, words) = LockNotices::new(record.clone());
        let (auth, _keeper) =
            Auth::open(Arc::new(MemoryTokens::new()), clock.clone()).await.unwrap();
        let settings = mcp_password::Settings::new(Algorithm::Bcrypt { cost: 4 });
        let parts = RecoveryParts {
            store: store.clone(),
            hasher: Arc::new(Hasher::start(&settings, Arc::new(SystemEntropy)).unwrap()),
            auth,
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            audit: record.clone(),
        };
        let recovery = Recovery::new(parts, settings_of_recovery(preset));
        Self { recovery, store, outbox: Arc::default(), locks, words, clock, record }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Runs a mailroom for so long. The letters that it sent, each with the secret of its link.
    pub(crate) async fn work_for(&self, time: Duration) -> Vec<(Letter, Option<String>)> {
        let line = |text| Line::parse(text).unwrap();
        let texts = MailTexts {
            public_url: "https://mcp.example.com/".to_owned(),
            reset_subject: line("Reset"),
            confirmation_subject: line("Set"),
            lockout_subject: line("Locked"),
        };
        let parts = MailroomParts {
            store: self.store.clone(),
            outbox: self.outbox.clone(),
            texts,
            link_life: 60 * MINUTE,
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy),
            audit: self.record.clone(),
            bell: self.recovery.bell(),
            locks: Some(self.words.clone()),
        };
        Mailroom::new(parts).run(tokio::time::sleep(time)).await;
        let taken = std::mem::take(&mut *self.outbox.taken.lock().unwrap());
        taken.into_iter().map(|letter| (letter.clone(), secret_in(&letter))).collect()
    }

    /// Whom the events of this action and outcome concern.
    pub(crate) fn recorded(&self, wanted: (AuditAction, AuditOutcome)) -> Vec<Subject> {
        let events = self.record.0.lock().unwrap();
        let wanted = events.iter().filter(|event| (event.action, event.outcome) == wanted);
        wanted.map(|event| event.subject.clone()).collect()
    }

    /// Is nothing left to be sent, be it due in an hour?
    pub(crate) async fn none_waits(&self) -> bool {
        let later = self.now() + 60 * MINUTE;
        self.store.claim_letter(later, later + MINUTE).await.unwrap().is_none()
    }
}

fn settings_of_recovery(preset: Preset) -> RecoverySettings {
    let quota =
        |attempts| Quota { attempts: NonZeroU32::new(attempts).unwrap(), window: 15 * MINUTE };
    RecoverySettings {
        enabled: true,
        has_mail: true,
        policy: Policy::new(preset, Algorithm::BCRYPT),
        public_url: "https://mcp.example.com/".to_owned(),
        link_life: 60 * MINUTE,
        per_email: quota(5),
        per_client: quota(20),
        end_sessions: true,
        min_response: Duration::from_millis(250),
    }
}

pub(crate) fn locked(user: &str, at: SystemTime) -> AuditEvent {
    let subject = Subject::User(name(user));
    AuditEvent::new(at, AuditAction::Lock, AuditOutcome::Done, subject, Actor::Server)
}

fn secret_in(letter: &Letter) -> Option<String> {
    let link = "https://mcp.example.com/admin/reset-password/";
    letter.text().lines().find_map(|line| line.strip_prefix(link)).map(str::to_owned)
}

/// The wall clock, as far as the runtime's has come.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(500_000) + self.0.elapsed()
    }
}

#[derive(Default)]
struct Record(Mutex<Vec<AuditEvent>>);

impl AuditLog for Record {
    fn record(&self, event: AuditEvent) {
        self.0.lock().unwrap().push(event);
    }
}

/// Says "not now" so many times, and takes letters then.
#[derive(Default)]
pub(crate) struct Stubborn {
    refusals: AtomicUsize,
    delay: Mutex<Duration>,
    taken: Mutex<Vec<Letter>>,
    tried: Mutex<Vec<String>>,
}

impl Stubborn {
    pub(crate) fn refuse(&self, times: usize) {
        self.refusals.store(times, Ordering::Relaxed);
    }

    pub(crate) fn delay(&self, time: Duration) {
        *self.delay.lock().unwrap() = time;
    }

    /// The secrets of all attempts.
    pub(crate) fn tried(&self) -> Vec<String> {
        self.tried.lock().unwrap().clone()
    }
}

impl Outbox for Stubborn {
    fn send<'a>(&'a self, letter: &'a Letter, postmark: &'a Postmark) -> Sending<'a> {
        Box::pin(async move {
            let delay = *self.delay.lock().unwrap();
            tokio::time::sleep(delay).await;
            self.tried.lock().unwrap().extend(secret_in(letter));
            let left = self.refusals.load(Ordering::Relaxed);
            if left > 0 {
                self.refusals.store(left - 1, Ordering::Relaxed);
                // What a disk that is not there says: an error of the crate's own.
                let from = Mailbox::from(letter.to().clone());
                return DirectoryOutbox::new("/dev/null/outbox".into(), from)
                    .send(letter, postmark)
                    .await;
            }
            self.taken.lock().unwrap().push(letter.clone());
            Ok(())
        })
    }
}
