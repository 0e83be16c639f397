//! A name and a password for a session.
//!
//! ```text
//!   whoever tries the same now shares one check (`check.rs`)
//!     the address is over its quota: 429, nothing is looked at
//!     right: a session for each of them       wrong, unknown, locked: one answer, in one time
//!     the account changed meanwhile: once more, with those it happened to as well
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_identity::{
    Actor, AuditAction, AuditOutcome, Caller, Clock, CredentialFault, Entropy, EntropyError,
    Password, PlainToken, PrincipalId, SessionId, Subject, TokenHash, UserName,
};
use mcp_store::{
    AccountStore, AttemptLedger, Entered, LocalAttempts, LoginSession, OpenRejection, Opening,
    SessionScope, StoreError, StoredHash,
};
use mcp_throttle::Ticket;
use tokio::time::{Instant, sleep_until};

use crate::check::{Checks, Claimed, Guess, Outcome, Right, USER_STORE, soon};
use crate::credential::{Issue, Jwt};
use crate::in_time::in_time;
use crate::index::Index;
use crate::opened::{Openings, UnderWay};
use crate::passwords::Passwords;
use crate::recorder::Recorder;
use crate::settings::LoginSettings;
use crate::share::{Share, Shares};

/// No setting makes anybody wait longer.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How long somebody has to change a password that must be changed.
const CHANGE_LASTS: Duration = Duration::from_mins(15);

/// The longest agent that is kept with a session, in bytes.
const MAX_AGENT_BYTES: usize = 256;

/// What servers make the digests of names with that share a ledger. It says nothing that only they
/// know: the ledger keys what it keeps.
const EVERYWHERE: [u8; 32] = *b"names of nobody, on every server";

/// An attempt to log in.
pub struct Attempt {
    /// The name, as it was typed.
    pub name: String,
    /// The password, as it was typed.
    pub password: Password,
    /// Who tries.
    pub caller: Caller,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // People type their passwords where a name is asked for.
        f.debug_struct("Attempt").field("caller", &self.caller).finish_non_exhaustive()
    }
}

/// A session that was opened. The token is told once.
#[derive(Debug)]
pub struct OpenedSession {
    /// What opens the doors from now on.
    pub token: PlainToken,
    /// The public name of the session.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserName,
    /// The first instant at which it no longer holds.
    pub expires_at: SystemTime,
    /// What it opens: not everything, where the password must be changed first.
    pub scope: SessionScope,
}

/// Why no session was opened.
///
/// Matched exhaustively on purpose: each variant has an answer of its own at the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRejection {
    /// Unknown, wrong, locked: clients must not see the difference. The fault is for the log.
    #[error("invalid username or password")]
    Refused(CredentialFault),
    /// The password was right, and the account is disabled.
    #[error("user account is disabled")]
    Disabled,
    /// Too many failures from this address.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// How long until an attempt is looked at again.
        retry_after: Duration,
    },
    /// Too many passwords are waiting. Says nothing about this one.
    #[error("too many passwords are waiting to be checked")]
    Busy {
        /// When to ask again.
        retry_after: Duration,
    },
    /// A part is down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A session that was opened, and is not in force yet.
pub(crate) struct New {
    pub(crate) opened: OpenedSession,
    pub(crate) entered: Entered,
    pub(crate) under_way: UnderWay,
}

/// Where accounts and attempts are kept.
pub(crate) struct Books {
    pub(crate) openings: Arc<Openings>,
    pub(crate) store: Arc<dyn AccountStore>,
    /// The attempts that servers have in common; `None`: this one has them for itself.
    pub(crate) shared: Option<Arc<dyn AttemptLedger>>,
}

/// Judges logins.
pub(crate) struct Logins {
    store: Arc<dyn AccountStore>,
    openings: Arc<Openings>,
    ledger: Arc<dyn AttemptLedger>,
    settings: LoginSettings,
    checks: Checks,
    shares: Shares<Outcome>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    recorder: Recorder,
    jwt: Option<Arc<Jwt>>,
}

