//! API tokens.

use std::time::SystemTime;

use mcp_identity::{DatabaseName, DbRole, TokenHash};
use mcp_store::{
    BoxFuture, Change, Changes, InsertRejection, RemoveRejection, RotateRejection, Rotated,
    Rotation, StoreError, TokenRecord, TokenSelector, TokenStore,
};
use serde_json::Value;
use tokio_postgres::types::{ToSql, Type};

use crate::fault::Fault;
use crate::rows::{TOKEN, list};
use crate::store::PostgresStore;

/// The index that keeps hashes apart.
const HASHES: &str = "uq_mcp_tokens_hash";

/// Keeps a token.
pub(crate) const INSERT: &str = "INSERT INTO mcp_tokens (id, hash, note, database, created_at, \
    expires_at, roles, db_role, tools, read_only) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

impl PostgresStore {
    async fn all_tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let sql = format!("SELECT {TOKEN} FROM mcp_tokens ORDER BY seq");
        let rows = self.pool().read(&sql, &[]).await?;
        rows.iter().map(|row| self.reader().token(row)).collect()
    }

    async fn find_token(&self, hash: TokenHash) -> Result<Option<TokenRecord>, StoreError> {
        let sql = format!("SELECT {TOKEN} FROM mcp_tokens WHERE hash = $1");
        let rows = self.pool().read(&sql, &[(&hash.to_hex(), Type::TEXT)]).await?;
        rows.first().map(|row| self.reader().token(row)).transpose()
    }

    async fn insert_token(&self, record: TokenRecord) -> Result<(), InsertRejection> {
        match self.pool().write(INSERT, &Columns::of(&record).values()).await {
            Ok(_) => {
                self.tell([Change::Token(record.id)]);
                Ok(())
            }
            Err(Fault::Taken(index)) if index == HASHES => Err(InsertRejection::HashTaken),
            Err(Fault::Taken(_)) => Err(InsertRejection::IdTaken),
            Err(other) => Err(other.into_store().into()),
        }
    }

    async fn remove_token(&self, selector: TokenSelector) -> Result<TokenRecord, RemoveRejection> {
        let (condition, text) = condition(&selector).ok_or(RemoveRejection::NotFound)?;
        // The count, and the one record that is gone.
        let sql = format!(
            "WITH named AS (SELECT seq FROM mcp_tokens WHERE {condition} FOR UPDATE), \
                  gone AS (DELETE FROM mcp_tokens WHERE seq IN (SELECT seq FROM named) \
                           AND (SELECT count(*) FROM named) = 1 RETURNING {TOKEN}) \
             SELECT gone.*, (SELECT count(*) FROM named) FROM (VALUES (1)) AS one \
             LEFT JOIN gone ON true"
        );
        let rows = self.pool().write(&sql, &[(&text, Type::TEXT)]).await;
        let rows = rows.map_err(Fault::into_store)?;
        let Some(row) = rows.first() else { return Err(RemoveRejection::NotFound) };
        let named: i64 = self.reader().get(row, 10)?;
        match (self.reader().get::<Option<&str>>(row, 0)?, usize::try_from(named)) {
            (Some(_), _) => {
                let removed = self.reader().token(row)?;
                self.tell([Change::Token(removed.id.clone())]);
                Ok(removed)
            }
            (None, Ok(several @ 2..)) => Err(RemoveRejection::Ambiguous(several)),
            // None, or one that somebody else removed meanwhile.
            (None, _) => Err(RemoveRejection::NotFound),
        }
    }

    async fn remove_expired_tokens(&self, now: SystemTime) -> Result<usize, StoreError> {
        let sql = format!("DELETE FROM mcp_tokens WHERE expires_at <= $1 RETURNING {TOKEN}");
        let rows = self.pool().write(&sql, &[(&now, Type::TIMESTAMPTZ)]).await;
        let rows = rows.map_err(Fault::into_store)?;
        if !rows.is_empty() {
            self.tell([Change::Everything]);
        }
        Ok(rows.len())
    }
}

/// What tells the records that are meant, and its `$1`. `None`: it can mean none.
pub(crate) fn condition(selector: &TokenSelector) -> Option<(&'static str, &str)> {
    match selector {
        TokenSelector::Id(id) => Some(("id = $1", id.as_str())),
        TokenSelector::HashPrefix(prefix) if is_prefix(prefix) => Some(("hash ^@ $1", prefix)),
        TokenSelector::HashPrefix(_) => None,
    }
}

/// A record in the columns of [`INSERT`].
pub(crate) struct Columns<'a> {
    record: &'a TokenRecord,
    id: &'a str,
    hash: String,
    database: Option<&'a str>,
    roles: Value,
    db_role: Option<&'a str>,
    tools: Option<Value>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(record: &'a TokenRecord) -> Self {
        Self {
            record,
            id: record.id.as_str(),
            hash: record.hash.to_hex(),
            database: record.database.as_ref().map(DatabaseName::as_str),
            roles: list(&record.roles),
            db_role: record.db_role.as_ref().map(DbRole::as_str),
            tools: record.tools.as_ref().map(list),
        }
    }

    pub(crate) fn values(&self) -> [(&(dyn ToSql + Sync), Type); 10] {
        [
            (&self.id, Type::TEXT),
            (&self.hash, Type::TEXT),
            (&self.record.note, Type::TEXT),
            (&self.database, Type::TEXT),
            (&self.record.created_at, Type::TIMESTAMPTZ),
            (&self.record.expires_at, Type::TIMESTAMPTZ),
            (&self.roles, Type::JSONB),
            (&self.db_role, Type::TEXT),
            (&self.tools, Type::JSONB),
            (&self.record.read_only, Type::BOOL),
        ]
    }
}

/// Why a rotation did not come to be.
pub(crate) fn rejected(fault: Fault) -> RotateRejection {
    match fault {
        Fault::Taken(index) if index == HASHES => RotateRejection::HashTaken,
        Fault::Taken(_) => RotateRejection::IdTaken,
        other => other.into_store().into(),
    }
}

/// Can this be the beginning of a hash?
fn is_prefix(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (TokenSelector::MIN_PREFIX..=64).contains(&text.len()) && text.bytes().all(digit)
}

impl TokenStore for PostgresStore {
    fn all(&self) -> BoxFuture<'_, Result<Vec<TokenRecord>, StoreError>> {
        Box::pin(self.all_tokens())
    }

    fn find(&self, hash: TokenHash) -> BoxFuture<'_, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(self.find_token(hash))
    }

    fn insert(&self, record: TokenRecord) -> BoxFuture<'_, Result<(), InsertRejection>> {
        Box::pin(self.insert_token(record))
    }

    fn rotate(
        &self,
        selector: TokenSelector,
        rotation: Rotation,
    ) -> BoxFuture<'_, Result<Rotated, RotateRejection>> {
        Box::pin(self.rotate_token(selector, rotation))
    }

    fn remove(
        &self,
        selector: TokenSelector,
    ) -> BoxFuture<'_, Result<TokenRecord, RemoveRejection>> {
        Box::pin(self.remove_token(selector))
    }

    fn remove_expired(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.remove_expired_tokens(now))
    }

    fn changes(&self) -> Changes {
        self.told().tokens.listen()
    }
}
