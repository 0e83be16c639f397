//! What other servers made, by the digest of what is presented here.

use std::time::SystemTime;

use mcp_identity::{SessionId, TokenHash, TokenId};
use mcp_store::{BoxFuture, Change, SharedStore, StoreError};
use tokio_postgres::types::Type;

use crate::store::PostgresStore;

impl PostgresStore {
    /// A row that another system wrote, or whose name cannot be read, is not found: there is no name
    /// to read it by.
    async fn behind(
        &self,
        hashes: &[TokenHash],
        now: SystemTime,
    ) -> Result<Vec<Change>, StoreError> {
        const SQL: &str = "SELECT public_id::text, NULL FROM user_sessions \
              WHERE token_jti = ANY($1) AND public_id IS NOT NULL AND expires_at > $2 \
            UNION ALL SELECT NULL, id::text FROM mcp_tokens \
              WHERE hash = ANY($1) AND (expires_at > $2) IS NOT FALSE";
        let hashes: Vec<String> = hashes.iter().map(TokenHash::to_hex).collect();
        let values: crate::pool::Values<'_> =
            &[(&hashes, Type::TEXT_ARRAY), (&now, Type::TIMESTAMPTZ)];
        let mut changes = Vec::new();
        for row in self.pool().read(SQL, values).await? {
            let session: Option<&str> = self.reader().get(&row, 0)?;
            let token: Option<&str> = self.reader().get(&row, 1)?;
            changes.extend(session.and_then(SessionId::parse).map(Change::Session));
            changes.extend(token.and_then(|id| TokenId::parse(id).ok()).map(Change::Token));
        }
        Ok(changes)
    }
}

impl SharedStore for PostgresStore {
    fn changes_behind<'a>(
        &'a self,
        hashes: &'a [TokenHash],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Vec<Change>, StoreError>> {
        Box::pin(self.behind(hashes, now))
    }
}
