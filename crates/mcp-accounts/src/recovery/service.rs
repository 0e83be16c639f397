//! What people ask for: a letter, what a link is worth, a new password.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_auth::{Auth, RefreshError};
use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, Caller, Clock, Entropy, Password,
    Principal, PrincipalId, Subject, UserName,
};
use mcp_password::{Asker, HashError, Hasher, HasherError, Owner, PasswordRejection, Policy};
use mcp_store::{
    LetterMatter, RecoveryStore, ResetLook, SpendRejection, Spending, Spent, StoreError,
    StoredHash, UserRecord,
};
use mcp_throttle::{AddressKey, DEFAULT_KEYS, Quota, RateLimiter};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::link::{self, MintRejection, MintedLink, mint_link};
use crate::contact;
use crate::new_password::{is_among, last_passwords};
use crate::record::denied;

/// What recovery is made of.
pub struct RecoveryParts {
    /// Where accounts, letters and links are kept.
    pub store: Arc<dyn RecoveryStore>,
    /// What hashes new passwords.
    pub hasher: Arc<Hasher>,
    /// Who lets people in, and is told at once that a session has ended.
    pub auth: Auth,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Where all of it is recorded.
    pub audit: Arc<dyn AuditLog>,
}

/// How passwords are recovered.
#[derive(Clone, Debug)]
pub struct RecoverySettings {
    /// Whether people may ask for a letter at all.
    pub enabled: bool,
    /// Whether letters are sent.
    pub has_mail: bool,
    /// Which passwords may be chosen.
    pub policy: Policy,
    /// Where people reach the server.
    pub public_url: String,
    /// How long a link holds.
    pub link_life: Duration,
    /// Letters that may be asked for one address of mail.
    pub per_email: Quota,
    /// Letters that one client may ask for.
    pub per_client: Quota,
    /// Whether a new password ends all sessions of its account.
    pub end_sessions: bool,
    /// No answer to who asks for a letter comes before.
    pub min_response: Duration,
}

