//! What a principal may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::name::{DatabaseName, DbRole, ToolName};

/// The rights of one credential, as its record states them; never what the client claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Application roles. Unknown ones grant nothing here and only reach PostgreSQL in `mcp.roles`.
    pub roles: BTreeSet<RoleName>,
    /// Which configured databases it reaches.
    pub databases: DatabaseGrant,
    /// The PostgreSQL role that its connections run as, if not the login's own.
    pub db_role: Option<DbRole>,
    /// The only tools it may call; `None`: every tool.
    pub tools: Option<BTreeSet<ToolName>>,
    /// Never writes, whatever the database allows.
    pub read_only: bool,
}

impl Grants {
    /// May this principal write where a database allows it? One that has the role `viewer` never
    /// does, whatever other roles it has.
    #[must_use]
    pub fn may_write(&self) -> bool {
        !self.read_only && !self.roles.iter().any(|role| role.as_str() == VIEWER)
    }

    /// May this principal call the tool of that name?
    #[must_use]
    pub fn allows_tool(&self, name: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|tool| tool.as_str() == name))
    }
}

/// The role that reads and never writes.
const VIEWER: &str = "viewer";

/// Which of the configured databases a credential reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseGrant {
    /// The first in file order, and no other: an API token that names none.
    First,
    /// Exactly this one: an API token bound to a database. Unknown: none at all.
    One(DatabaseName),
    /// Exactly these: a user whose record names some.
    Some(BTreeSet<DatabaseName>),
    /// Every configured one that is open to its caller: the local caller on stdio, and a user
    /// whose record names none.
    All,
}

impl DatabaseGrant {
    /// The databases it reaches out of those `configured`, in file order. The first is the default.
    pub fn reached<'a>(
        &'a self,
        configured: &'a [DatabaseName],
    ) -> impl Iterator<Item = &'a DatabaseName> {
        configured.iter().enumerate().filter_map(move |(place, name)| {
            let reached = match self {
                Self::First => place == 0,
                Self::One(bound) => bound == name,
                Self::Some(named) => named.contains(name),
                Self::All => true,
            };
            reached.then_some(name)
        })
    }
}

/// An application role. `admin`, `operator` and `viewer` mean something here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// Takes 1 to 63 ASCII letters, digits, `_` or `-`. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=63).contains(&text.len());
        let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        (fits && text.bytes().all(safe)).then(|| Self(text.into()))
    }

    /// The role as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<DatabaseName> {
        texts.iter().map(|text| DatabaseName::parse(text).unwrap()).collect()
    }

    #[test]
    fn an_unbound_token_reaches_the_first_database_in_file_order_and_no_other() {
        let configured = names(&["zulu", "alpha"]);
        let reached: Vec<_> = DatabaseGrant::First.reached(&configured).collect();
        assert_eq!(reached, [&configured[0]]);
    }

    #[test]
    fn a_viewer_never_writes_whatever_else_he_is() {
        let grants = |roles: &[&str], read_only| Grants {
            roles: roles.iter().map(|role| RoleName::parse(role).unwrap()).collect(),
            databases: DatabaseGrant::All,
            db_role: None,
            tools: None,
            read_only,
        };
        assert!(grants(&[], false).may_write() && grants(&["operator"], false).may_write());
        assert!(!grants(&["admin", "viewer"], false).may_write());
        assert!(!grants(&["admin"], true).may_write());
    }

    #[test]
    fn a_token_bound_to_a_database_that_is_gone_reaches_none() {
        let configured = names(&["zulu", "alpha"]);
        let bound = DatabaseGrant::One(DatabaseName::parse("gone").unwrap());
        assert_eq!(bound.reached(&configured).count(), 0);
    }
}
