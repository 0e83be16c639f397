//! What is remembered of a password that a configuration gave to an account.

use mcp_identity::UserName;
use mcp_store::{Change, StoreError, StoredHash};
use tokio_postgres::types::Type;

use crate::fault::Fault;
use crate::pool::Values;
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

    /// Remembers it, apart from the password itself, which its owner may change. Where something is
    /// remembered, that stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember_configured_password(
        &self,
        name: &UserName,
        hash: &StoredHash,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE users SET metadata = metadata \
            || jsonb_build_object('mcp_configured_password', $2) \
            WHERE name_key = $1 AND metadata->>'mcp_configured_password' IS NULL";
        let (key, hash) = (name.key(), hash.expose());
        let values: Values<'_> = &[(&key, Type::TEXT), (&hash, Type::TEXT)];
        self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        Ok(())
    }

    /// Gives the account this password, ends its sessions, lifts its lock and remembers the
    /// password, all in one, if what is remembered is still `seen`. `false`: it is not, or there is
    /// no such account; nothing is changed then. Of servers that start at once with the same new
    /// password, one gives it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn apply_configured_password(
        &self,
        name: &UserName,
        seen: Option<&StoredHash>,
        hash: &StoredHash,
    ) -> Result<bool, StoreError> {
        // A trigger ends the sessions of the old password.
        const SQL: &str = "UPDATE users SET password_hash = $3, \
            failed_login_attempts = 0, last_failed_at = NULL, locked_until = NULL, \
            metadata = metadata || jsonb_build_object('mcp_configured_password', $3) \
            WHERE name_key = $1 AND metadata->>'mcp_configured_password' IS NOT DISTINCT FROM $2 \
            RETURNING id";
        let (key, seen, hash) = (name.key(), seen.map(StoredHash::expose), hash.expose());
        let values: Values<'_> = &[(&key, Type::TEXT), (&seen, Type::TEXT), (&hash, Type::TEXT)];
        let rows = self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        let applied = !rows.is_empty();
        if applied {
            self.tell([Change::User(name.clone()), Change::Everything]);
        }
        Ok(applied)
    }
}
