//! What is not known here, asked of the store that other servers write to as well.
//!
//! ```text
//!   unknown here, and of a form that is made ──▶ a place of its address ──▶ a place of ours
//!                                                 no more: as ever           no more: nobody knows
//!     ──▶ one question for all who came meanwhile ──▶ nothing behind it: refused
//!                                                 └─▶ the keeper reads what is, and it is judged again
//! ```
//!
//! The keeper hears of what is really there, and of nothing else: whoever invents tokens keeps it
//! from nothing. Nor does he learn anything: what is no more is refused as what never was.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use mcp_identity::{
    Caller, Clock, CredentialFault, Denial, PlainToken, Principal, PrincipalId, TokenHash,
};
use mcp_store::{SharedStore, StoreError};
use mcp_throttle::{AddressKey, Admission, Guess};
use tokio::sync::{OnceCell, Semaphore, mpsc};
use tokio::time::timeout;

use crate::auth::{Auth, Refresh, RefreshError, Wanted, read_again};
use crate::authenticate::Answer;
use crate::index::Found;
use crate::refusal::{Miss, Refusal};

/// So many wait at a time; of more, nobody knows.
const PLACES: usize = 256;

/// So many credentials are asked for in one question. The keeper reads as many one by one.
const MOST: usize = 32;

/// The longest that anybody waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// When to ask again where there was no place.
const SOON: Duration = Duration::from_secs(1);

/// Which doors somebody stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The common ones. A session for the change of a password is unknown there.
    Common,
    /// The one that also lets in whoever must change his password first.
    PasswordChange,
}

impl Door {
    pub(crate) fn opens_to(self, found: Found) -> Result<Found, Miss> {
        match (self, &found.principal.id) {
            (Self::PasswordChange, _)
            | (_, PrincipalId::Token(_) | PrincipalId::Session(_) | PrincipalId::Local) => {
                Ok(found)
            }
            (Self::Common, PrincipalId::PasswordChange(_)) => {
                Err(Miss::Fault(CredentialFault::Unknown))
            }
        }
    }
}

impl Auth {
    /// What [`Authenticate::ask`](crate::Authenticate::ask) says at that door.
    pub(crate) fn ask_at(
        &self,
        door: Door,
        presented: &[u8],
        caller: &Caller,
        now: SystemTime,
    ) -> Answer {
        let found = self.find_at(door, presented, now);
        if !matches!(found, Err(Miss::Fault(CredentialFault::Unknown))) {
            return Answer::Now(self.receive(found, caller, now));
        }
        let Some((elsewhere, hash)) = self.made_elsewhere(presented, now) else {
            return Answer::Now(self.receive(found, caller, now));
        };
        if !matches!(self.index.look_up(hash, now), Err(CredentialFault::Unknown)) {
            // Word of it came between the two looks; or it is of no use at this door, or to the name
            // that a JWT says.
            return Answer::Now(self.admit_at(door, presented, caller, now));
        }
        match self.failures.reserve(AddressKey::from(caller.address), now) {
            Admission::Reserved(place) => {
                // Either form is ASCII.
                let presented = String::from_utf8_lossy(presented).into_owned();
                let presented = PlainToken::presented(presented);
                let waiting = Waiting { door, presented, caller: caller.clone() };
                // From here on it counts as a failure if he leaves: what can be cut off before it
                // counts is not limited at all.
                let guess = place.begin();
                let (auth, elsewhere) = (self.clone(), Arc::clone(elsewhere));
                Answer::Later(Box::pin(async move {
                    auth.ask_elsewhere(&elsewhere, hash, waiting, guess).await
                }))
            }
            Admission::Wait => Answer::Now(Err(Refusal::Down { retry_after: SOON })),
            // Too many bad ones came from there: nothing is asked for it.
            Admission::Refused(_) => Answer::Now(self.receive(found, caller, now)),
        }
    }

    /// By which digest another server may know it. `None`: nobody made it, or there is no other
    /// server.
    fn made_elsewhere(
        &self,
        presented: &[u8],
        now: SystemTime,
    ) -> Option<(&Arc<Elsewhere>, TokenHash)> {
        let elsewhere = self.elsewhere.as_ref()?;
        if PlainToken::is_like(presented) {
            return Some((elsewhere, TokenHash::of_presented(presented)));
        }
        let named = self.jwt.as_ref()?.read(presented, now).ok()?;
        Some((elsewhere, named.session))
    }