/// A book of attempts that this server keeps alone, and the secret of its digests.
fn own_book(
    store: &Arc<dyn AccountStore>,
    settings: &LoginSettings,
    entropy: &dyn Entropy,
) -> Result<(Arc<dyn AttemptLedger>, [u8; 32]), EntropyError> {
    let mut secret = [0; 32];
    entropy.fill(&mut secret)?;
    let limits = settings.attempt_limits();
    Ok((Arc::new(LocalAttempts::new(Arc::clone(store), limits)), secret))
}

impl Logins {
    pub(crate) fn new(
        books: Books,
        passwords: Arc<dyn Passwords>,
        settings: LoginSettings,
        index: Arc<Index>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        recorder: Recorder,
    ) -> Result<Self, EntropyError> {
        let Books { openings, store, shared } = books;
        let (ledger, secret) = match shared {
            Some(ledger) => (ledger, EVERYWHERE),
            None => own_book(&store, &settings, &*entropy)?,
        };
        let checks = Checks::new(
            Arc::clone(&ledger),
            passwords,
            settings.lockout,
            secret,
            index,
            Arc::clone(&clock),
            recorder.clone(),
        );
        let shares = Shares::new(&*entropy)?;
        let jwt = None;
        Ok(Self {
            store,
            openings,
            ledger,
            settings,
            checks,
            shares,
            clock,
            entropy,
            recorder,
            jwt,
        })
    }

    /// Makes a JWT of a session where one is asked for.
    pub(crate) fn with_jwt(self, jwt: Option<Arc<Jwt>>) -> Self {
        Self { jwt, ..self }
    }

    pub(crate) fn store(&self) -> &dyn AccountStore {
        &*self.store
    }

    /// Judges an attempt, in the time that every attempt takes.
    pub(crate) async fn log_in(
        &self,
        attempt: &Attempt,
        issue: Issue,
    ) -> Result<New, LoginRejection> {
        let begin = Instant::now();
        let unrecorded = Unrecorded { recorder: &self.recorder, attempt, told: false };
        let (outcome, subject) = self.judge(attempt, issue, begin).await;
        unrecorded.record(&outcome, subject);
        // The others say nothing about the account.
        let tells_of_it =
            matches!(outcome, Ok(_) | Err(LoginRejection::Refused(_) | LoginRejection::Disabled));
        if tells_of_it {
            sleep_until(begin + self.settings.min_response.min(LONGEST_WAIT)).await;
        }
        outcome
    }

    /// Judges a password that opens nothing, in the time that every attempt takes.
    pub(crate) async fn confirm(&self, attempt: &Attempt) -> Result<StoredHash, LoginRejection> {
        let begin = Instant::now();
        let unrecorded = Unrecorded { recorder: &self.recorder, attempt, told: false };
        let (confirmed, subject) = self.compare(attempt, begin).await;
        match &confirmed {
            // What it is asked for is recorded by whoever does that.
            Ok(_) => unrecorded.pass(),
            Err(rejection) => unrecorded.record_rejection(rejection, subject),
        }
        if let Ok(_) | Err(LoginRejection::Refused(_) | LoginRejection::Disabled) = confirmed {
            sleep_until(begin + self.settings.min_response.min(LONGEST_WAIT)).await;
        }
        confirmed
    }

    async fn compare(
        &self,
        attempt: &Attempt,
        begin: Instant,
    ) -> (Result<StoredHash, LoginRejection>, Subject) {
        let deadline = begin + self.settings.patience.min(LONGEST_WAIT);
        let claimed = Claimed::parse(&attempt.name);
        let (outcome, guess) = match self.checks.check(attempt, &claimed, deadline).await {
            Ok(found) => found,
            Err(rejection) => return (Err(rejection), Subject::None),
        };
        let subject = outcome.subject();
        let confirmed = match outcome {
            Outcome::Refused(fault, _) => Err(LoginRejection::Refused(fault)),
            Outcome::Disabled(_) => Err(LoginRejection::Disabled),
            Outcome::Right(right) => {
                let _freed = self.checks.freed();
                self.checks.give_back(&right, guess).await;
                Ok(right.checked)
            }
        };
        (confirmed, subject)
    }

