//! The vocabulary of being let in: who calls, what they may do, and until when.
//!
//! Everything above speaks these words: a [`PlainToken`] comes off the wire and becomes a
//! [`TokenHash`]; the hash finds a [`Principal`]; the principal carries its [`Grants`] and its
//! [`Lease`], the authority that ends the moment the credential does. A check that fails is a
//! [`Denial`]; which status and body it gets is decided at the edge, not here.
//!
//! This crate does no input or output and starts nothing. Time and random bytes are arguments:
//! whoever owns a loop holds a [`Clock`]; whoever mints a secret holds an [`Entropy`].
//!
//! ```
//! use mcp_identity::{PlainToken, SystemEntropy, TokenHash};
//!
//! let token = PlainToken::generate(&SystemEntropy)?;
//! assert_eq!(token.expose().len(), 44);
//! // Stores keep the digest; the token itself is shown once and forgotten.
//! let kept = TokenHash::of(&token);
//! assert_eq!(kept, TokenHash::parse_hex(&kept.to_hex()).unwrap());
//! assert_eq!(format!("{token:?}"), "PlainToken(…)");
//! # Ok::<(), mcp_identity::EntropyError>(())
//! ```

#![warn(missing_docs)]

mod ambient;
mod audit;
mod caller;
mod denial;
mod grants;
mod lease;
mod name;
mod principal;
mod secret;
mod user;

pub use ambient::{Clock, Entropy, EntropyError, SystemClock, SystemEntropy};
pub use audit::{Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, NoAudit, Subject};
pub use caller::{Caller, RequestId};
pub use denial::{CredentialFault, Denial};
pub use grants::{DatabaseGrant, Grants, RoleName};
pub use lease::{EndReason, Lease, LeaseEnd};
pub use name::{DatabaseName, DbRole, NameError, TokenId, ToolName};
pub use principal::{Principal, PrincipalId};
pub use secret::{
    HashParseError, Password, PlainToken, SigningSecret, SigningSecretError, TokenHash,
};
pub use user::{SessionId, UserName};
