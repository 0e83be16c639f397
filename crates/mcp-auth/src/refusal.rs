//! Why somebody does not come in.

use std::time::Duration;

use mcp_identity::{CredentialFault, Denial};

/// When to ask again while a store is down: it is tried more often than that.
pub(crate) const ASK_AGAIN_LATER: Duration = Duration::from_secs(5);

/// Why somebody does not come in.
///
/// Matched exhaustively on purpose: the two have different answers at every edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller was looked at, and refused.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// A store is down, so nobody knows whether the credential holds. Says nothing about it, and
    /// counts as nothing.
    #[error("it cannot be known whether the credential holds")]
    Down {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// What a look at the index did not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// The credential does not hold.
    Fault(CredentialFault),
    /// It may hold: the index is not what the store says.
    Unsure,
}

impl From<Miss> for Refusal {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Fault(fault) => Self::Denied(Denial::BadCredential(fault)),
            Miss::Unsure => Self::Down { retry_after: ASK_AGAIN_LATER },
        }
    }
}
