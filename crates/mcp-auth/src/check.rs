//! Is this the password of that account?
//!
//! ```text
//!   a place of the address and one of the account ──▶ one hash ──▶ both are settled
//!     Wait: until both are free, holding neither      │ of the account; of nothing, at the
//!     Refused: 429          Locked: goes on           │ same cost, if it is locked or is none
//!
//!   before the hash: one question to the ledger         after it: another
//! ```

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_identity::{Actor, AuditAction, AuditOutcome, Clock, CredentialFault, Subject, UserName};
use mcp_password::{Asker, HasherError, PasswordHash, Verdict as Checked};
use mcp_store::{
    About, Account, AddressPlace, Admitted, AttemptLedger, Beginning, Begun, Held, Sought,
    StoreError, StoredHash, UserRecord,
};
use mcp_throttle::{AddressKey, Failure, LockoutPolicy, Refusal, Ticket};
use ring::hmac;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use unicode_normalization::UnicodeNormalization as _;

use crate::in_time::in_time;
use crate::index::Index;
use crate::login::{Attempt, LoginRejection};
use crate::passwords::Passwords;
use crate::recorder::Recorder;
use crate::share::fingerprint;

/// How often a place is asked for again. Another server that shares the store gives
/// its places back without a word.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The longest address of mail that anybody has (RFC 5321 §4.5.3.1.3). A longer one is nobody's.
const MAX_EMAIL_BYTES: usize = 254;

/// What the store is called in errors.
pub(crate) const USER_STORE: &str = "user store";

/// Whom somebody says he is.
pub(crate) enum Claimed {
    /// Perhaps an account.
    Name(UserName),
    /// An address of mail, in lower case and with a colon before it. Whose it is, the ledger finds
    /// out.
    Email(String),
    /// Nobody can have this name. A colon stands before it, which no name holds: it is never
    /// taken for one.
    Nobody(String),
}

impl Claimed {
    /// By name, or by address of mail: no name holds its "@".
    pub(crate) fn parse(typed: &str) -> Self {
        if typed.contains('@') && typed.len() <= MAX_EMAIL_BYTES {
            let email: String = typed.nfkc().collect();
            return Self::Email(format!(":{}", email.to_lowercase()));
        }
        UserName::parse(typed).map_or_else(|_| Self::Nobody(format!(":{typed}")), Self::Name)
    }

    fn sought(&self) -> Sought<'_> {
        match self {
            Self::Name(name) => Sought::Name(name),
            Self::Email(key) => Sought::Email(&key[1..]),
            Self::Nobody(_) => Sought::Nobody,
        }
    }

    /// What those have in common who try the same, and what is counted by where it is nobody's.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Name(name) => name.key(),
            Self::Email(typed) | Self::Nobody(typed) => typed,
        }
    }
}

/// What is known of a name and a password, for all who try them now.
#[derive(Clone)]
pub(crate) enum Outcome {
    Right(Right),
    Disabled(UserName),
    /// For the log: why, and which account it was about.
    Refused(CredentialFault, Option<UserName>),
}

/// The account as it was when its password was checked.
#[derive(Clone)]
pub(crate) struct Right {
    pub(crate) name: UserName,
    /// When the account was made.
    pub(crate) made: SystemTime,
    /// What the password was compared with.
    pub(crate) checked: StoredHash,
    /// A hash of it to be kept instead, where that one is weak by now.
    pub(crate) stronger: Option<StoredHash>,
    /// The place of the attempt, still held: whoever shares the check shares it.
    pub(crate) place: SystemTime,
    /// Whether the password opens nothing until it is changed.
    pub(crate) must_change: bool,
}

impl Right {
    fn of(account: Account, ticket: &Ticket, stronger: Option<StoredHash>) -> Self {
        let UserRecord { name, created_at: made, password: checked, .. } = account.record;
        let must_change = account.record.must_change_password;
        Self { name, made, checked, stronger, place: ticket.time(), must_change }
    }
}

