//! What an [`Auth`] is made of.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_identity::{AuditLog, Clock, Entropy, NoAudit, SystemClock, SystemEntropy};
use mcp_store::{AttemptLedger, SharedStore, TokenStore};
use mcp_throttle::{DEFAULT_KEYS, Quota, RateLimiter};
use tokio::sync::mpsc;

use crate::auth::{Auth, OpenError};
use crate::credential::Jwt;
use crate::elsewhere::Elsewhere;
use crate::index::Index;
use crate::keeper::{Keeper, Stores};
use crate::login::{Books, Logins};
use crate::opened::Openings;
use crate::recorder::Recorder;
use crate::settings::Accounts;
#[cfg(feature = "jwt")]
use crate::settings::JwtSettings;

/// One line for each credential, address and hour.
const FIRST_USES: Quota = Quota { attempts: NonZeroU32::MIN, window: Duration::from_hours(1) };

/// Collects what an [`Auth`] is made of.
pub struct AuthBuilder {
    tokens: Arc<dyn TokenStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    audit: Arc<dyn AuditLog>,
    failures: Quota,
    accounts: Option<Accounts>,
    jwt: Option<Arc<Jwt>>,
    stands_in: Option<Duration>,
    needs_stores: bool,
    attempts: Option<Arc<dyn AttemptLedger>>,
    shared: Option<Arc<dyn SharedStore>>,
}

impl AuthBuilder {
    pub(crate) fn new(tokens: Arc<dyn TokenStore>) -> Self {
        Self {
            tokens,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            audit: Arc::new(NoAudit),
            failures: Quota {
                attempts: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
                window: Duration::from_mins(1),
            },
            accounts: None,
            jwt: None,
            stands_in: None,
            needs_stores: true,
            attempts: None,
            shared: None,
        }
    }

    /// The clock. Without this: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The source of session tokens. Without this: the system's.
    #[must_use]
    pub fn entropy(mut self, entropy: Arc<dyn Entropy>) -> Self {
        self.entropy = entropy;
        self
    }

    /// Where every event is recorded. Without this: nowhere.
    #[must_use]
    pub fn audit(mut self, audit: Arc<dyn AuditLog>) -> Self {
        self.audit = audit;
        self
    }

    /// Bad tokens that an address may present. Without this: 100 in a minute. A good token is
    /// never refused for its address.
    #[must_use]
    pub fn bearer_failures(mut self, quota: Quota) -> Self {
        self.failures = quota;
        self
    }

    /// How long what was read last stands in for a store that cannot be read, counted from when
    /// that is noticed. Then every lease ends, and everybody gets [`Refusal::Down`] until the store
    /// can be read again; until then, whoever is not known gets it, too: other servers may have let
    /// him in. Zero: nothing stands in.
    ///
    /// Without this: for ever, and who is not known is refused. That is for stores of this server
    /// alone, in which nothing is made without its knowledge.
    ///
    /// [`Refusal::Down`]: crate::Refusal::Down
    #[must_use]
    pub fn stands_in(mut self, limit: Duration) -> Self {
        self.stands_in = Some(limit);
        self
    }

    /// Opens without a look at the stores, which cannot be read yet. Until they can, nobody is let
    /// in and nobody refused ([`Refusal::Down`](crate::Refusal::Down)).
    #[must_use]
    pub fn opens_before_stores(mut self) -> Self {
        self.needs_stores = false;
        self
    }

    /// People may log in, too.
    #[must_use]
    pub fn accounts(mut self, accounts: Accounts) -> Self {
        self.accounts = Some(accounts);
        self
    }

    /// Sessions may be presented as JSON Web Tokens, too, and [`Issue::Configured`] makes them.
    ///
    /// [`Issue::Configured`]: crate::Issue::Configured
    #[cfg(feature = "jwt")]
    #[must_use]
    pub fn jwt(mut self, settings: &JwtSettings) -> Self {
        self.jwt = Some(Arc::new(Jwt::new(settings)));
        self
    }

    /// Attempts to log in are kept in this ledger, which other servers have, too. Without this:
    /// in memory. Servers that share accounts must share the ledger that lies beside them, or each
    /// allows as many guesses as all of them may.
    #[must_use]
    pub fn attempts(mut self, shared: Arc<dyn AttemptLedger>) -> Self {
        self.attempts = Some(shared);
        self
    }

    /// Other servers write to the stores, too: what is not known here is asked of this before it is
    /// refused. Without this: what is not known is refused, until word of it has come.
    #[must_use]
    pub fn shared(mut self, store: Arc<dyn SharedStore>) -> Self {
        self.shared = Some(store);
        self
    }

    /// Loads every credential, and returns the two halves. Nobody is let in unless the keeper
    /// lives: run it, or `Auth` refuses everyone from the moment it is dropped.
    ///
    /// # Errors
    /// [`OpenError`] when the stores cannot be read as a whole; there is no last good data yet. See
    /// [`AuthBuilder::opens_before_stores`].
    pub async fn open(self) -> Result<(Auth, Keeper), OpenError> {
        let index = Arc::new(Index::closed());
        // Few wait at once: those who make changes. More of them wait for a place in the queue.
        let (refreshes, asked) = mpsc::channel(16);
        let openings = Arc::<Openings>::default();
        let stores = Stores {
            tokens: self.tokens,
            accounts: self.accounts.as_ref().map(|accounts| Arc::clone(&accounts.store)),
            idle: self.accounts.as_ref().and_then(|accounts| accounts.settings.session_idle),
            stands_in: self.stands_in,
            needed: self.needs_stores,
            openings: Arc::clone(&openings),
        };
        let keeper =
            Keeper::open(stores, Arc::clone(&self.clock), Arc::clone(&index), asked).await?;
        let recorder = Recorder::new(self.audit, Arc::clone(&self.clock));
        let elsewhere = self.shared.map(|shared| {
            Arc::new(Elsewhere::new(shared, refreshes.clone(), Arc::clone(&self.clock)))
        });
        let logins = match self.accounts {
            None => None,
            Some(Accounts { store, hasher, settings }) => {
                let books = Books { openings, store, shared: self.attempts };
                let index = Arc::clone(&index);
                let (clock, entropy, recorder) = (self.clock, self.entropy, recorder.clone());
                let logins = Logins::new(books, hasher, settings, index, clock, entropy, recorder)?;
                Some(Arc::new(logins.with_jwt(self.jwt.clone())))
            }
        };
        let failures = RateLimiter::new(self.failures, DEFAULT_KEYS);
        let first_uses = RateLimiter::new(FIRST_USES, DEFAULT_KEYS);
        let jwt = self.jwt;
        let auth =
            Auth { index, refreshes, failures, first_uses, recorder, logins, jwt, elsewhere };
        Ok((auth, keeper))
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder").finish_non_exhaustive()
    }
}