/// Why no letter was asked for. None of them depends on whether there is an account.
///
/// Matched exhaustively on purpose: each variant has an answer of its own at the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgotRejection {
    /// It is off.
    #[error("password recovery is off")]
    Off,
    /// What was given is no address.
    #[error("the email cannot be one")]
    Email,
    /// Too many letters for this address, or asked for by this client.
    #[error("too many letters were asked for")]
    TooMany {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why no password was set. The link may be used again after all but the first two.
///
/// Matched exhaustively on purpose: each variant has an answer of its own at the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResetRejection {
    /// The link never was one, was used, or is void.
    #[error("the link is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
    /// The password breaks rules of the policy.
    #[error(transparent)]
    Policy(#[from] PasswordRejection),
    /// Too many passwords are waiting to be hashed.
    #[error("too many passwords are waiting to be hashed")]
    Busy {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a link is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkWorth {
    /// A password, until then.
    Valid {
        /// The first instant at which it is worth nothing.
        expires_at: SystemTime,
    },
    /// Nothing: it never was one, was used, or is void.
    Invalid,
    /// Nothing any more.
    Expired,
}

impl ResetRejection {
    /// What is demanded of a password and was not kept, in words for whoever chose it.
    #[must_use]
    pub fn failed_rules(&self) -> Vec<String> {
        match self {
            Self::Policy(rejection) => rejection.broken().iter().map(ToString::to_string).collect(),
            Self::Invalid | Self::Expired | Self::Busy { .. } | Self::Store(_) => Vec::new(),
        }
    }
}

/// Finds lost passwords again. Letters are sent by a [`Mailroom`](super::Mailroom), which is told
/// of each by [`bell`](Self::bell).
pub struct Recovery {
    parts: RecoveryParts,
    settings: RecoverySettings,
    emails: RateLimiter<String>,
    clients: RateLimiter<AddressKey>,
    bell: Arc<Notify>,
}

impl Recovery {
    /// Over these parts.
    #[must_use]
    pub fn new(parts: RecoveryParts, settings: RecoverySettings) -> Self {
        let emails = RateLimiter::new(settings.per_email, DEFAULT_KEYS);
        let clients = RateLimiter::new(settings.per_client, DEFAULT_KEYS);
        Self { parts, settings, emails, clients, bell: Arc::default() }
    }

    /// Rings when there is something to be sent.
    #[must_use]
    pub fn bell(&self) -> Arc<Notify> {
        Arc::clone(&self.bell)
    }

    /// Are letters sent?
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.settings.has_mail
    }

    /// Asks for a letter to whoever has this address, if anybody has. The same work and the same
    /// time, whether or not.
    pub async fn forgot(&self, email: &str, caller: &Caller) -> Result<(), ForgotRejection> {
        let begin = Instant::now();
        let asked = self.ask(email, caller).await;
        let outcome = match &asked {
            Ok(()) => AuditOutcome::Done,
            Err(ForgotRejection::Off) => AuditOutcome::Refused("off"),
            Err(ForgotRejection::Email) => AuditOutcome::Refused("no_address"),
            Err(ForgotRejection::TooMany { .. }) => AuditOutcome::Refused("too_many_letters"),
            Err(ForgotRejection::Store(_)) => AuditOutcome::Failed("store"),
        };
        // Whose it is, nobody has looked at yet.
        self.tell(AuditAction::AskReset, outcome, Subject::None, stranger(caller));
        sleep_until(begin + self.settings.min_response).await;
        asked
    }

    async fn ask(&self, email: &str, caller: &Caller) -> Result<(), ForgotRejection> {
        if !self.settings.enabled {
            return Err(ForgotRejection::Off);
        }
        // One address has one count, however it is typed.
        let address = contact::email(email.trim()).ok_or(ForgotRejection::Email)?.to_lowercase();
        let now = self.now();
        self.clients.count(AddressKey::from(caller.address), now).map_err(too_many)?;
        self.emails.count(address, now).map_err(too_many)?;
        if self.settings.has_mail {
            // As it was given: a record may hold a domain in its own script.
            let matter = LetterMatter::ResetLink(email.trim().to_owned());
            self.parts.store.ask_letter(matter, now).await?;
            self.bell.notify_one();
        }
        Ok(())
    }

    /// What a link is worth. Looking changes nothing.
    pub async fn look(&self, secret: &str) -> Result<LinkWorth, StoreError> {
        let Some(hash) = link::hash_of(secret) else { return Ok(LinkWorth::Invalid) };
        Ok(match self.parts.store.look_at_reset(hash, self.now()).await? {
            ResetLook::Valid { user: _, expires_at } => LinkWorth::Valid { expires_at },
            ResetLook::Invalid => LinkWorth::Invalid,
            ResetLook::Expired => LinkWorth::Expired,
        })
    }

    /// Sets a password by a link, which works no more afterwards. When it returns, the sessions
    /// that end have ended.
    pub async fn reset(
        &self,
        secret: &str,
        password: &Password,
        caller: &Caller,
    ) -> Result<(), ResetRejection> {
        let mut subject = Subject::None;
        let reset = self.set(secret, password, caller, &mut subject).await;
        let outcome = match &reset {
            Ok(_) => AuditOutcome::Done,
            Err(ResetRejection::Invalid) => AuditOutcome::Refused("invalid_link"),
            Err(ResetRejection::Expired) => AuditOutcome::Refused("expired_link"),
            Err(ResetRejection::Policy(_)) => AuditOutcome::Refused("policy"),
            Err(ResetRejection::Busy { .. }) => AuditOutcome::Failed("busy"),
            Err(ResetRejection::Store(_)) => AuditOutcome::Failed("store"),
        };
        self.tell(AuditAction::ResetPassword, outcome, subject, stranger(caller));
        let spent = reset?;
        self.tell_ended(&spent, caller);
        self.bell.notify_one();
        self.put_in_force().await?;
        Ok(())
    }

    async fn set(
        &self,
        secret: &str,
        password: &Password,
        caller: &Caller,
        subject: &mut Subject,
    ) -> Result<Spent, ResetRejection> {
        let hash = link::hash_of(secret).ok_or(ResetRejection::Invalid)?;
        // Nobody has the server hash for a link that is none.
        let user = match self.parts.store.look_at_reset(hash, self.now()).await? {
            ResetLook::Valid { user, .. } => user,
            ResetLook::Invalid => return Err(ResetRejection::Invalid),
            ResetLook::Expired => return Err(ResetRejection::Expired),
        };
        *subject = Subject::User(user.clone());
        let account = self.parts.store.find_account(&user).await?;
        let record = account.map(|account| account.record).ok_or(ResetRejection::Invalid)?;
        self.check(password, &record, caller).await?;
        let new = self.hash(&user, password, caller).await?;
        let remembers = self.settings.policy.history() > 0;
        let spending = Spending {
            hash,
            checked: remembers.then_some(record.password),
            password: new,
            past: self.settings.policy.past(),
            now: self.now(),
            end_sessions: self.settings.end_sessions,
            confirm: self.settings.has_mail,
        };
        self.parts.store.spend_reset(spending).await.map_err(|rejection| match rejection {
            SpendRejection::Invalid => ResetRejection::Invalid,
            SpendRejection::Expired => ResetRejection::Expired,
            SpendRejection::Changed => ResetRejection::Busy { retry_after: SOON },
            SpendRejection::Store(error) => ResetRejection::Store(error),
        })
    }

    /// May this become the password of that account?
    async fn check(
        &self,
        password: &Password,
        record: &UserRecord,
        caller: &Caller,
    ) -> Result<(), ResetRejection> {
        let (policy, hasher) = (&self.settings.policy, &self.parts.hasher);
        let owner = Owner { user_name: record.name.as_str(), email: record.email.as_deref() };
        policy.check(password, &owner)?;
        let asker = Asker::new(record.name.key(), caller.address);
        let store = &*self.parts.store;
        let last = last_passwords(store, policy, &record.name, &record.password).await?;
        match is_among(hasher, &asker, password, &last).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(PasswordRejection::used_before(policy).into()),
            Err(HasherError::Busy { retry_after }) => Err(ResetRejection::Busy { retry_after }),
            Err(HasherError::Stopped | HasherError::Failed) => {
                Err(ResetRejection::Busy { retry_after: SOON })
            }
        }
    }

    async fn hash(
        &self,
        user: &UserName,
        password: &Password,
        caller: &Caller,
    ) -> Result<StoredHash, ResetRejection> {
        let asker = Asker::new(user.key(), caller.address);
        match self.parts.hasher.hash(&asker, password).await {
            Ok(hash) => Ok(StoredHash::new(hash.expose())),
            Err(HashError::Hasher(HasherError::Busy { retry_after })) => {
                Err(ResetRejection::Busy { retry_after })
            }
            // The policy was asked before, and knows what cannot be hashed.
            Err(HashError::Rejected(_) | HashError::Entropy(_) | HashError::Hasher(_)) => {
                Err(ResetRejection::Busy { retry_after: SOON })
            }
        }
    }

    /// Records that somebody who is no admin asked for a link to hand over.
    pub fn record_denied(&self, principal: &Principal, caller: &Caller) {
        self.parts.audit.record(denied(self.now(), principal, caller));
    }

    /// Mints a link for an admin to hand over, by the name or the address of the account.
    pub async fn mint_for(
        &self,
        whom: &str,
        caller: &Caller,
        by: &PrincipalId,
    ) -> Result<MintedLink, MintRejection> {
        let whom = link::whom(whom).ok_or(MintRejection::NotFound)?;
        let Self { parts, settings, .. } = self;
        let now = self.now();
        let (url, life) = (settings.public_url.as_str(), settings.link_life);
        let minted = mint_link(&*parts.store, &*parts.entropy, whom, url, now, life).await;
        let (outcome, subject) = match &minted {
            Ok(link) => (AuditOutcome::Done, Subject::User(link.record.name.clone())),
            Err(MintRejection::NotFound) => {
                (AuditOutcome::Refused("not_found"), Subject::UnknownUser)
            }
            Err(MintRejection::Entropy(_)) => (AuditOutcome::Failed("entropy"), Subject::None),
            Err(MintRejection::Store(_)) => (AuditOutcome::Failed("store"), Subject::None),
        };
        let actor = Actor::Caller(caller.clone(), Some(by.clone()));
        self.tell(AuditAction::MintLink, outcome, subject, actor);
        minted
    }

    /// A session that was ended and may still open something is not ended.
    async fn put_in_force(&self) -> Result<(), StoreError> {
        match self.parts.auth.refresh().await {
            // Stopped, nobody is let in.
            Ok(()) | Err(RefreshError::Stopped) => Ok(()),
            Err(RefreshError::Store(fault)) => Err(fault),
        }
    }

    fn tell_ended(&self, spent: &Spent, caller: &Caller) {
        for id in &spent.ended {
            let subject = Subject::Session(id.clone(), spent.record.name.clone());
            self.tell(AuditAction::EndSession, AuditOutcome::Done, subject, stranger(caller));
        }
    }

    fn tell(&self, action: AuditAction, outcome: AuditOutcome, subject: Subject, actor: Actor) {
        self.parts.audit.record(AuditEvent::new(self.now(), action, outcome, subject, actor));
    }

    fn now(&self) -> SystemTime {
        self.parts.clock.now()
    }
}

/// When a hash may be tried again that could not be made.
const SOON: Duration = Duration::from_secs(1);

fn stranger(caller: &Caller) -> Actor {
    Actor::Caller(caller.clone(), None)
}

fn too_many(refusal: mcp_throttle::Refusal) -> ForgotRejection {
    ForgotRejection::TooMany { retry_after: refusal.retry_after }
}