    async fn judge(
        &self,
        attempt: &Attempt,
        issue: Issue,
        begin: Instant,
    ) -> (Result<New, LoginRejection>, Subject) {
        let mut subject = Subject::None;
        let deadline = begin + self.settings.patience.min(LONGEST_WAIT);
        let claimed = Claimed::parse(&attempt.name);
        // A second round for those whose account was changed under their hands: by an admin, or by
        // the stronger hash of a parallel login.
        for round in 0..2 {
            let share = self.shares.join(round, claimed.key(), &attempt.password);
            let (outcome, guess) = match self.outcome(attempt, &claimed, &share, deadline).await {
                Ok(found) => found,
                Err(rejection) => return (Err(rejection), subject),
            };
            subject = outcome.subject();
            match self.conclude(attempt, issue, outcome, guess).await {
                Ok(None) => {}
                Ok(Some(opened)) => return (Ok(opened), subject),
                Err(rejection) => return (Err(rejection), subject),
            }
        }
        (Err(LoginRejection::Refused(CredentialFault::WrongPassword)), subject)
    }

    /// Finds out, or waits for somebody who does. Whoever found out that it is right holds a place
    /// of his address still.
    async fn outcome(
        &self,
        attempt: &Attempt,
        claimed: &Claimed,
        share: &Share<Outcome>,
        deadline: Instant,
    ) -> Result<(Outcome, Option<Guess>), LoginRejection> {
        let mut found = None;
        let finding_out = async {
            // Whoever waited for others that gave up does not begin when he should be done.
            if Instant::now() > deadline {
                return Err(soon());
            }
            let (outcome, guess) = self.checks.check(attempt, claimed, deadline).await?;
            found = Some(guess);
            Ok(outcome)
        };
        let outcome = share.get_or_try_init(|| finding_out).await?.clone();
        let Some(guess) = found else {
            self.overheard(attempt, &outcome).await?;
            return Ok((outcome, None));
        };
        Ok((outcome, guess))
    }

    /// What another found out is for an address that may try. It was one guess of the account, and
    /// is one of each address.
    async fn overheard(&self, attempt: &Attempt, outcome: &Outcome) -> Result<(), LoginRejection> {
        let address = attempt.caller.address;
        match outcome {
            Outcome::Refused(..) => self.checks.count(address).await,
            Outcome::Right(_) | Outcome::Disabled(_) => self.checks.welcome(address).await,
        }
    }

    /// `None`: the account is not as it was when the password was right.
    async fn conclude(
        &self,
        attempt: &Attempt,
        issue: Issue,
        outcome: Outcome,
        guess: Option<Guess>,
    ) -> Result<Option<New>, LoginRejection> {
        match outcome {
            Outcome::Refused(fault, _) => Err(LoginRejection::Refused(fault)),
            Outcome::Disabled(_) => Err(LoginRejection::Disabled),
            Outcome::Right(right) => self.open(attempt, issue, right, guess).await,
        }
    }

    async fn open(
        &self,
        attempt: &Attempt,
        issue: Issue,
        right: Right,
        guess: Option<Guess>,
    ) -> Result<Option<New>, LoginRejection> {
        let _freed = self.checks.freed();
        let Right { name, made, checked, stronger, place, must_change } = right;
        let scope = if must_change { SessionScope::PasswordChange } else { SessionScope::Full };
        let ticket = Ticket::taken_at(place);
        let (token, session) =
            self.new_session(attempt, issue, &name, scope).map_err(|_| soon())?;
        let (id, expires_at) = (session.id.clone(), session.expires_at);
        let opening = Opening {
            session,
            ticket,
            policy: self.checks.policy(&name),
            account_made: made,
            checked,
            stronger,
            limit: self.settings.max_sessions,
            now: self.clock.now(),
        };
        let under_way = self.openings.begin(&id);
        let opening = self.ledger.open(opening, guess.and_then(Guess::into_place));
        match in_time(USER_STORE, opening).await {
            Ok(entered) => {
                self.record_ended(attempt, &id, &name, &entered.ended);
                let opened = OpenedSession { token, id, user: name, expires_at, scope };
                Ok(Some(New { opened, entered, under_way }))
            }
            Err(OpenRejection::Changed) => Ok(None),
            Err(OpenRejection::Locked(_)) => Err(LoginRejection::Refused(CredentialFault::Locked)),
            Err(OpenRejection::Store(error)) => Err(LoginRejection::Store(error)),
        }
    }

