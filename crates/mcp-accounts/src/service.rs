//! What every use case needs.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_auth::Auth;
use mcp_identity::{
    AuditLog, Caller, Clock, EndReason, Entropy, EntropyError, Principal, PrincipalId, SessionId,
    UserName,
};
use mcp_password::{Hasher, Policy};
use mcp_store::{AccountStore, AuditEvents, StoreError};
use mcp_throttle::{AddressKey, DEFAULT_KEYS, Quota, RateLimiter};

use crate::contact;
use crate::cursor::Cursors;
use crate::person::Person;

/// Accounts that one address may try to register in an hour.
const REGISTRATIONS: Quota =
    Quota { attempts: NonZeroU32::new(5).unwrap(), window: Duration::from_hours(1) };

/// What people do with their accounts, and admins with those of others.
pub struct AccountService {
    pub(crate) store: Arc<dyn AccountStore>,
    pub(crate) auth: Auth,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) events: Arc<dyn AuditEvents>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) registrations: RateLimiter<AddressKey>,
    pub(crate) cursors: Cursors,
}

/// What an [`AccountService`] is made of.
pub struct Parts {
    /// Where accounts are kept.
    pub store: Arc<dyn AccountStore>,
    /// What judges passwords and credentials; of the same store.
    pub auth: Auth,
    /// What hashes new passwords; the one of `auth`, so that all wait in one queue.
    pub hasher: Arc<Hasher>,
    /// Where changes are recorded.
    pub audit: Arc<dyn AuditLog>,
    /// What was recorded, read back.
    pub events: Arc<dyn AuditEvents>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The source of the key that seals cursors.
    pub entropy: Arc<dyn Entropy>,
}

/// How accounts are made. Comes from `http.auth` and `passwords` in the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether strangers may make accounts for themselves.
    pub registration: bool,
    /// Which passwords may be chosen.
    pub policy: Policy,
}

/// Who asks for something, with a credential that was found to hold.
#[derive(Clone, Debug)]
pub struct Requester {
    /// The credential.
    pub principal: Arc<Principal>,
    /// Where the request came from.
    pub caller: Caller,
}

impl AccountService {
    /// The service over these parts.
    ///
    /// # Errors
    /// Without random bytes.
    pub fn new(parts: Parts, settings: Settings) -> Result<Self, EntropyError> {
        let Parts { store, auth, hasher, audit, events, clock, entropy } = parts;
        let cursors = Cursors::new(&*entropy)?;
        let registrations = RateLimiter::new(REGISTRATIONS, DEFAULT_KEYS);
        Ok(Self { store, auth, hasher, audit, events, clock, settings, registrations, cursors })
    }

    /// The time now, as everything here sees it.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// The account of that name or address. What can be neither is nobody's.
    pub(crate) async fn find(&self, text: &str) -> Result<Option<Person>, StoreError> {
        let found = if text.contains('@') {
            match contact::email(text) {
                Some(email) => self.store.find_email(&email).await?,
                None => None,
            }
        } else {
            match UserName::parse(text) {
                Ok(name) => self.store.find_account(&name).await?,
                Err(_) => None,
            }
        };
        Ok(found.map(|account| Person::of(account, self.now())))
    }

    /// Waits until a change that was made is in force in this process. If that cannot be known, it
    /// is so as soon as the store can be read again.
    pub(crate) async fn put_in_force(&self) {
        if let Err(fault) = self.auth.refresh().await {
            tracing::warn!(error = %fault, "A change of accounts is in force later");
        }
    }
}

impl Requester {
    /// Why the credential holds no more; `None` while it holds.
    #[must_use]
    pub fn ended(&self) -> Option<EndReason> {
        self.principal.lease.why()
    }

    /// The user and the session that asks, if it is one: of whatever scope.
    pub(crate) fn session(&self) -> Option<(&UserName, &SessionId)> {
        match (&self.principal.id, &self.principal.user) {
            (PrincipalId::Session(id) | PrincipalId::PasswordChange(id), Some(user)) => {
                Some((user, id))
            }
            (PrincipalId::Session(_) | PrincipalId::PasswordChange(_), None)
            | (PrincipalId::Token(_) | PrincipalId::Local, _) => None,
        }
    }
}

impl fmt::Debug for AccountService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountService").field("settings", &self.settings).finish_non_exhaustive()
    }
}
