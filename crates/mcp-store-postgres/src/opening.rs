//! Sessions as they are opened: one statement, which also tells what there is of them.

use std::time::SystemTime;

use mcp_identity::SessionId;
use mcp_store::{Change, Entered, LoginSession, OpenRejection, Opening, Seen, StoredHash};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::accounts::Rule;
use crate::fault::Fault;
use crate::rows::{ACCOUNT, ACCOUNT_COLUMNS, lock_until};
use crate::store::PostgresStore;

const OPEN: &str = "mcp_open_session($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
    $15, $16, $17)";
const OPEN_AND_FREE: &str = "mcp_open_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
    $13, $14, $15, $16, $17, $18, $19)";

/// The account as it was when the statement began, what was done, and times as they are kept.
fn statement(opens: &str) -> String {
    format!(
        "SELECT account.*, done.outcome, done.lock, done.ended, $12, $13, $14 \
         FROM {opens} AS done LEFT JOIN (SELECT {ACCOUNT} FROM users WHERE name_key = $1) \
         AS account ON true"
    )
}

impl PostgresStore {
    /// Opens a session; `place` is of the address that it comes from, and free afterwards.
    pub(crate) async fn let_in(
        &self,
        opening: Opening,
        place: Option<(String, SystemTime)>,
    ) -> Result<Entered, OpenRejection> {
        let Opening { session, ticket, policy, account_made, checked, stronger, limit, now } =
            &opening;
        let Rule { lasts, holds, .. } = Rule::of(policy);
        let room = i64::try_from(*limit).unwrap_or(i64::MAX);
        let (stronger, ticket) = (stronger.as_ref().map(StoredHash::expose), ticket.time());
        let (key, id, token) = (session.user.key(), session.id.as_str(), session.hash.to_hex());
        let (checked, from) = (checked.expose(), session.address.map(|it| it.to_string()));
        let scope = session.scope.as_str();
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![
            (&key, Type::TEXT),
            (account_made, Type::TIMESTAMPTZ),
            (&checked, Type::TEXT),
            (&stronger, Type::TEXT),
            (&ticket, Type::TIMESTAMPTZ),
            (&lasts, Type::INT8),
            (&holds, Type::INT8),
            (&room, Type::INT8),
            (now, Type::TIMESTAMPTZ),
            (&id, Type::TEXT),
            (&token, Type::TEXT),
            (&session.created_at, Type::TIMESTAMPTZ),
            (&session.expires_at, Type::TIMESTAMPTZ),
            (&session.last_used, Type::TIMESTAMPTZ),
            (&from, Type::TEXT),
            (&session.agent, Type::TEXT),
            (&scope, Type::TEXT),
        ];
        if let Some((address, taken)) = &place {
            values
                .extend([(address as &(dyn ToSql + Sync), Type::TEXT), (taken, Type::TIMESTAMPTZ)]);
        }
        let sql = statement(if place.is_some() { OPEN_AND_FREE } else { OPEN });
        let rows = self.pool().write(&sql, &values).await.map_err(Fault::into_store)?;
        let row = rows.first().ok_or(OpenRejection::Changed)?;
        self.opened(row, &opening)
    }

    fn opened(&self, row: &Row, opening: &Opening) -> Result<Entered, OpenRejection> {
        let lock: Option<SystemTime> = self.reader().get(row, ACCOUNT_COLUMNS + 1)?;
        match (self.reader().get(row, ACCOUNT_COLUMNS)?, lock) {
            ("opened", _) => {}
            ("locked", Some(end)) => return Err(OpenRejection::Locked(lock_until(end))),
            _ => return Err(OpenRejection::Changed),
        }
        let ended: Option<Vec<String>> = self.reader().get(row, ACCOUNT_COLUMNS + 2)?;
        let ended = ended.unwrap_or_default();
        let ended: Vec<SessionId> = ended.iter().filter_map(|id| SessionId::parse(id)).collect();
        let rehashed =
            opening.stronger.as_ref().map(|_| Change::User(opening.session.user.clone()));
        let sessions = ended.iter().chain([&opening.session.id]).cloned().map(Change::Session);
        self.tell(rehashed.into_iter().chain(sessions));
        Ok(Entered { ended, seen: self.seen(row, opening).map(Box::new) })
    }

    /// `None`: the account was another one when the statement began, or cannot be read. That is for
    /// whoever reads it by name to say.
    fn seen(&self, row: &Row, opening: &Opening) -> Option<Seen> {
        let mut record = self.reader().account(row).ok()?.record;
        if !record.enabled || record.created_at != opening.account_made {
            return None;
        }
        if let Some(stronger) = &opening.stronger {
            record.password = stronger.clone();
        }
        let time = |at| self.reader().get(row, ACCOUNT_COLUMNS + at).ok();
        let (created_at, expires_at, last_used) = (time(3)?, time(4)?, time(5)?);
        let session = LoginSession { created_at, expires_at, last_used, ..opening.session.clone() };
        Some(Seen { record, session })
    }
}