    fn new_session(
        &self,
        attempt: &Attempt,
        issue: Issue,
        user: &UserName,
        scope: SessionScope,
    ) -> Result<(PlainToken, LoginSession), EntropyError> {
        let mut id = [0; 8];
        self.entropy.fill(&mut id)?;
        // Of a session that is a JWT's nobody ever sees this token, and nobody can present it.
        let token = PlainToken::generate(&*self.entropy)?;
        let now = self.clock.now();
        let agent = attempt.caller.agent.as_deref();
        let lasts = match scope {
            SessionScope::Full => self.settings.session_ttl,
            SessionScope::PasswordChange => self.settings.session_ttl.min(CHANGE_LASTS),
        };
        let session = LoginSession {
            id: SessionId::from_bytes(id),
            hash: TokenHash::of(&token),
            user: user.clone(),
            created_at: now,
            // A clock at the end of time opens nothing for long.
            expires_at: now.checked_add(lasts).unwrap_or(now),
            last_used: now,
            address: Some(attempt.caller.address),
            agent: agent.map(|it| it[..it.floor_char_boundary(MAX_AGENT_BYTES)].to_owned()),
            scope,
        };
        let token = match (issue, &self.jwt) {
            (Issue::Configured, Some(jwt)) => jwt.mint(&session).unwrap_or(token),
            (Issue::Configured, None) | (Issue::Opaque, _) => token,
        };
        Ok((token, session))
    }

    /// Sessions that made room for a new one.
    fn record_ended(
        &self,
        attempt: &Attempt,
        by: &SessionId,
        user: &UserName,
        ended: &[SessionId],
    ) {
        for id in ended {
            let by = PrincipalId::Session(by.clone());
            let actor = Actor::Caller(attempt.caller.clone(), Some(by));
            let subject = Subject::Session(id.clone(), user.clone());
            self.recorder.tell(AuditAction::EndSession, AuditOutcome::Done, subject, actor);
        }
    }
}

/// An attempt that the audit log knows nothing of yet. Dropped in that state, its client left in
/// the middle: that is recorded, too.
struct Unrecorded<'a> {
    recorder: &'a Recorder,
    attempt: &'a Attempt,
    told: bool,
}

impl Unrecorded<'_> {
    fn record(mut self, outcome: &Result<New, LoginRejection>, subject: Subject) {
        match outcome {
            Ok(New { opened: OpenedSession { id, user, .. }, .. }) => {
                self.tell(AuditOutcome::Done, Subject::Session(id.clone(), user.clone()));
            }
            Err(rejection) => self.record_rejection(rejection, subject),
        }
    }

    fn record_rejection(mut self, rejection: &LoginRejection, subject: Subject) {
        let outcome = match rejection {
            LoginRejection::Refused(fault) => AuditOutcome::Refused(fault.code()),
            LoginRejection::Disabled => AuditOutcome::Refused(CredentialFault::Disabled.code()),
            LoginRejection::TooManyAttempts { .. } => AuditOutcome::Refused("too_many_attempts"),
            LoginRejection::Busy { .. } => AuditOutcome::Failed("busy"),
            LoginRejection::Store(_) => AuditOutcome::Failed("store"),
        };
        self.tell(outcome, subject);
    }

    /// There is nothing to record.
    fn pass(mut self) {
        self.told = true;
    }

    fn tell(&mut self, outcome: AuditOutcome, subject: Subject) {
        self.told = true;
        let actor = Actor::Caller(self.attempt.caller.clone(), None);
        self.recorder.tell(AuditAction::Login, outcome, subject, actor);
    }
}

impl Drop for Unrecorded<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.tell(AuditOutcome::Failed("abandoned"), Subject::None);
        }
    }
}

#[cfg(test)]
mod tests;
