//! Rows, and the records that they are.

use std::collections::BTreeSet;
use std::time::SystemTime;

use mcp_identity::{
    DatabaseName, DbRole, RoleName, SessionId, TokenHash, TokenId, ToolName, UserName,
};
use mcp_store::{
    Account, LoginSession, SessionScope, StoreError, StoreErrorKind, StoredHash, TokenRecord,
    UserRecord,
};
use mcp_throttle::{Lock, Lockout};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::fault::fault;
use crate::time::is_infinite;

/// The columns of an account, of the table or of a value of its type.
pub(crate) const ACCOUNT: &str = "username::text, email::text, password_hash::text, annotation, \
    active, roles, databases, db_role::text, read_only, created_at, last_login_at, \
    failed_login_attempts, last_failed_at, locked_until, reserved, full_name::text, \
    password_change_required";

/// How many they are.
pub(crate) const ACCOUNT_COLUMNS: usize = 17;

/// The columns of a session `s`, with the name of its account `u`.
pub(crate) const SESSION: &str = "s.public_id::text, s.token_jti::text, u.username::text, \
    s.created_at, s.expires_at, s.last_used_at, s.ip_address::text, s.user_agent, s.scope::text";

/// The columns of a token.
pub(crate) const TOKEN: &str = "id::text, hash::text, note, database::text, created_at, \
    expires_at, roles, db_role::text, tools, read_only";

/// Reads rows of one store. What cannot be read back was written by hand, and stops the reading:
/// half a list of credentials is none.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) place: &'a str,
}

impl Reader<'_> {
    pub(crate) fn account(self, row: &Row) -> Result<Account, StoreError> {
        let name: String = self.get(row, 0)?;
        let odd = |what: &str| self.odd("users", "username", &name, what);
        let roles = names(&self.get(row, 5)?).ok_or_else(|| odd("roles"))?;
        let databases: Option<Value> = self.get(row, 6)?;
        let databases = databases.map(|list| names(&list).ok_or_else(|| odd("databases")));
        let db_role: Option<String> = self.get(row, 7)?;
        let db_role = db_role.map(|role| DbRole::parse(&role)).transpose();
        let record = UserRecord {
            name: UserName::parse(&name).map_err(|_| odd("username"))?,
            email: self.get(row, 1)?,
            full_name: self.get(row, 15)?,
            must_change_password: self.get(row, 16)?,
            password: StoredHash::new(self.get::<String>(row, 2)?),
            note: self.get(row, 3)?,
            enabled: self.get(row, 4)?,
            roles,
            databases: databases.transpose()?,
            db_role: db_role.map_err(|_| odd("db_role"))?,
            read_only: self.get(row, 8)?,
            created_at: self.get(row, 9)?,
        };
        Ok(Account { record, last_login: self.get(row, 10)?, lockout: self.lockout(row)? })
    }

    fn lockout(self, row: &Row) -> Result<Lockout, StoreError> {
        let failures: i32 = self.get(row, 11)?;
        let lock: Option<SystemTime> = self.get(row, 13)?;
        Ok(Lockout {
            failures: u32::try_from(failures).unwrap_or_default(),
            last_failure: self.get(row, 12)?,
            lock: lock.map(lock_until),
            reserved: self.get(row, 14)?,
        })
    }

    pub(crate) fn session(self, row: &Row) -> Result<LoginSession, StoreError> {
        self.session_at(row, 0)
    }

    /// The same where its columns begin at that one.
    pub(crate) fn session_at(self, row: &Row, first: usize) -> Result<LoginSession, StoreError> {
        let id: String = self.get(row, first)?;
        let odd = |what: &str| self.odd("user_sessions", "public_id", &id, what);
        let address: Option<String> = self.get(row, first + 6)?;
        let address = address.map(|address| address.parse()).transpose();
        Ok(LoginSession {
            id: SessionId::parse(&id).ok_or_else(|| odd("public_id"))?,
            hash: TokenHash::parse_hex(self.get(row, first + 1)?).map_err(|_| odd("token_jti"))?,
            user: UserName::parse(self.get(row, first + 2)?).map_err(|_| odd("the user's name"))?,
            created_at: self.get(row, first + 3)?,
            expires_at: self.get(row, first + 4)?,
            last_used: self.get(row, first + 5)?,
            address: address.map_err(|_| odd("ip_address"))?,
            agent: self.get(row, first + 7)?,
            scope: SessionScope::parse(self.get(row, first + 8)?).ok_or_else(|| odd("scope"))?,
        })
    }

    pub(crate) fn token(self, row: &Row) -> Result<TokenRecord, StoreError> {
        let id: String = self.get(row, 0)?;
        let odd = |what: &str| self.odd("mcp_tokens", "id", &id, what);
        let database: Option<String> = self.get(row, 3)?;
        let database = database.map(|name| DatabaseName::parse(&name)).transpose();
        let db_role: Option<String> = self.get(row, 7)?;
        let db_role = db_role.map(|role| DbRole::parse(&role)).transpose();
        let tools: Option<Value> = self.get(row, 8)?;
        let tools = tools.map(|list| names(&list).ok_or_else(|| odd("tools"))).transpose();
        Ok(TokenRecord {
            id: TokenId::parse(&id).map_err(|_| odd("id"))?,
            hash: TokenHash::parse_hex(self.get(row, 1)?).map_err(|_| odd("hash"))?,
            note: self.get(row, 2)?,
            database: database.map_err(|_| odd("database"))?,
            created_at: self.get(row, 4)?,
            expires_at: self.get(row, 5)?,
            roles: names(&self.get(row, 6)?).ok_or_else(|| odd("roles"))?,
            db_role: db_role.map_err(|_| odd("db_role"))?,
            tools: tools?,
            read_only: self.get(row, 9)?,
        })
    }

    pub(crate) fn get<'r, T: FromSql<'r>>(self, row: &'r Row, at: usize) -> Result<T, StoreError> {
        row.try_get(at).map_err(|error| {
            fault(self.place, StoreErrorKind::Refused, format!("a row cannot be read: {error}"))
        })
    }

    fn odd(self, table: &str, key: &str, value: &str, column: &str) -> StoreError {
        let what = format!("{table}: {column} of the row with {key} {value:?} cannot be used");
        let hint = Some(format!("mend or delete the row in {table}"));
        StoreError { hint, ..fault(self.place, StoreErrorKind::Refused, what) }
    }
}

/// When a lock ends.
pub(crate) fn lock_until(end: SystemTime) -> Lock {
    if is_infinite(end) { Lock::UntilUnlocked } else { Lock::Until(end) }
}

/// A name of some kind, from its text and back.
pub(crate) trait Name: Sized + Ord {
    fn read(text: &str) -> Option<Self>;
    fn text(&self) -> &str;
}

macro_rules! names {
    ($($name:ident: $parse:expr),+) => {
        $(impl Name for $name {
            fn read(text: &str) -> Option<Self> {
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(text)
            }

            fn text(&self) -> &str {
                self.as_str()
            }
        })+
    };
}

names!(
    RoleName: Self::parse,
    DatabaseName: |text| Self::parse(text).ok(),
    ToolName: |text| Self::parse(text).ok()
);

/// A list of names; `None`: it holds something else.
fn names<N: Name>(list: &Value) -> Option<BTreeSet<N>> {
    list.as_array()?.iter().map(|name| N::read(name.as_str()?)).collect()
}

/// The list that reads back as these names.
pub(crate) fn list<N: Name>(names: &BTreeSet<N>) -> Value {
    names.iter().map(N::text).collect()
}
