//! The reading half: is this credential good?

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use mcp_identity::{
    Actor, AuditAction, AuditOutcome, Caller, Clock, CredentialFault, Denial, EntropyError,
    Principal, PrincipalId, SessionId, Subject, TokenHash,
};
use mcp_store::{Change, LoginSession, SessionSelector, StoreError, StoredHash, TokenStore};
use mcp_throttle::{AddressKey, RateLimiter};
use tokio::sync::{mpsc, oneshot};

use crate::builder::AuthBuilder;
use crate::check::USER_STORE;
use crate::credential::{Issue, Jwt};
use crate::elsewhere::{Door, Elsewhere};
use crate::in_time::in_time;
use crate::index::{Found, Index, Standing};
use crate::keeper::Keeper;
use crate::login::{Attempt, LoginRejection, Logins, New, OpenedSession};
use crate::opened::Fresh;
use crate::recorder::Recorder;
use crate::refusal::{Miss, Refusal};

/// Somebody waits for the index to be as the stores are.
pub(crate) struct Refresh {
    pub(crate) what: Wanted,
    pub(crate) done: oneshot::Sender<Result<(), StoreError>>,
}

/// What is to be read again.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// That session, and all that was told of accounts.
    Session(SessionId),
    /// The session whose rows these are, if it cannot be in force without.
    Opened(Box<Fresh>),
    /// These, and all that was told of accounts.
    Named(Vec<Change>),
    /// Both stores, whole.
    Both,
}

/// Tells good credentials from others, and opens sessions. Cheap to clone; every clone reads the
/// same index.
#[derive(Clone)]
pub struct Auth {
    pub(crate) index: Arc<Index>,
    pub(crate) refreshes: mpsc::Sender<Refresh>,
    pub(crate) failures: RateLimiter<AddressKey>,
    /// What was recorded: from where each credential was used, in which hour.
    pub(crate) first_uses: RateLimiter<(TokenHash, AddressKey, u64)>,
    pub(crate) recorder: Recorder,
    pub(crate) logins: Option<Arc<Logins>>,
    pub(crate) jwt: Option<Arc<Jwt>>,
    pub(crate) elsewhere: Option<Arc<Elsewhere>>,
}

impl Auth {
    /// The longest token that is looked up, in bytes. A longer one is unknown, and not hashed. A
    /// JWT may be longer, up to 2,048.
    pub const MAX_TOKEN_BYTES: usize = 512;

    /// Starts an `Auth` over these tokens.
    #[must_use]
    pub fn builder(tokens: Arc<dyn TokenStore>) -> AuthBuilder {
        AuthBuilder::new(tokens)
    }

    /// Tokens and nothing else, by that clock.
    ///
    /// # Errors
    /// [`OpenError`] when the tokens cannot be read as a whole; there is no last good data yet.
    pub async fn open(
        store: Arc<dyn TokenStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Keeper), OpenError> {
        Self::builder(store).clock(clock).open().await
    }

    /// Whose token this is, if it holds at `now`. Nothing is counted and nothing recorded: see
    /// [`Authenticate`](crate::Authenticate) for the door that does both.
    ///
    /// # Errors
    /// [`Denial::BadCredential`]: unknown, expired by its record (swept or not), or, when the
    /// keeper has stopped, ended. Clients must not see the difference. [`Refusal::Down`].
    pub fn bearer(&self, presented: &[u8], now: SystemTime) -> Result<Arc<Principal>, Refusal> {
        let found = self.find_at(Door::Common, presented, now);
        found.map(|found| found.principal).map_err(Refusal::from)
    }

