//! Word of locks, for letters to whom they concern.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_identity::{AuditAction, AuditEvent, AuditLog, AuditOutcome, Subject, UserName};
use mcp_throttle::{DEFAULT_KEYS, Quota, RateLimiter};
use tokio::sync::{Mutex, mpsc};

/// So many locks may wait to be told. More at once are a storm, and no letters.
const WAITING: usize = 256;

/// Whoever can lock an account can do it again and again: its owner is told once in this time.
const LETTERS: Quota = Quota { attempts: NonZeroU32::MIN, window: Duration::from_hours(1) };

/// An audit log that hears of locks, and passes on everything.
pub struct LockNotices {
    log: Arc<dyn AuditLog>,
    told: RateLimiter<UserName>,
    words: mpsc::Sender<UserName>,
}

/// Who was locked, for a [`Mailroom`](super::Mailroom). Each word is heard by one of its clones.
#[derive(Clone, Debug)]
pub struct LockWords(Arc<Mutex<mpsc::Receiver<UserName>>>);

impl LockWords {
    /// The next one; never, when nobody tells any more.
    pub(super) async fn next(&self) -> UserName {
        match self.0.lock().await.recv().await {
            Some(user) => user,
            None => std::future::pending().await,
        }
    }
}

impl LockNotices {
    /// Stands before `log`.
    #[must_use]
    pub fn new(log: Arc<dyn AuditLog>) -> (Self, LockWords) {
        let (words, heard) = mpsc::channel(WAITING);
        let told = RateLimiter::new(LETTERS, DEFAULT_KEYS);
        (Self { log, told, words }, LockWords(Arc::new(Mutex::new(heard))))
    }
}

impl AuditLog for LockNotices {
    fn record(&self, event: AuditEvent) {
        if let (AuditAction::Lock, AuditOutcome::Done, Subject::User(user)) =
            (event.action, event.outcome, &event.subject)
            && self.told.count(user.clone(), event.at).is_ok()
        {
            // Recording never waits.
            let _ = self.words.try_send(user.clone());
        }
        self.log.record(event);
    }
}
