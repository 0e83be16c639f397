//! Sessions as they are kept.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::SystemTime;

use mcp_identity::{SessionId, TokenHash, UserName};
use mcp_store::{LoginSession, SessionScope, SessionSelector, StoreError};
use rusqlite::{Params, Row};

use super::columns::{nanoseconds, parsed, time};
use super::connection::Tables;
use super::kept::AccountKey;

/// A session, and which account of its name it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptSession {
    pub(crate) account: AccountKey,
    pub(crate) session: LoginSession,
}

/// A row of `session`, as [`read`] takes it.
const ROW: &str =
    "number, id, hash, name, made, shown, created_at, expires_at, last_used, address, agent, scope";

impl Tables<'_> {
    /// Every session, in the order in which they were opened.
    pub(crate) fn sessions(&self) -> Result<Vec<KeptSession>, StoreError> {
        self.in_order(&format!("SELECT {ROW} FROM session"), ())
    }

    /// Those of that account.
    pub(crate) fn sessions_of(&self, of: &AccountKey) -> Result<Vec<KeptSession>, StoreError> {
        let statement = format!("SELECT {ROW} FROM session WHERE name = ?1 AND made = ?2");
        self.in_order(&statement, (&of.name, of.made))
    }

    /// The session of that id.
    pub(crate) fn session(&self, id: &SessionId) -> Result<Option<KeptSession>, StoreError> {
        let found =
            self.in_order(&format!("SELECT {ROW} FROM session WHERE id = ?1"), (id.as_str(),));
        Ok(found?.pop())
    }

    /// Has a session that id or that token?
    pub(crate) fn is_taken(&self, session: &LoginSession) -> Result<bool, StoreError> {
        self.run("look for a session", |db| {
            let statement = "SELECT EXISTS (SELECT 1 FROM session WHERE id = ?1 OR hash = ?2)";
            let ids = (session.id.as_str(), session.hash.to_hex());
            db.query_row(statement, ids, |row| row.get(0))
        })
    }

    /// Keeps a new session of that account.
    pub(crate) fn insert(
        &self,
        account: &AccountKey,
        session: &LoginSession,
    ) -> Result<(), StoreError> {
        self.run("open a session", |db| {
            db.execute(
                "INSERT INTO session (id, hash, name, made, shown, created_at, expires_at, \
                 last_used, address, agent, scope) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                (
                    session.id.as_str(),
                    session.hash.to_hex(),
                    &account.name,
                    account.made,
                    session.user.as_str(),
                    nanoseconds(session.created_at),
                    nanoseconds(session.expires_at),
                    nanoseconds(session.last_used),
                    session.address.map(|address| address.to_string()),
                    session.agent.as_deref(),
                    session.scope.as_str(),
                ),
            )?;
            Ok(())
        })
    }

    /// Ends the sessions that `selector` names, and gives them in the order of their opening.
    pub(crate) fn end(&self, selector: &SessionSelector) -> Result<Vec<LoginSession>, StoreError> {
        let ended = match selector {
            SessionSelector::Id(id) => self.in_order(&deleting("WHERE id = ?1"), (id.as_str(),))?,
            SessionSelector::OfUser(user, except) => {
                let but = except.as_ref().map(SessionId::as_str);
                self.in_order(&deleting("WHERE name = ?1 AND id IS NOT ?2"), (user.key(), but))?
            }
            SessionSelector::All => self.in_order(&deleting(""), ())?,
        };
        Ok(ended.into_iter().map(|kept| kept.session).collect())
    }

    /// Ends what is too much for one more session of that account: those used least recently.
    pub(crate) fn make_room(
        &self,
        account: &AccountKey,
        limit: usize,
        now: SystemTime,
    ) -> Result<Vec<SessionId>, StoreError> {
        let Some(others) = limit.checked_sub(1) else { return Ok(Vec::new()) };
        let statement = "DELETE FROM session WHERE number IN ( \
                         SELECT number FROM session \
                         WHERE name = ?1 AND made = ?2 AND expires_at > ?3 \
                         ORDER BY last_used DESC, number DESC LIMIT -1 OFFSET ?4) RETURNING id";
        let stay = i64::try_from(others).unwrap_or(i64::MAX);
        self.ids(statement, (&account.name, account.made, nanoseconds(now), stay))
    }

    /// Ends those that are over at `now`.
    pub(crate) fn end_expired(&self, now: SystemTime) -> Result<Vec<SessionId>, StoreError> {
        let statement = "DELETE FROM session WHERE expires_at <= ?1 RETURNING id";
        self.ids(statement, (nanoseconds(now),))
    }

    /// Ends those of that account.
    pub(crate) fn end_of(&self, account: &AccountKey) -> Result<Vec<SessionId>, StoreError> {
        let statement = "DELETE FROM session WHERE name = ?1 AND made = ?2 RETURNING id";
        self.ids(statement, (&account.name, account.made))
    }

    /// The accounts that have sessions, whether or not they still are.
    pub(crate) fn owners(&self) -> Result<HashSet<AccountKey>, StoreError> {
        self.run("read whose sessions there are", |db| {
            let mut statement = db.prepare("SELECT DISTINCT name, made FROM session")?;
            let read = |row: &Row<'_>| Ok(AccountKey { name: row.get(0)?, made: row.get(1)? });
            statement.query_map((), read)?.collect()
        })
    }

    /// Notes a use, unless a later one is known.
    pub(crate) fn touch(&self, id: &SessionId, used: SystemTime) -> Result<(), StoreError> {
        self.run("note a use", |db| {
            let statement = "UPDATE session SET last_used = max(last_used, ?2) WHERE id = ?1";
            db.execute(statement, (id.as_str(), nanoseconds(used)))?;
            Ok(())
        })
    }

    fn in_order(
        &self,
        statement: &str,
        values: impl Params,
    ) -> Result<Vec<KeptSession>, StoreError> {
        self.run("read the sessions", |db| {
            let mut statement = db.prepare(statement)?;
            let found = statement.query_map(values, read)?;
            let mut found = found.collect::<rusqlite::Result<Vec<_>>>()?;
            // What a deletion returns is in no order.
            found.sort_unstable_by_key(|(number, _)| *number);
            Ok(found.into_iter().map(|(_, kept)| kept).collect())
        })
    }

    fn ids(&self, statement: &str, values: impl Params) -> Result<Vec<SessionId>, StoreError> {
        self.run("end sessions", |db| {
            let mut statement = db.prepare(statement)?;
            statement.query_map(values, |row| id(row, 0))?.collect()
        })
    }
}

fn deleting(which: &str) -> String {
    format!("DELETE FROM session {which} RETURNING {ROW}")
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<SessionId> {
    parsed(column, SessionId::parse(&row.get::<_, String>(column)?))
}

/// A session, and its number.
fn read(row: &Row<'_>) -> rusqlite::Result<(i64, KeptSession)> {
    let text = |column| row.get::<_, String>(column);
    let at = |column| Ok::<_, rusqlite::Error>(time(row.get(column)?));
    let address: Option<String> = row.get(9)?;
    let address = address.map(|address| parsed(9, address.parse::<IpAddr>().ok())).transpose()?;
    let session = LoginSession {
        id: id(row, 1)?,
        hash: parsed(2, TokenHash::parse_hex(&text(2)?).ok())?,
        user: parsed(5, UserName::parse(&text(5)?).ok())?,
        created_at: at(6)?,
        expires_at: at(7)?,
        last_used: at(8)?,
        address,
        agent: row.get(10)?,
        scope: parsed(11, SessionScope::parse(&text(11)?))?,
    };
    let account = AccountKey { name: text(3)?, made: row.get(4)? };
    Ok((row.get(0)?, KeptSession { account, session }))
}
