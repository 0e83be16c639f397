//! In which form somebody holds what opens the doors to a session.
//!
//! ```text
//!   opaque: 32 random bytes          the record holds their digest
//!   JWT:    claims that name it      the record holds what `jti` says, and all that counts
//! ```
//!
//! Either way the record is what decides: without a live one, no credential opens anything.

#[cfg(feature = "jwt")]
mod jwt;
#[cfg(not(feature = "jwt"))]
mod none;

use mcp_identity::{TokenHash, UserName};

#[cfg(feature = "jwt")]
pub(crate) use jwt::Jwt;
#[cfg(not(feature = "jwt"))]
pub(crate) use none::Jwt;

/// In which form the credential of a new session is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Issue {
    /// Random bytes that say nothing.
    #[default]
    Opaque,
    /// A JWT, where there is a secret to sign it with; else random bytes.
    Configured,
}

/// The session that a JWT names, and whose it says that it is. Proof of nothing but the signature.
pub(crate) struct Named {
    pub(crate) session: TokenHash,
    pub(crate) user: UserName,
}
