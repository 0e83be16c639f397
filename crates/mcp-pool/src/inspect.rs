//! What a database's login may do beyond what an agent should: looked at when it is first used,
//! and by whoever starts or checks a server.

use std::io;

use mcp_connect::{ConnectError, Connection, SessionSettings, Target, Transaction, WireError};
use mcp_identity::DbRole;
use tokio::time::timeout;

/// One row, one truth value. The accounts of this product are known by the table that says which
/// release made them, `mcp_schema`; what counts is every role that the login is a member of,
/// because a function may change to any of them.
const READS_ACCOUNTS: &str = "\
    SELECT EXISTS (
      SELECT FROM pg_catalog.pg_class AS release
        JOIN pg_catalog.pg_class AS kept ON kept.relnamespace = release.relnamespace
        JOIN pg_catalog.pg_roles AS role ON pg_catalog.pg_has_role(session_user, role.oid, 'MEMBER')
       WHERE release.relname = 'mcp_schema' AND release.relkind IN ('r', 'p', 'f')
         AND 2 = (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute AS a
                   WHERE a.attrelid = release.oid AND NOT a.attisdropped
                     AND a.attname IN ('version', 'min_reader'))
         AND kept.relkind IN ('r', 'p', 'f', 'v')
         AND kept.relname IN ('users', 'email_users', 'mcp_tokens', 'password_reset_tokens',
                              'user_sessions', 'password_history', 'auth_events')
         AND pg_catalog.has_schema_privilege(role.oid, kept.relnamespace, 'USAGE')
         AND pg_catalog.has_any_column_privilege(role.oid, kept.oid, 'SELECT'))";

/// What a login may do and must not, unless its operator says that it is meant. `Display` is for
/// the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TooMuch {
    /// More than SQL.
    #[error(
        "its login or role is superuser, has replication, or reaches the server's files or programs"
    )]
    Privileged,
    /// The tables of accounts, sessions or reset tokens of this product lie in the database.
    #[error("its login can read the accounts, sessions or reset tokens of this server")]
    ReadsAccounts,
}

impl TooMuch {
    /// What the operator can do about it.
    #[must_use]
    pub fn way_out(self) -> &'static str {
        match self {
            Self::Privileged => {
                "give it a role that may only do what an agent should, or say \
                 allow_superuser: true on the database"
            }
            Self::ReadsAccounts => {
                "give it a role without rights on those tables or put them into a database of \
                 their own; or say allow_shared_auth_database: true under users"
            }
        }
    }
}

/// Connects once, as a target's login and this role, and finds what they may do and should not.
///
/// # Errors
/// When the database cannot be reached or refuses; bounded by the target's timeouts.
pub async fn inspect(target: &Target, role: Option<&DbRole>) -> Result<Vec<TooMuch>, ConnectError> {
    let session = SessionSettings {
        application_name: "mcp-server".into(),
        role: role.map(|role| role.as_str().to_owned()),
        ..SessionSettings::default()
    };
    let mut connection = Connection::connect(target, &session).await?;
    let lost = |source| ConnectError::Io { host: target.to_string(), source };
    match timeout(target.connect_timeout, look(&mut connection)).await {
        Ok(found) => found.map_err(|fault| lost(io::Error::other(fault.to_string()))),
        Err(_) => Err(lost(io::ErrorKind::TimedOut.into())),
    }
}

/// Looks at the login of a connection that runs nothing yet.
pub(crate) async fn look(connection: &mut Connection) -> Result<Vec<TooMuch>, WireError> {
    let privileged = connection.is_privileged();
    let mut asked = connection.start(Transaction::ReadOnly, READS_ACCOUNTS, &[]).await?;
    // What cannot be told counts as too much.
    let reads_accounts = asked.next().await?.is_none_or(|row| row.get(0) != Some("f"));
    asked.finish().await?;
    let found = [(privileged, TooMuch::Privileged), (reads_accounts, TooMuch::ReadsAccounts)];
    Ok(found.into_iter().filter_map(|(found, what)| found.then_some(what)).collect())
}