impl Outcome {
    pub(crate) fn subject(&self) -> Subject {
        match self {
            Self::Right(Right { name, .. })
            | Self::Disabled(name)
            | Self::Refused(_, Some(name)) => Subject::User(name.clone()),
            Self::Refused(_, None) => Subject::UnknownUser,
        }
    }
}

/// Checks passwords, and counts what is wrong.
pub(crate) struct Checks {
    ledger: Arc<dyn AttemptLedger>,
    passwords: Arc<dyn Passwords>,
    lockout: LockoutPolicy,
    /// Makes the digests of what was typed.
    secret: hmac::Key,
    index: Arc<Index>,
    clock: Arc<dyn Clock>,
    recorder: Recorder,
    /// Told whenever a place may be free.
    freed: Notify,
}

/// Tells those who wait, last of all, however the work ends: done, failed, or dropped in the
/// middle because its client left.
pub(crate) struct Freed<'a>(&'a Notify);

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

/// The place of the address while a password is looked at. Dropped, the attempt was cut off, and
/// counts as what it was known to be until then: wrong.
pub(crate) struct Guess {
    ledger: Arc<dyn AttemptLedger>,
    clock: Arc<dyn Clock>,
    place: Option<AddressPlace>,
    was_right: bool,
}

impl Guess {
    /// The place, to be settled now.
    pub(crate) fn into_place(mut self) -> Option<AddressPlace> {
        self.place.take()
    }
}

impl Drop for Guess {
    fn drop(&mut self) {
        match self.place.take() {
            Some(place) if self.was_right => self.ledger.release(place),
            Some(place) => self.ledger.abandon(place, self.clock.now()),
            None => {}
        }
    }
}

/// What an attempt holds while its password is looked at, and what it found.
struct Looking {
    guess: Guess,
    /// `None`: nobody has this name.
    account: Option<Account>,
    /// `None`: it is locked, and nothing is compared.
    ticket: Option<Ticket>,
}

