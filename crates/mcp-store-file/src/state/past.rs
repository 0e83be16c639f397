//! The passwords of before, as they are kept.

use mcp_store::{StoreError, StoredHash};

use super::connection::Tables;
use super::kept::AccountKey;

impl Tables<'_> {
    /// Those that are kept of that account, newest first: the one that it has may be among them,
    /// if a change of it was begun and not finished.
    pub(crate) fn past(&self, account: &AccountKey) -> Result<Vec<StoredHash>, StoreError> {
        self.run("read the passwords of before", |db| {
            let statement = "SELECT hash FROM past WHERE name = ?1 AND made = ?2 \
                             ORDER BY number DESC";
            let mut statement = db.prepare(statement)?;
            let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(0).map(StoredHash::new);
            statement.query_map((&account.name, account.made), read)?.collect()
        })
    }

    /// Remembers a password that is about to go, once.
    pub(crate) fn remember(
        &self,
        account: &AccountKey,
        gone: &StoredHash,
    ) -> Result<(), StoreError> {
        self.run("remember a password", |db| {
            let row = (&account.name, account.made, gone.expose());
            db.execute("DELETE FROM past WHERE name = ?1 AND made = ?2 AND hash = ?3", row)?;
            db.execute("INSERT INTO past (name, made, hash) VALUES (?1, ?2, ?3)", row)?;
            Ok(())
        })
    }

    /// Forgets all but the newest ones.
    pub(crate) fn forget_past(&self, account: &AccountKey, most: usize) -> Result<(), StoreError> {
        self.run("forget passwords of before", |db| {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            db.execute(
                "DELETE FROM past WHERE name = ?1 AND made = ?2 AND number NOT IN \
                 (SELECT number FROM past WHERE name = ?1 AND made = ?2 \
                  ORDER BY number DESC LIMIT ?3)",
                (&account.name, account.made, most),
            )?;
            Ok(())
        })
    }

    /// The accounts of which there are any.
    pub(crate) fn remembered(&self) -> Result<Vec<AccountKey>, StoreError> {
        self.run("read the passwords of before", |db| {
            let mut statement = db.prepare("SELECT DISTINCT name, made FROM past")?;
            let read =
                |row: &rusqlite::Row<'_>| Ok(AccountKey { name: row.get(0)?, made: row.get(1)? });
            statement.query_map((), read)?.collect()
        })
    }
}
