//! What is kept of an account, by the side of what its operator says.

use std::collections::HashMap;
use std::time::SystemTime;

use mcp_store::{StoreError, UserRecord};
use mcp_throttle::{Lock, Lockout};
use rusqlite::{OptionalExtension as _, Row};

use super::columns::{milliseconds, nanoseconds, time};
use super::connection::Tables;

/// Which account: another time of making is another account under the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccountKey {
    pub(crate) name: String,
    /// Milliseconds since 1970.
    pub(crate) made: i64,
}

impl AccountKey {
    pub(crate) fn of(record: &UserRecord) -> Self {
        Self { name: record.name.key().to_owned(), made: milliseconds(record.created_at) }
    }
}

/// What is kept of one account. Of most there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) failures: u32,
    pub(crate) last_failure: Option<SystemTime>,
    pub(crate) lock: Option<Lock>,
    pub(crate) last_login: Option<SystemTime>,
}

impl Kept {
    /// The lockout, with the places that this process holds.
    pub(crate) fn lockout(&self, reserved: Vec<SystemTime>) -> Lockout {
        let Self { failures, last_failure, lock, last_login: _ } = self;
        Lockout { failures: *failures, last_failure: *last_failure, lock: *lock, reserved }
    }

    /// With this lockout, but for its places.
    pub(crate) fn with(&self, lockout: &Lockout) -> Self {
        let Lockout { failures, last_failure, lock, reserved: _ } = lockout;
        let (failures, last_failure, lock) = (*failures, *last_failure, *lock);
        Self { failures, last_failure, lock, last_login: self.last_login }
    }

    /// From four columns, this one and those behind it.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let at = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(time));
        let lock = match (row.get(first + 2)?, at(first + 3)?) {
            (false, _) => None,
            (true, Some(end)) => Some(Lock::Until(end)),
            (true, None) => Some(Lock::UntilUnlocked),
        };
        Ok(Self {
            failures: row.get(first)?,
            last_failure: at(first + 1)?,
            lock,
            last_login: at(first + 4)?,
        })
    }
}

impl Tables<'_> {
    /// What is kept of that account.
    pub(crate) fn kept(&self, account: &AccountKey) -> Result<Kept, StoreError> {
        self.run("read an account", |db| {
            let statement = "SELECT failures, last_failure, locked, locked_until, last_login \
                             FROM account WHERE name = ?1 AND made = ?2";
            let read = |row: &Row<'_>| Kept::read(row, 0);
            let found = db.query_row(statement, (&account.name, account.made), read);
            Ok(found.optional()?.unwrap_or_default())
        })
    }

    /// What is kept of every account of which there is something.
    pub(crate) fn all_kept(&self) -> Result<HashMap<AccountKey, Kept>, StoreError> {
        self.run("read the accounts", |db| {
            let mut statement = db.prepare(
                "SELECT name, made, failures, last_failure, locked, locked_until, last_login \
                 FROM account",
            )?;
            let read = |row: &Row<'_>| {
                let account = AccountKey { name: row.get(0)?, made: row.get(1)? };
                Ok((account, Kept::read(row, 2)?))
            };
            statement.query_map((), read)?.collect()
        })
    }

    /// Keeps this of the account from now on.
    pub(crate) fn keep(&self, account: &AccountKey, kept: &Kept) -> Result<(), StoreError> {
        if *kept == Kept::default() {
            return self.forget_account(account);
        }
        self.run("change an account", |db| {
            let until = match kept.lock {
                Some(Lock::Until(end)) => Some(nanoseconds(end)),
                Some(Lock::UntilUnlocked) | None => None,
            };
            db.execute(
                "INSERT OR REPLACE INTO account \
                 (name, made, failures, last_failure, locked, locked_until, last_login) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (
                    &account.name,
                    account.made,
                    kept.failures,
                    kept.last_failure.map(nanoseconds),
                    kept.lock.is_some(),
                    until,
                    kept.last_login.map(nanoseconds),
                ),
            )?;
            Ok(())
        })
    }

    /// Nothing is kept of that account any more.
    pub(crate) fn forget_account(&self, account: &AccountKey) -> Result<(), StoreError> {
        self.run("forget an account", |db| {
            let statement = "DELETE FROM account WHERE name = ?1 AND made = ?2";
            db.execute(statement, (&account.name, account.made))?;
            Ok(())
        })
    }

    /// Nothing is kept of any account of that name, whenever it was made.
    pub(crate) fn forget_name(&self, name: &str) -> Result<(), StoreError> {
        self.run("forget an account", |db| {
            db.execute("DELETE FROM account WHERE name = ?1", (name,))?;
            db.execute("DELETE FROM past WHERE name = ?1", (name,))?;
            Ok(())
        })
    }
}
