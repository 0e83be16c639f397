//! What an [`Auth`](crate::Auth) is told.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "jwt")]
use mcp_identity::SigningSecret;
use mcp_password::Hasher;
use mcp_store::{AccountStore, AttemptLimits};
use mcp_throttle::{DEFAULT_KEYS, LockoutPolicy, Quota};

/// How logins are judged. Comes from `http.auth` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSettings {
    /// How long a session lasts.
    pub session_ttl: Duration,
    /// After so long without a use a session is over, up to three minutes late: uses are noted by
    /// the minute. `None`: never for that.
    pub session_idle: Option<Duration>,
    /// Sessions that a user may have at a time; 0: any number.
    pub max_sessions: usize,
    /// Failures of one address.
    pub quota: Quota,
    /// When an account locks.
    pub lockout: LockoutPolicy,
    /// How long an attempt waits for those before it. An hour at most counts.
    pub patience: Duration,
    /// No login is answered sooner, so that its time tells nothing. An hour at most counts.
    pub min_response: Duration,
    /// Addresses, and names of nobody, that are remembered.
    pub keys: NonZeroUsize,
}

impl LoginSettings {
    /// What a ledger of attempts is told, one that several servers share included.
    #[must_use]
    pub fn attempt_limits(&self) -> AttemptLimits {
        AttemptLimits { quota: self.quota, lockout: self.lockout, keys: self.keys }
    }
}

impl Default for LoginSettings {
    fn default() -> Self {
        let attempts = NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN);
        Self {
            session_ttl: Duration::from_hours(24),
            session_idle: None,
            max_sessions: 0,
            quota: Quota { attempts, window: Duration::from_mins(15) },
            lockout: LockoutPolicy { limit: None, duration: None, hold: Duration::from_secs(30) },
            patience: Duration::from_secs(2),
            min_response: Duration::from_millis(250),
            keys: DEFAULT_KEYS,
        }
    }
}

/// How sessions are presented as JSON Web Tokens (RFC 7519): HS256, with the claims `iss`, `sub`,
/// `aud`, `exp`, `nbf`, `iat` and `jti`.
///
/// Whoever holds the secret can make a token for every session that is open, and for no other:
/// a token opens what the record of its session says, while there is one.
#[cfg(feature = "jwt")]
#[derive(Clone, Debug)]
pub struct JwtSettings {
    /// What tokens are signed with, and checked by.
    pub secret: SigningSecret,
    /// Who makes them: `iss`, of those that are made and of those that are accepted.
    pub issuer: String,
    /// For whom: `aud`, likewise.
    pub audience: String,
}

/// Accounts, for an [`Auth`](crate::Auth) that has some.
#[derive(Clone)]
pub struct Accounts {
    /// Where they are kept.
    pub store: Arc<dyn AccountStore>,
    /// What checks their passwords.
    pub hasher: Arc<Hasher>,
    /// How logins are judged.
    pub settings: LoginSettings,
}