    /// The same for somebody at the door: failures count against his address, and are recorded;
    /// so is the first good use from each address in each hour.
    ///
    /// # Errors
    /// As [`Auth::bearer`], and [`Denial::TooManyAttempts`]. A good token is never refused for
    /// its address.
    pub fn admit(
        &self,
        presented: &[u8],
        caller: &Caller,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Refusal> {
        self.admit_at(Door::Common, presented, caller, now)
    }

    /// The same at that door.
    pub(crate) fn admit_at(
        &self,
        door: Door,
        presented: &[u8],
        caller: &Caller,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Refusal> {
        self.receive(self.find_at(door, presented, now), caller, now)
    }

    pub(crate) fn receive(
        &self,
        found: Result<Found, Miss>,
        caller: &Caller,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Refusal> {
        match found {
            Ok(found) => {
                self.record_first_use(&found, caller, now);
                Ok(found.principal)
            }
            Err(Miss::Fault(fault)) => Err(self.count(fault, caller, now).into()),
            Err(Miss::Unsure) => Err(Miss::Unsure.into()),
        }
    }

    /// Counts a bad credential against the address that it came from. What its denial is.
    #[must_use]
    pub fn count(&self, fault: CredentialFault, caller: &Caller, now: SystemTime) -> Denial {
        let denial = match self.failures.count(AddressKey::from(caller.address), now) {
            Ok(()) => Denial::BadCredential(fault),
            Err(refusal) => Denial::TooManyAttempts { retry_after: refusal.retry_after },
        };
        self.record_denial(&denial, caller, now);
        denial
    }

    pub(crate) fn record_denial(&self, denial: &Denial, caller: &Caller, now: SystemTime) {
        let actor = Actor::Caller(caller.clone(), None);
        let outcome = AuditOutcome::Refused(denial.code());
        self.recorder.tell_at(now, AuditAction::Bearer, outcome, Subject::None, actor);
    }

    /// What opens that door.
    pub(crate) fn find_at(
        &self,
        door: Door,
        presented: &[u8],
        now: SystemTime,
    ) -> Result<Found, Miss> {
        let found = match self.index.standing() {
            Standing::Sure => self.judge(presented, now).map_err(Miss::Fault),
            // What it does not know, a store may.
            Standing::In => self.judge(presented, now).map_err(|fault| match fault {
                CredentialFault::Unknown => Miss::Unsure,
                other => Miss::Fault(other),
            }),
            Standing::Fallen => Err(Miss::Unsure),
        };
        found.and_then(|found| door.opens_to(found))
    }

    fn judge(&self, presented: &[u8], now: SystemTime) -> Result<Found, CredentialFault> {
        let found = match presented.len() {
            ..=Self::MAX_TOKEN_BYTES => self.index.look_up(TokenHash::of_presented(presented), now),
            _ => Err(CredentialFault::Unknown),
        };
        match (found, &self.jwt) {
            (Err(CredentialFault::Unknown), Some(jwt)) => self.find_named(jwt, presented, now),
            (found, _) => found,
        }
    }

    /// The session that a JWT names: what it is good for is asked of the record, each time.
    fn find_named(
        &self,
        jwt: &Jwt,
        presented: &[u8],
        now: SystemTime,
    ) -> Result<Found, CredentialFault> {
        let named = jwt.read(presented, now)?;
        let found = self.index.look_up_session(named.session, now)?;
        let is_his = found.principal.user.as_ref() == Some(&named.user);
        if is_his { Ok(found) } else { Err(CredentialFault::Unknown) }
    }

    /// One look at one number for most requests, and a lock where the address is another than the
    /// last time.
    fn record_first_use(&self, found: &Found, caller: &Caller, now: SystemTime) {
        let hour = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs() / 3600);
        let mut hasher = DefaultHasher::new();
        (caller.address, hour).hash(&mut hasher);
        let mark = hasher.finish();
        if found.used.seen.swap(mark, Ordering::Relaxed) == mark {
            return;
        }
        let key = (found.hash, AddressKey::from(caller.address), hour);
        if self.first_uses.count(key, now).is_err() {
            return;
        }
        let actor = Actor::Caller(caller.clone(), Some(found.principal.id.clone()));
        let (action, outcome) = (AuditAction::Bearer, AuditOutcome::Done);
        self.recorder.tell_at(now, action, outcome, subject_of(&found.principal), actor);
    }

    /// Opens a session for a name and a password, and answers with random bytes
    /// ([`Issue::Opaque`]). It is in force when this returns.
    ///
    /// To be awaited to its end: dropped in the middle, it counts as a failure of its address, and
    /// the place that it took of its account is void only after the policy's `hold`.
    ///
    /// # Errors
    /// [`LoginRejection`]. Without accounts, everybody is unknown.
    pub async fn log_in(&self, attempt: &Attempt) -> Result<OpenedSession, LoginRejection> {
        self.log_in_for(attempt, Issue::Opaque).await
    }

    /// The same, and the credential is of the form that `issue` says.
    ///
    /// # Errors
    /// As [`Auth::log_in`].
    pub async fn log_in_for(
        &self,
        attempt: &Attempt,
        issue: Issue,
    ) -> Result<OpenedSession, LoginRejection> {
        let Some(logins) = &self.logins else {
            let fault = CredentialFault::UnknownUser;
            let actor = Actor::Caller(attempt.caller.clone(), None);
            let outcome = AuditOutcome::Refused(fault.code());
            self.recorder.tell(AuditAction::Login, outcome, Subject::UnknownUser, actor);
            return Err(LoginRejection::Refused(fault));
        };
        let New { opened, entered, under_way } = logins.log_in(attempt, issue).await?;
        // If the store cannot be read now, the session is in force as soon as it can.
        let _ = self.read_again(under_way.wanted(entered)).await;
        Ok(opened)
    }

    /// Whether anybody can be let in. Not while a store is down and nothing stands in for it, and
    /// never again once the keeper has stopped.
    #[must_use]
    pub fn can_judge(&self) -> bool {
        self.index.stands()
    }

    /// Whether this is the password of the account, for somebody who is in already and asks for
    /// something that wants it again. A wrong one counts as a failed login; a lock refuses here,
    /// too, and all take the time of a login. `Ok` tells the hash that it was compared with.
    ///
    /// # Errors
    /// [`LoginRejection`]. Without accounts, everybody is unknown.
    pub async fn confirm(&self, attempt: &Attempt) -> Result<StoredHash, LoginRejection> {
        match &self.logins {
            Some(logins) => logins.confirm(attempt).await,
            None => Err(LoginRejection::Refused(CredentialFault::UnknownUser)),
        }
    }

    /// Whether people can log in at all.
    #[must_use]
    pub fn has_accounts(&self) -> bool {
        self.logins.is_some()
    }

    /// Ends the session that `principal` is. `false`: it is none. The next request with its token
    /// is refused.
    ///
    /// # Errors
    /// [`StoreError`]: the session may still be in force here.
    pub async fn log_out(
        &self,
        principal: &Principal,
        caller: &Caller,
    ) -> Result<bool, StoreError> {
        let (PrincipalId::Session(id), Some(logins)) = (&principal.id, &self.logins) else {
            return Ok(false);
        };
        let ending = logins.store().end_sessions(SessionSelector::Id(id.clone()));
        let ended = in_time(USER_STORE, ending).await?;
        // Before anything else is waited for: a client that leaves now has logged out.
        for LoginSession { id, user, .. } in ended {
            let actor = Actor::Caller(caller.clone(), Some(principal.id.clone()));
            let subject = Subject::Session(id, user);
            self.recorder.tell(AuditAction::Logout, AuditOutcome::Done, subject, actor);
        }
        match self.read_again(Wanted::Session(id.clone())).await {
            // Stopped, nobody is let in.
            Ok(()) | Err(RefreshError::Stopped) => Ok(true),
            Err(RefreshError::Store(error)) => Err(error),
        }
    }

    /// Waits until every change that the stores held before this call is in force here: what the
    /// process that made a change does before it says that it is done.
    ///
    /// # Errors
    /// [`RefreshError`]: a store could not be read (the last good data stays, and the keeper
    /// tries again by itself), or the keeper has stopped (everyone is refused).
    pub async fn refresh(&self) -> Result<(), RefreshError> {
        self.read_again(Wanted::Both).await
    }

    async fn read_again(&self, what: Wanted) -> Result<(), RefreshError> {
        read_again(&self.refreshes, what).await
    }
}

/// Waits until the keeper has read it.
pub(crate) async fn read_again(
    keeper: &mpsc::Sender<Refresh>,
    what: Wanted,
) -> Result<(), RefreshError> {
    let (done, answer) = oneshot::channel();
    keeper.send(Refresh { what, done }).await.map_err(|_| RefreshError::Stopped)?;
    answer.await.map_err(|_| RefreshError::Stopped)?.map_err(RefreshError::Store)
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

fn subject_of(principal: &Principal) -> Subject {
    match (&principal.id, &principal.user) {
        (PrincipalId::Token(id), _) => Subject::Token(id.clone()),
        (PrincipalId::Session(id) | PrincipalId::PasswordChange(id), Some(user)) => {
            Subject::Session(id.clone(), user.clone())
        }
        (PrincipalId::Session(_) | PrincipalId::PasswordChange(_), None)
        | (PrincipalId::Local, _) => Subject::None,
    }
}

/// Why there is no [`Auth`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing random can be had.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Why it is not known whether a change is in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The keeper has stopped. Nothing is in force: everyone is refused.
    #[error("the keeper of the credentials has stopped")]
    Stopped,
    /// The store could not be read.
    #[error(transparent)]
    Store(StoreError),
}
