//! Accounts as they are read: all of them, some of them, or one.

use mcp_identity::UserName;
use mcp_store::{Account, StoreError};
use tokio_postgres::types::Type;

use crate::pool::Values;
use crate::rows::ACCOUNT;
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
}
