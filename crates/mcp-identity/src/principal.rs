//! Who was let in.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use crate::grants::{DatabaseGrant, Grants};
use crate::lease::{Lease, LeaseEnd};
use crate::name::TokenId;
use crate::user::{SessionId, UserName};

/// One credential that was found to hold: who, with what rights, for as long as the lease lasts.
///
/// Made by `mcp-auth` alone, from a record; and by [`Principal::local`] where there is no
/// authentication to do. Everything that acts for a caller takes a `&Principal`.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Names the credential, not the person: two sessions of one user are two principals.
    pub id: PrincipalId,
    /// Whose it is, where a person stands behind it.
    pub user: Option<UserName>,
    /// What it may do.
    pub grants: Grants,
    /// When the record says it is over; `None`: never by itself.
    pub expires_at: Option<SystemTime>,
    /// Ends when the credential does, for whatever reason.
    pub lease: Lease,
}

impl Principal {
    /// The caller on stdio, or on a server that runs without authentication: every configured
    /// database, with writes where the database allows them. Lasts until the handle is dropped.
    #[must_use]
    pub fn local() -> (Self, LeaseEnd) {
        let (lease, end) = Lease::new();
        let grants = Grants {
            roles: BTreeSet::new(),
            databases: DatabaseGrant::All,
            db_role: None,
            tools: None,
            read_only: false,
        };
        (Self { id: PrincipalId::Local, user: None, grants, expires_at: None, lease }, end)
    }
}

/// Names a credential for as long as it exists. Shown in logs and as PostgreSQL's
/// `application_name`; not a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalId {
    /// An API token.
    Token(TokenId),
    /// A login session of a user.
    Session(SessionId),
    /// A session that is good for the change of its user's password, and for nothing else. Only a
    /// door that asks for it lets it in.
    PasswordChange(SessionId),
    /// The caller on stdio or without authentication.
    Local,
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(id) => write!(f, "token:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::PasswordChange(id) => write!(f, "password-change:{id}"),
            Self::Local => f.write_str("local"),
        }
    }
}
