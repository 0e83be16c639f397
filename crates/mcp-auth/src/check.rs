//! Is this the password of that account?
//!
//! ```text
//!   a place of the address ──▶ a place of the account ──▶ one hash ──▶ both are settled
//!     Wait: until one is free    Wait: likewise           │ of the account; of nothing, at the
//!     Refused: 429               Locked: goes on          │ same cost, if it is locked or is none
//! ```

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_identity::{
    Actor, AuditAction, AuditOutcome, Clock, CredentialFault, Entropy, EntropyError, Subject,
    UserName,
};
use mcp_password::{Asker, HasherError, PasswordHash, Verdict as Checked};
use mcp_store::{Account, AccountStore, Login, StoreError, StoredHash};
use mcp_throttle::{
    AddressKey, Admission, Failure, LockoutPolicy, RateLimiter, Reservation, Ticket, Verdict,
    VirtualLockouts,
};
use ring::hmac;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use unicode_normalization::UnicodeNormalization as _;

use crate::in_time::in_time;
use crate::index::Index;
use crate::login::{Attempt, LoginRejection};
use crate::passwords::Passwords;
use crate::recorder::Recorder;
use crate::settings::LoginSettings;
use crate::share::fingerprint;

/// How often a place of an account is asked for again. Another server that shares the store gives
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
    /// Nobody can have this name. A colon stands before it, which no name holds: it is never
    /// taken for one.
    Nobody(String),
}

impl Claimed {
    pub(crate) fn parse(typed: &str) -> Self {
        UserName::parse(typed).map_or_else(|_| Self::Nobody(format!(":{typed}")), Self::Name)
    }

    /// What everything is counted by: one key for each account.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Name(name) => name.key(),
            Self::Nobody(typed) => typed,
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
    store: Arc<dyn AccountStore>,
    passwords: Arc<dyn Passwords>,
    lockout: LockoutPolicy,
    addresses: RateLimiter<AddressKey>,
    nobody: VirtualLockouts<[u8; 32]>,
    /// Makes the keys of `nobody`.
    secret: hmac::Key,
    index: Arc<Index>,
    clock: Arc<dyn Clock>,
    recorder: Recorder,
    /// Told whenever a place of an address may be free.
    address_freed: Notify,
    /// Told whenever a place of an account may be free.
    account_freed: Notify,
}

/// Tells those who wait, last of all, however the work ends: done, failed, or dropped in the
/// middle because its client left.
pub(crate) struct Freed<'a>(&'a Notify);

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

/// What became of a look at a password. The ticket waits to be settled.
struct Looked {
    /// `None`: nobody has this name.
    account: Option<Account>,
    /// `None`: it is locked, and nothing was compared.
    ticket: Option<Ticket>,
    stored: Option<PasswordHash>,
    checked: Checked,
}

impl Checks {
    pub(crate) fn new(
        store: Arc<dyn AccountStore>,
        passwords: Arc<dyn Passwords>,
        settings: &LoginSettings,
        index: Arc<Index>,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
        recorder: Recorder,
    ) -> Result<Self, EntropyError> {
        let mut secret = [0; 32];
        entropy.fill(&mut secret)?;
        Ok(Self {
            store,
            passwords,
            lockout: settings.lockout,
            addresses: RateLimiter::new(settings.quota, settings.keys),
            nobody: VirtualLockouts::new(settings.lockout, settings.keys),
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            index,
            clock,
            recorder,
            address_freed: Notify::new(),
            account_freed: Notify::new(),
        })
    }

    /// Whom somebody says he is: by name, or by address. Whose address it is, the store says; what
    /// is nobody's is looked up like any other.
    pub(crate) async fn claimed(&self, typed: &str) -> Result<Claimed, StoreError> {
        if !typed.contains('@') || typed.len() > MAX_EMAIL_BYTES {
            return Ok(Claimed::parse(typed));
        }
        let email: String = typed.nfkc().collect();
        let found = in_time(USER_STORE, self.store.find_email(&email)).await?;
        Ok(match found {
            Some(account) => Claimed::Name(account.record.name),
            None => Claimed::Nobody(format!(":{}", email.to_lowercase())),
        })
    }

