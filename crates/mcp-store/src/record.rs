//! The records.

use std::collections::BTreeSet;
use std::time::SystemTime;

use mcp_identity::{
    DatabaseGrant, DatabaseName, DbRole, Grants, RoleName, TokenHash, TokenId, ToolName,
};

/// One API token as it is kept: everything but the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Unique in its store.
    pub id: TokenId,
    /// SHA-256 of the token's text. Unique in its store.
    pub hash: TokenHash,
    /// What it is for, in its owner's words. Hostile text: escape it before showing it.
    pub note: String,
    /// The only database it reaches; `None`: the first in file order.
    pub database: Option<DatabaseName>,
    /// When it was made.
    pub created_at: SystemTime,
    /// The first instant at which it no longer holds; `None`: never by itself.
    pub expires_at: Option<SystemTime>,
    /// Application roles.
    pub roles: BTreeSet<RoleName>,
    /// The PostgreSQL role that its connections run as.
    pub db_role: Option<DbRole>,
    /// The only tools it may call; `None`: every tool.
    pub tools: Option<BTreeSet<ToolName>>,
    /// Never writes, whatever the database allows.
    pub read_only: bool,
}

impl TokenRecord {
    /// A record with nothing but its identity: no note, no roles, every tool, reads and writes,
    /// the first database, for ever. Set the fields that should say otherwise.
    #[must_use]
    pub fn new(id: TokenId, hash: TokenHash, created_at: SystemTime) -> Self {
        Self {
            id,
            hash,
            note: String::new(),
            database: None,
            created_at,
            expires_at: None,
            roles: BTreeSet::new(),
            db_role: None,
            tools: None,
            read_only: false,
        }
    }

    /// Is its time over at `now`?
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Does the other record open the same doors for as long? The note and the time of making
    /// open nothing: who only edits those puts nobody out.
    #[must_use]
    pub fn same_authority(&self, other: &Self) -> bool {
        let Self {
            id,
            hash,
            note: _,
            database,
            created_at: _,
            expires_at,
            roles,
            db_role,
            tools,
            read_only,
        } = self;
        *id == other.id
            && *hash == other.hash
            && *database == other.database
            && *expires_at == other.expires_at
            && *roles == other.roles
            && *db_role == other.db_role
            && *tools == other.tools
            && *read_only == other.read_only
    }

    /// The rights that this record gives.
    #[must_use]
    pub fn grants(&self) -> Grants {
        let databases = match &self.database {
            Some(name) => DatabaseGrant::One(name.clone()),
            None => DatabaseGrant::First,
        };
        Grants {
            roles: self.roles.clone(),
            databases,
            db_role: self.db_role.clone(),
            tools: self.tools.clone(),
            read_only: self.read_only,
        }
    }
}
