//! Why somebody is not let in.

use std::time::Duration;

/// A refused caller. The client learns only what the edge makes of it (a status and one common
/// body); the variant itself is for the audit log.
///
/// A part that is down never becomes a denial: that is an error of the part.
/// Matched exhaustively on purpose: a new way of refusing must stop the build where it is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Nothing was presented where something is needed.
    #[error("no credential was presented")]
    NoCredential,
    /// Something was presented and does not open this door.
    #[error("the credential does not hold: {0}")]
    BadCredential(CredentialFault),
    /// The credential holds and is not enough.
    #[error("the credential does not reach this far")]
    NotAllowed,
    /// Too many failures from where this came from. Zero is never a wait.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// How long until an attempt is looked at again.
        retry_after: Duration,
    },
}

impl Denial {
    /// A word that never changes, for the audit log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::BadCredential(fault) => fault.code(),
            Self::NotAllowed => "not_allowed",
            Self::TooManyAttempts { .. } => "too_many_attempts",
        }
    }
}

/// What is wrong with a credential. Clients never see the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// Not of the form `Bearer <token>`, or more than one `Authorization` header.
    #[error("malformed")]
    Malformed,
    /// No record has this digest: never made, revoked and forgotten, or guessed.
    #[error("unknown")]
    Unknown,
    /// The record says that its time is over.
    #[error("expired")]
    Expired,
    /// The record ended while it was known here.
    #[error("ended")]
    Ended,
    /// No account has this name.
    #[error("unknown user")]
    UnknownUser,
    /// The password is not the account's.
    #[error("wrong password")]
    WrongPassword,
    /// The account is locked.
    #[error("locked")]
    Locked,
    /// The account is disabled, and the password was right.
    #[error("disabled")]
    Disabled,
}

impl CredentialFault {
    /// A word that never changes, for the audit log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_credential",
            Self::Unknown => "unknown_credential",
            Self::Expired => "expired_credential",
            Self::Ended => "ended_credential",
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::Locked => "locked",
            Self::Disabled => "disabled",
        }
    }
}