    /// Refuses an address whose failures fill its quota. It takes no place: those who share a
    /// check need one between them.
    pub(crate) fn welcome(&self, address: IpAddr) -> Result<(), LoginRejection> {
        // The place that is asked for and dropped may be just the one that another waited for.
        let _freed = Freed(&self.address_freed);
        match self.addresses.reserve(AddressKey::from(address), self.clock.now()) {
            Admission::Reserved(_) | Admission::Wait => Ok(()),
            Admission::Refused(refusal) => {
                Err(LoginRejection::TooManyAttempts { retry_after: refusal.retry_after })
            }
        }
    }

    /// Counts a failure that another address found out. The quota may be full by now, which the
    /// next attempt will see.
    pub(crate) fn count(&self, address: IpAddr) {
        let _ = self.addresses.count(AddressKey::from(address), self.clock.now());
    }

    /// Tells those who wait for a place of an account, when it is dropped.
    pub(crate) fn account_freed(&self) -> Freed<'_> {
        Freed(&self.account_freed)
    }

    /// A lock that only an admin lifts must not shut the last admin out.
    pub(crate) fn policy(&self, name: &UserName) -> LockoutPolicy {
        if self.index.is_last_admin(name) {
            self.lockout.for_the_last_admin()
        } else {
            self.lockout
        }
    }

    /// Looks at the password, with a place of the address and one of the account held meanwhile.
    /// If it is right, the place of the account is still held afterwards.
    ///
    /// A client who leaves in the middle is counted against his address; his place of the account
    /// is void after the policy's `hold`.
    pub(crate) async fn check(
        &self,
        attempt: &Attempt,
        claimed: &Claimed,
        deadline: Instant,
    ) -> Result<Outcome, LoginRejection> {
        let _freed = (Freed(&self.address_freed), Freed(&self.account_freed));
        let place = self.place_of_address(attempt.caller.address, deadline).await?;
        // Before a place of the account is taken: whoever could take one and leave would lock the
        // owner out for nothing.
        let guess = place.begin();
        let asker = Asker::new(claimed.key(), attempt.caller.address);
        let looked = match self.look(attempt, claimed, &asker, deadline).await {
            Ok(looked) => looked,
            Err(rejection) => {
                guess.fell_through();
                return Err(rejection);
            }
        };
        match looked.checked {
            Checked::Right => guess.was_right(),
            Checked::Wrong => guess.was_wrong(self.clock.now()),
        }
        self.settle(attempt, claimed, &asker, looked).await
    }

    async fn place_of_address(
        &self,
        address: IpAddr,
        deadline: Instant,
    ) -> Result<Reservation<AddressKey>, LoginRejection> {
        loop {
            // Listened for before it is asked for: what is freed in between is told.
            let freed = self.address_freed.notified();
            match self.addresses.reserve(AddressKey::from(address), self.clock.now()) {
                Admission::Reserved(place) => return Ok(place),
                Admission::Refused(refusal) => {
                    let retry_after = refusal.retry_after;
                    return Err(LoginRejection::TooManyAttempts { retry_after });
                }
                Admission::Wait => timeout_at(deadline, freed).await.map_err(|_| soon())?,
            }
        }
    }

    /// One hash, whoever it is and whatever becomes of it.
    async fn look(
        &self,
        attempt: &Attempt,
        claimed: &Claimed,
        asker: &Asker,
        deadline: Instant,
    ) -> Result<Looked, LoginRejection> {
        let login = match claimed {
            Claimed::Name(name) => self.find_login(name, deadline).await?,
            Claimed::Nobody(_) => None,
        };
        let (account, verdict) = match login {
            Some(Login { account, verdict }) => (Some(account), verdict),
            None => (None, self.reserve_nobody(claimed, deadline).await?),
        };
        let ticket = match verdict {
            Verdict::Reserved(ticket) => Some(ticket),
            Verdict::Locked(_) | Verdict::Wait => None,
        };
        let compared = account.as_ref().filter(|_| ticket.is_some());
        let stored = compared.and_then(hash_of);
        match self.passwords.verify(asker, &attempt.password, stored.as_ref()).await {
            Ok(checked) => Ok(Looked { account, ticket, stored, checked }),
            Err(error) => {
                let made = account.map(|account| account.record.created_at);
                self.give_back(claimed, made, ticket).await;
                Err(busy(&error))
            }
        }
    }

    /// Finds the account, and takes a place for the attempt as soon as there is one.
    async fn find_login(
        &self,
        name: &UserName,
        deadline: Instant,
    ) -> Result<Option<Login>, LoginRejection> {
        loop {
            let freed = self.account_freed.notified();
            let asking = self.store.find_login(name, self.policy(name), self.clock.now());
            let found = in_time(USER_STORE, asking).await?;
            if found.as_ref().is_none_or(|login| login.verdict != Verdict::Wait) {
                return Ok(found);
            }
            wait_for_account(freed, deadline).await?;
        }
    }

    /// The same for a name that nobody has.
    async fn reserve_nobody(
        &self,
        claimed: &Claimed,
        deadline: Instant,
    ) -> Result<Verdict, LoginRejection> {
        let digest = self.digest(claimed);
        loop {
            let freed = self.account_freed.notified();
            let verdict = self.nobody.reserve(&digest, self.clock.now());
            if verdict != Verdict::Wait {
                return Ok(verdict);
            }
            wait_for_account(freed, deadline).await?;
        }
    }

    /// Nothing was looked at. If the store is down, the place is void by itself after a while.
    /// `made` is when the account was, if there is one.
    async fn give_back(&self, claimed: &Claimed, made: Option<SystemTime>, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        match (claimed, made) {
            (Claimed::Name(name), Some(made)) => self.withdraw(name, made, ticket).await,
            (Claimed::Name(_) | Claimed::Nobody(_), _) => {
                self.nobody.withdrawn(&self.digest(claimed), ticket);
            }
        }
    }

    async fn settle(
        &self,
        attempt: &Attempt,
        claimed: &Claimed,
        asker: &Asker,
        looked: Looked,
    ) -> Result<Outcome, LoginRejection> {
        let Looked { account, ticket, stored, checked } = looked;
        let Some(Account { record, .. }) = account else {
            if let Some(ticket) = ticket {
                // A name of nobody that locks is no event: it would say what was typed.
                let _ = self.nobody.failed(&self.digest(claimed), ticket, self.clock.now());
            }
            return Ok(Outcome::Refused(CredentialFault::UnknownUser, None));
        };
        let name = record.name;
        let Some(ticket) = ticket else {
            return Ok(Outcome::Refused(CredentialFault::Locked, Some(name)));
        };
        if checked == Checked::Wrong {
            self.count_failure(attempt, &name, record.created_at, ticket).await?;
            return Ok(Outcome::Refused(CredentialFault::WrongPassword, Some(name)));
        }
        if !record.enabled {
            self.withdraw(&name, record.created_at, ticket).await;
            return Ok(Outcome::Disabled(name));
        }
        let stronger = self.strengthen(attempt, asker, stored.as_ref()).await;
        let (made, checked, place) = (record.created_at, record.password, ticket.time());
        let must_change = record.must_change_password;
        Ok(Outcome::Right(Right { name, made, checked, stronger, place, must_change }))
    }

    async fn count_failure(
        &self,
        attempt: &Attempt,
        name: &UserName,
        made: SystemTime,
        ticket: Ticket,
    ) -> Result<(), LoginRejection> {
        let (policy, now) = (self.policy(name), self.clock.now());
        let failing = self.store.fail_login(name, made, ticket, policy, now);
        if let Failure::Locks(_) = in_time(USER_STORE, failing).await? {
            tracing::warn!(user = %name, "Locked an account after too many failed logins");
            let subject = Subject::User(name.clone());
            let actor = Actor::Caller(attempt.caller.clone(), None);
            self.recorder.tell(AuditAction::Lock, AuditOutcome::Done, subject, actor);
        }
        Ok(())
    }

    /// Gives a place of an account back. If the store is down, it is void by itself after a while.
    pub(crate) async fn withdraw(&self, name: &UserName, made: SystemTime, ticket: Ticket) {
        let withdrawing = self.store.withdraw_login(name, made, ticket);
        let _ = in_time::<_, StoreError>(USER_STORE, withdrawing).await;
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

/// Waits until a place of an account may be free; too long is too busy.
async fn wait_for_account(
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