impl Checks {
    /// `secret` makes the digests of names that nobody has: the same on all servers that share
    /// `ledger`.
    pub(crate) fn new(
        ledger: Arc<dyn AttemptLedger>,
        passwords: Arc<dyn Passwords>,
        lockout: LockoutPolicy,
        secret: [u8; 32],
        index: Arc<Index>,
        clock: Arc<dyn Clock>,
        recorder: Recorder,
    ) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let freed = Notify::new();
        Self { ledger, passwords, lockout, secret, index, clock, recorder, freed }
    }

    /// Refuses an address whose failures fill its quota, for those who share a check of another.
    pub(crate) async fn welcome(&self, address: IpAddr) -> Result<(), LoginRejection> {
        let looking = self.ledger.look(AddressKey::from(address), self.clock.now());
        refuse(in_time::<_, StoreError>(USER_STORE, looking).await?)
    }

    /// Counts a failure that another address found out, unless this one is over its quota: then
    /// it learns nothing of it.
    pub(crate) async fn count(&self, address: IpAddr) -> Result<(), LoginRejection> {
        let counting = self.ledger.count(AddressKey::from(address), self.clock.now());
        refuse(in_time::<_, StoreError>(USER_STORE, counting).await?)
    }

    /// Tells those who wait for a place, when it is dropped.
    pub(crate) fn freed(&self) -> Freed<'_> {
        Freed(&self.freed)
    }

    /// A lock that only an admin lifts must not shut the last admin out.
    pub(crate) fn policy(&self, name: &UserName) -> LockoutPolicy {
        if self.index.is_last_admin(name) {
            self.lockout.for_the_last_admin()
        } else {
            self.lockout
        }
    }

    /// The same for whom somebody says he is.
    fn policy_for(&self, sought: Sought<'_>) -> LockoutPolicy {
        match sought {
            Sought::Name(name) => self.policy(name),
            Sought::Email(email) if self.index.is_email_of_last_admin(email) => {
                self.lockout.for_the_last_admin()
            }
            Sought::Email(_) | Sought::Nobody => self.lockout,
        }
    }

    /// Looks at the password, with a place of the address and one of the account held meanwhile.
    /// If it is right, both are still held afterwards.
    ///
    /// A client who leaves in the middle is counted against his address; his place of the account
    /// is void after the policy's `hold`.
    pub(crate) async fn check(
        &self,
        attempt: &Attempt,
        claimed: &Claimed,
        deadline: Instant,
    ) -> Result<(Outcome, Option<Guess>), LoginRejection> {
        let _freed = self.freed();
        let Looking { mut guess, account, ticket } = self.begin(attempt, claimed, deadline).await?;
        let compared = account.as_ref().filter(|_| ticket.is_some());
        // One hash, whoever it is and whatever becomes of it.
        let stored = compared.and_then(hash_of);
        let key = account.as_ref().map_or(claimed.key(), |account| account.record.name.key());
        let asker = Asker::new(key, attempt.caller.address);
        let checked = self.passwords.verify(&asker, &attempt.password, stored.as_ref()).await;
        match (checked, account, ticket) {
            (Ok(Checked::Right), Some(account), Some(ticket)) => {
                guess.was_right = true;
                if !account.record.enabled {
                    self.withdraw(claimed, guess, Some(&account), Some(ticket)).await;
                    return Ok((Outcome::Disabled(account.record.name), None));
                }
                let stronger = self.strengthen(attempt, &asker, stored.as_ref()).await;
                Ok((Outcome::Right(Right::of(account, &ticket, stronger)), Some(guess)))
            }
            (Ok(_), account, ticket) => {
                let looking = Looking { guess, account, ticket };
                Ok((self.wrong(attempt, claimed, looking).await?, None))
            }
            (Err(error), account, ticket) => {
                self.withdraw(claimed, guess, account.as_ref(), ticket).await;
                Err(busy(&error))
            }
        }
    }

    /// Finds the account, and takes both places as soon as there are any. Whoever waits holds
    /// neither.
    async fn begin(
        &self,
        attempt: &Attempt,
        claimed: &Claimed,
        deadline: Instant,
    ) -> Result<Looking, LoginRejection> {
        let sought = claimed.sought();
        let beginning = Beginning {
            address: AddressKey::from(attempt.caller.address),
            sought,
            digest: self.digest(claimed),
            policy: self.policy_for(sought),
            now: self.clock.now(),
        };
        loop {
            // Listened for before it is asked for: what is freed in between is told.
            let freed = self.freed.notified();
            let asking = self.ledger.begin(Beginning { now: self.clock.now(), ..beginning });
            match in_time(USER_STORE, asking).await? {
                Begun::Admitted(admitted) => return Ok(self.looking(*admitted)),
                Begun::Refused(Refusal { retry_after }) => {
                    return Err(LoginRejection::TooManyAttempts { retry_after });
                }
                Begun::Wait => wait_for_place(freed, deadline).await?,
            }
        }
    }

    fn looking(&self, Admitted { place, account, ticket }: Admitted) -> Looking {
        let (ledger, clock) = (Arc::clone(&self.ledger), Arc::clone(&self.clock));
        let guess = Guess { ledger, clock, place: Some(place), was_right: false };
        Looking { guess, account, ticket }
    }

    /// The attempt is over, and nothing came of it. If the store is down, its places are void by
    /// themselves after a while.
    async fn withdraw(
        &self,
        claimed: &Claimed,
        guess: Guess,
        account: Option<&Account>,
        ticket: Option<Ticket>,
    ) {
        let Some(place) = guess.into_place() else { return };
        let about = self.about(claimed, account);
        let withdrawing = self.ledger.withdraw(Held { place, about, ticket });
        let _ = in_time::<_, StoreError>(USER_STORE, withdrawing).await;
    }

    /// The password was right, and nothing shall come of it: both places are free.
    pub(crate) async fn give_back(&self, right: &Right, guess: Option<Guess>) {
        let Some(place) = guess.and_then(Guess::into_place) else { return };
        let about = About::Account(&right.name, right.made);
        let ticket = Some(Ticket::taken_at(right.place));
        let withdrawing = self.ledger.withdraw(Held { place, about, ticket });
        let _ = in_time::<_, StoreError>(USER_STORE, withdrawing).await;
    }

    async fn wrong(
        &self,
        attempt: &Attempt,
        claimed: &Claimed,
        looking: Looking,
    ) -> Result<Outcome, LoginRejection> {
        let Looking { guess, account, ticket } = looking;
        let was_locked = ticket.is_none();
        if let Some(place) = guess.into_place() {
            let about = self.about(claimed, account.as_ref());
            let policy = account.as_ref().map_or(self.lockout, |it| self.policy(&it.record.name));
            let failing = self.ledger.fail(Held { place, about, ticket }, policy, self.clock.now());
            let failure = in_time::<_, StoreError>(USER_STORE, failing).await?;
            if let (Failure::Locks(_), Some(account)) = (failure, &account) {
                self.tell_lock(attempt, &account.record.name);
            }
        }
        Ok(match account.map(|account| account.record.name) {
            None => Outcome::Refused(CredentialFault::UnknownUser, None),
            Some(name) if was_locked => Outcome::Refused(CredentialFault::Locked, Some(name)),
            Some(name) => Outcome::Refused(CredentialFault::WrongPassword, Some(name)),
        })
    }

    /// A name of nobody that locks is no event: it would say what was typed.
    fn tell_lock(&self, attempt: &Attempt, name: &UserName) {
        tracing::warn!(user = %name, "Locked an account after too many failed logins");
        let subject = Subject::User(name.clone());
        let actor = Actor::Caller(attempt.caller.clone(), None);
        self.recorder.tell(AuditAction::Lock, AuditOutcome::Done, subject, actor);
    }

    fn about<'a>(&self, claimed: &Claimed, account: Option<&'a Account>) -> About<'a> {
        match account {
            Some(Account { record, .. }) => About::Account(&record.name, record.created_at),
            None => About::Nobody(self.digest(claimed)),
        }
    }

    /// A stronger hash of the same password, where the one that is kept is weak by now.
    async fn strengthen(
        &self,
        attempt: &Attempt,
        asker: &Asker,
        stored: Option<&PasswordHash>,
    ) -> Option<StoredHash> {
        stored.filter(|stored| self.passwords.needs_rehash(stored))?;
        // If it cannot be made now, the next login makes it.
        let hash = self.passwords.hash(asker, &attempt.password).await.ok()?;
        Some(StoredHash::new(hash.expose()))
    }

    fn digest(&self, claimed: &Claimed) -> [u8; 32] {
        fingerprint(&self.secret, &[claimed.key().as_bytes()])
    }
}

