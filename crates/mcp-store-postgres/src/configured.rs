//! What is remembered of a password that a configuration gave to an account.

use mcp_identity::UserName;
use mcp_store::{StoreError, StoredHash};
use tokio_postgres::types::Type;

use crate::fault::Fault;
use crate::store::PostgresStore;

impl PostgresStore {
    /// The hash of the password that a configuration gave to this account last; `None`: none did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn configured_password(
        &self,
        name: &UserName,
    ) -> Result<Option<StoredHash>, StoreError> {
        const SQL: &str = "SELECT metadata->>'mcp_configured_password' FROM users \
            WHERE name_key = $1";
        let rows = self.pool().read(SQL, &[(&name.key(), Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let hash: Option<String> = self.reader().get(row, 0)?;
        Ok(hash.map(StoredHash::new))
    }

    /// Remembers it, apart from the password itself, which its owner may change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember_configured_password(
        &self,
        name: &UserName,
        hash: &StoredHash,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE users SET metadata = metadata \
            || jsonb_build_object('mcp_configured_password', $2) WHERE name_key = $1";
        let (key, hash) = (name.key(), hash.expose());
        let values: crate::pool::Values<'_> = &[(&key, Type::TEXT), (&hash, Type::TEXT)];
        self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        Ok(())
    }
}
