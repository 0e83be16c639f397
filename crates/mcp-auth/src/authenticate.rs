//! What a door needs of whoever stands at it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use mcp_identity::{Caller, CredentialFault, Denial, LeaseEnd, Principal};

use crate::auth::Auth;
use crate::elsewhere::Door;
use crate::refusal::Refusal;

/// What a door says: whom it lets in.
pub enum Answer {
    /// It is known.
    Now(Result<Arc<Principal>, Refusal>),
    /// Whoever may know is asked first.
    Later(Asked),
}

/// What is known once somebody was asked. Ends soon, whoever does not answer.
pub type Asked = Pin<Box<dyn Future<Output = Result<Arc<Principal>, Refusal>> + Send>>;

/// Decides who is let in. On the path of every request: answers from memory, at once.
///
/// [`Auth`] is the one to use. Implement it to put another judge behind the same layers.
pub trait Authenticate: Send + Sync {
    /// Whose token this is, if it holds at `now`. `presented` is what followed `Bearer `.
    ///
    /// # Errors
    /// [`Refusal::Denied`]: the reason is for the audit log, and clients must not see the
    /// difference. [`Refusal::Down`]: nobody knows.
    fn authenticate(
        &self,
        presented: &[u8],
        caller: &Caller,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Refusal>;

    /// The same for whoever can wait. What is known is answered at once, and what is not may be
    /// known to another server that lets people in by the same stores.
    ///
    /// Without an implementation: nobody else knows more.
    fn ask(&self, presented: &[u8], caller: &Caller, now: SystemTime) -> Answer {
        Answer::Now(self.authenticate(presented, caller, now))
    }

    /// What becomes of somebody who presented something that is no token at all.
    fn malformed(&self, caller: &Caller, now: SystemTime) -> Denial {
        let _ = (caller, now);
        Denial::BadCredential(CredentialFault::Malformed)
    }

    /// Who somebody is that presents nothing. `None`, as it should be: nobody.
    fn stranger(&self) -> Option<Arc<Principal>> {
        None
    }
}

impl Authenticate for Auth {
    fn authenticate(
        &self,
        presented: &[u8],
        caller: &Caller,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Refusal> {
        self.admit(presented, caller, now)
    }

    fn ask(&self, presented: &[u8], caller: &Caller, now: SystemTime) -> Answer {
        self.ask_at(Door::Common, presented, caller, now)
    }

    fn malformed(&self, caller: &Caller, now: SystemTime) -> Denial {
        self.count(CredentialFault::Malformed, caller, now)
    }
}

/// The door to the change of a password: lets in whom [`Auth`] lets in, and whoever must change
/// his password before anything else.
#[derive(Clone, Debug)]
pub struct PasswordChangeDoor(Auth);

impl PasswordChangeDoor {
    /// The door of that `Auth`.
    #[must_use]
    pub fn new(auth: Auth) -> Self {
        Self(auth)
    }
}

impl Authenticate for PasswordChangeDoor {
    fn authenticate(
        &self,
        presented: &[u8],
        caller: &Caller,
        now: SystemTime,
    ) -> Result<Arc<Principal>, Refusal> {
        self.0.admit_at(Door::PasswordChange, presented, caller, now)
    }

    fn ask(&self, presented: &[u8], caller: &Caller, now: SystemTime) -> Answer {
        self.0.ask_at(Door::PasswordChange, presented, caller, now)
    }

    fn malformed(&self, caller: &Caller, now: SystemTime) -> Denial {
        self.0.malformed(caller, now)
    }
}

/// No authentication at all: everybody is [`Principal::local`], with whatever token or none.
///
/// Only for an operator who asked for exactly this. Dropping the door ends what came through it.
pub struct OpenDoor {
    principal: Arc<Principal>,
    _end: LeaseEnd,
}

impl OpenDoor {
    /// Opens the door to everybody who can reach it, and warns in the log that it did.
    #[must_use]
    pub fn let_everybody_in() -> Self {
        tracing::warn!("Authentication is OFF: everybody who can connect has full access");
        let (principal, end) = Principal::local();
        Self { principal: Arc::new(principal), _end: end }
    }
}

impl Authenticate for OpenDoor {
    fn authenticate(
        &self,
        _presented: &[u8],
        _caller: &Caller,
        _now: SystemTime,
    ) -> Result<Arc<Principal>, Refusal> {
        Ok(Arc::clone(&self.principal))
    }

    fn stranger(&self) -> Option<Arc<Principal>> {
        Some(Arc::clone(&self.principal))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(known) => f.debug_tuple("Now").field(known).finish(),
            Self::Later(_) => f.write_str("Later(…)"),
        }
    }
}

impl fmt::Debug for OpenDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenDoor")
    }
}