/// What an account's password is compared with. A hash that cannot be read matches nothing.
fn hash_of(account: &Account) -> Option<PasswordHash> {
    let parsed = PasswordHash::parse(account.record.password.expose());
    if let Err(fault) = &parsed {
        tracing::error!(user = %account.record.name, "The password hash cannot be read: {fault}");
    }
    parsed.ok()
}

/// Waits until a place may be free; too long is too busy.
async fn wait_for_place(
    freed: impl Future<Output = ()>,
    deadline: Instant,
) -> Result<(), LoginRejection> {
    if Instant::now() >= deadline {
        return Err(soon());
    }
    let again = deadline.min(Instant::now() + ASK_AGAIN);
    // Late or told: either way it is asked again.
    let _ = timeout_at(again, freed).await;
    Ok(())
}

fn refuse(refusal: Option<Refusal>) -> Result<(), LoginRejection> {
    match refusal {
        None => Ok(()),
        Some(Refusal { retry_after }) => Err(LoginRejection::TooManyAttempts { retry_after }),
    }
}

/// Too busy, for whoever has waited long enough.
pub(crate) fn soon() -> LoginRejection {
    LoginRejection::Busy { retry_after: Duration::from_secs(1) }
}

fn busy(error: &HasherError) -> LoginRejection {
    match error {
        HasherError::Busy { retry_after } => LoginRejection::Busy { retry_after: *retry_after },
        HasherError::Stopped | HasherError::Failed => soon(),
    }
}
