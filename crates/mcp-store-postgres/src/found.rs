//! Accounts as they are read: all of them, some of them, or one; with their sessions, and the
//! passwords of before.

use mcp_identity::{SessionId, UserName};
use mcp_store::{Account, Excerpt, StoreError, StoredHash};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::pool::Values;
use crate::rows::{ACCOUNT, ACCOUNT_COLUMNS, SESSION};
use crate::store::PostgresStore;

impl PostgresStore {
    pub(crate) async fn all_accounts(&self) -> Result<Vec<Account>, StoreError> {
        let sql = format!("SELECT {ACCOUNT} FROM users ORDER BY id");
        let rows = self.pool().read(&sql, &[]).await?;
        rows.iter().map(|row| self.reader().account(row)).collect()
    }

    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        // In an order that no locale changes.
        let sql = format!(
            "SELECT {ACCOUNT} FROM users WHERE $1 IS NULL OR name_key COLLATE \"C\" > $1 \
             ORDER BY name_key COLLATE \"C\" LIMIT $2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values: Values<'_> = &[(&after, Type::TEXT), (&limit, Type::INT8)];
        let rows = self.pool().read(&sql, values).await?;
        rows.iter().map(|row| self.reader().account(row)).collect()
    }

    pub(crate) async fn account(&self, name: &UserName) -> Result<Option<Account>, StoreError> {
        let sql = format!("SELECT {ACCOUNT} FROM users WHERE name_key = $1");
        let rows = self.pool().read(&sql, &[(&name.key(), Type::TEXT)]).await?;
        rows.first().map(|row| self.reader().account(row)).transpose()
    }

    pub(crate) async fn addressed(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let sql = format!("SELECT {ACCOUNT} FROM users WHERE email_key = $1");
        let key = email.to_lowercase();
        let rows = self.pool().read(&sql, &[(&key, Type::TEXT)]).await?;
        rows.first().map(|row| self.reader().account(row)).transpose()
    }

    /// One statement sees one state of the database: a session and its account fit each other.
    pub(crate) async fn some(
        &self,
        users: &[UserName],
        sessions: &[SessionId],
    ) -> Result<Excerpt, StoreError> {
        let sql = format!(
            "WITH wanted AS (SELECT id FROM users WHERE name_key = ANY ($1) \
             UNION SELECT user_id FROM user_sessions WHERE public_id = ANY ($2)) \
             SELECT {ACCOUNT}, his.* FROM wanted JOIN users u USING (id) LEFT JOIN LATERAL \
             (SELECT {SESSION} FROM user_sessions s WHERE s.user_id = u.id \
             AND s.public_id = ANY ($2)) AS his (session, token, owner, opened, ends, used, origin, \
             client, reach) ON true"
        );
        let keys: Vec<&str> = users.iter().map(UserName::key).collect();
        let ids: Vec<&str> = sessions.iter().map(SessionId::as_str).collect();
        let values: Values<'_> = &[(&keys, Type::TEXT_ARRAY), (&ids, Type::TEXT_ARRAY)];
        let mut excerpt = Excerpt::default();
        for row in self.pool().read(&sql, values).await? {
            let account = self.reader().account(&row)?;
            // An account stands in a row with each of its sessions, or alone in one.
            if !excerpt.accounts.iter().any(|it| it.record.name == account.record.name) {
                excerpt.accounts.push(account);
            }
            if self.reader().get::<Option<&str>>(&row, ACCOUNT_COLUMNS)?.is_some() {
                excerpt.sessions.push(self.reader().session_at(&row, ACCOUNT_COLUMNS)?);
            }
        }
        Ok(excerpt)
    }

    pub(crate) async fn past(
        &self,
        name: &UserName,
        most: usize,
    ) -> Result<Vec<StoredHash>, StoreError> {
        const SQL: &str = "SELECT past.password_hash::text FROM password_history past \
            JOIN users u ON u.id = past.user_id \
            WHERE u.name_key = $1 AND past.password_hash <> u.password_hash \
            ORDER BY past.id DESC LIMIT $2";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values: Values<'_> = &[(&name.key(), Type::TEXT), (&most, Type::INT8)];
        let rows = self.pool().read(SQL, values).await?;
        let hash = |row: &Row| {
            let hash: String = self.reader().get(row, 0)?;
            Ok(StoredHash::new(hash))
        };
        rows.iter().map(hash).collect()
    }
}