    async fn ask_elsewhere(
        &self,
        elsewhere: &Elsewhere,
        hash: TokenHash,
        waiting: Waiting,
        guess: Guess<AddressKey>,
    ) -> Result<Arc<Principal>, Refusal> {
        let Waiting { door, presented, caller } = waiting;
        let asked = elsewhere.ask(hash).await;
        let now = elsewhere.clock.now();
        let found = asked
            .map_err(|Unanswered| Miss::Unsure)
            .and_then(|()| self.find_at(door, presented.expose().as_bytes(), now));
        match found {
            Ok(found) => {
                guess.was_right();
                self.receive(Ok(found), &caller, now)
            }
            Err(Miss::Fault(fault)) => {
                guess.was_wrong(now);
                let denial = Denial::BadCredential(fault);
                self.record_denial(&denial, &caller, now);
                Err(denial.into())
            }
            Err(Miss::Unsure) => {
                guess.fell_through();
                Err(Miss::Unsure.into())
            }
        }
    }
}

/// Who waits, and with what.
struct Waiting {
    door: Door,
    presented: PlainToken,
    caller: Caller,
}

/// Asks the store that servers share, for one question at a time.
pub(crate) struct Elsewhere {
    store: Arc<dyn SharedStore>,
    refreshes: mpsc::Sender<Refresh>,
    clock: Arc<dyn Clock>,
    places: Semaphore,
    /// What is asked next. Whoever comes joins it until it is asked.
    next: Mutex<Arc<Question>>,
    turn: tokio::sync::Mutex<()>,
    /// It could not be asked the last time.
    failing: AtomicBool,
}

/// What several wait for. One of them asks it; if that one leaves, the next one does.
#[derive(Default)]
struct Question {
    hashes: Mutex<Vec<TokenHash>>,
    answer: OnceCell<Result<(), Unanswered>>,
}

impl Question {
    /// Is it about this one, too?
    fn takes(&self, hash: TokenHash) -> bool {
        let mut hashes = lock(&self.hashes);
        if hashes.contains(&hash) {
            return true;
        }
        let has_room = hashes.len() < MOST;
        if has_room {
            hashes.push(hash);
        }
        has_room
    }
}

/// The store said nothing, or there was no place to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered;

impl Elsewhere {
    pub(crate) fn new(
        store: Arc<dyn SharedStore>,
        refreshes: mpsc::Sender<Refresh>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            refreshes,
            clock,
            places: Semaphore::new(PLACES),
            next: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            failing: AtomicBool::new(false),
        }
    }

    /// Waits until what the store held of that digest, when this was called, is in the index.
    async fn ask(&self, hash: TokenHash) -> Result<(), Unanswered> {
        let _place = self.places.try_acquire().map_err(|_| Unanswered)?;
        let question = self.join(hash);
        let asking = question.answer.get_or_init(|| self.find_out(&question));
        timeout(PATIENCE, asking).await.map_err(|_| Unanswered)?.to_owned()
    }

    fn join(&self, hash: TokenHash) -> Arc<Question> {
        let mut next = lock(&self.next);
        if !next.takes(hash) {
            // It is asked all the same: those who joined it wait for it.
            *next = Arc::default();
            next.takes(hash);
        }
        Arc::clone(&next)
    }

    async fn find_out(&self, question: &Arc<Question>) -> Result<(), Unanswered> {
        let _turn = self.turn.lock().await;
        self.close(question);
        let hashes = lock(&question.hashes).clone();
        let found = self.store.changes_behind(&hashes, self.clock.now()).await;
        let changes = self.note(found)?;
        if changes.is_empty() {
            return Ok(());
        }
        match read_again(&self.refreshes, Wanted::Named(changes)).await {
            // Stopped, nobody is let in: that is for the index to say.
            Ok(()) | Err(RefreshError::Stopped) => Ok(()),
            Err(RefreshError::Store(_)) => Err(Unanswered),
        }
    }

    /// From now on nobody joins: what he waits for might be younger than the answer.
    fn close(&self, question: &Arc<Question>) {
        let mut next = lock(&self.next);
        if Arc::ptr_eq(&next, question) {
            *next = Arc::default();
        }
    }

    fn note<T>(&self, found: Result<T, StoreError>) -> Result<T, Unanswered> {
        let failed = self.failing.swap(found.is_err(), Ordering::Relaxed);
        found.map_err(|fault| {
            if !failed {
                let hint = fault.hint.as_deref().unwrap_or_default();
                tracing::error!(error = %fault, hint, "What other servers made cannot be asked for");
            }
            Unanswered
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
