//! An edit of an account, with the sessions that it ends, and its removal, with what must not go
//! with it: several statements, one transaction.

use std::collections::BTreeSet;

use mcp_identity::{DbRole, RoleName, SessionId, UserName};
use mcp_store::{
    ADMIN_ROLE, Account, AdminsLeft, Change, EditRejection, StoredHash, UserEdit, UserRecord,
};
use serde_json::Value;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::accounts::is_of_email;
use crate::fault::{Fault, of_statement};
use crate::rows::{ACCOUNT, list};
use crate::store::PostgresStore;

/// How often an edit that collided with another is made anew.
const TRIES: u32 = 4;

/// One at a time asks whether an admin is the last one: the letters of `mcpadmin`.
const LOCK: i64 = 0x6d63_7061_646d_696e;

/// What is written into a column.
enum New {
    Text(Option<String>),
    Flag(bool),
    List(Option<Value>),
}

impl New {
    fn value(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Flag(flag) => (flag, Type::BOOL),
            Self::List(list) => (list, Type::JSONB),
        }
    }
}

/// The columns that an edit writes.
fn columns(edit: &UserEdit) -> Vec<(&'static str, New)> {
    let UserEdit {
        note,
        email,
        full_name,
        password,
        must_change_password,
        enabled,
        roles,
        databases,
        db_role,
        read_only,
        past: _,
        checked: _,
        admins: _,
        end_sessions: _,
    } = edit;
    let text = |text: &str| New::Text(Some(text.to_owned()));
    let key = |email: &Option<String>| New::Text(email.as_ref().map(|it| it.to_lowercase()));
    let role =
        |role: &Option<DbRole>| New::Text(role.as_ref().map(|role| role.as_str().to_owned()));
    let written = [
        note.as_deref().map(|note| ("annotation", text(note))),
        email.as_ref().map(|email| ("email", New::Text(email.clone()))),
        email.as_ref().map(|email| ("email_key", key(email))),
        full_name.as_ref().map(|name| ("full_name", New::Text(name.clone()))),
        must_change_password.map(|must| ("password_change_required", New::Flag(must))),
        password.as_ref().map(|hash| ("password_hash", text(hash.expose()))),
        enabled.map(|enabled| ("active", New::Flag(enabled))),
        roles.as_ref().map(|roles| ("roles", New::List(Some(list(roles))))),
        databases.as_ref().map(|names| ("databases", New::List(names.as_ref().map(list)))),
        db_role.as_ref().map(|given| ("db_role", role(given))),
        read_only.map(|read_only| ("read_only", New::Flag(read_only))),
    ];
    written.into_iter().flatten().collect()
}

/// The statement that writes them into the row of `$1`, if that has the hash `$2`, where one is
/// asked for. Enabling lifts a lock, too.
fn statement(written: &[(&'static str, New)], enables: bool) -> String {
    let mut set: Vec<String> =
        written.iter().zip(3..).map(|((column, _), n)| format!("{column} = ${n}")).collect();
    if enables {
        set.push("failed_login_attempts = 0, last_failed_at = NULL, locked_until = NULL".into());
    }
    // Whoever edits nothing is told what there is.
    set.push("updated_at = now()".to_owned());
    format!(
        "UPDATE users SET {} WHERE name_key = $1 AND ($2 IS NULL OR password_hash = $2) \
         RETURNING {ACCOUNT}",
        set.join(", ")
    )
}

/// What is done to an account.
#[derive(Clone, Copy)]
enum Alteration<'a> {
    Edit(&'a UserEdit),
    Delete(AdminsLeft),
}

impl<'a> Alteration<'a> {
    /// Whether it may take an admin away, and must not take the last one.
    fn spares_the_last_admin(self) -> bool {
        let (admins, may_take) = match self {
            Self::Delete(admins) => (admins, true),
            Self::Edit(edit) => {
                let is_admin = |roles: &BTreeSet<RoleName>| {
                    roles.iter().any(|role| role.as_str() == ADMIN_ROLE)
                };
                let demotes = edit.roles.as_ref().is_some_and(|roles| !is_admin(roles));
                (edit.admins, demotes || edit.enabled == Some(false))
            }
        };
        may_take && admins == AdminsLeft::AtLeastOne
    }

    /// The hash that the account must have, if it must.
    fn checked(self) -> Option<&'a str> {
        match self {
            Self::Edit(edit) => edit.checked.as_ref().map(StoredHash::expose),
            Self::Delete(_) => None,
        }
    }
}

/// What became of it.
enum Altered {
    /// The account as it is now, or was last.
    Account(Box<Account>),
    Nobody,
    /// Nothing was done: nobody else looks after the accounts.
    LastAdmin,
}

impl PostgresStore {
    pub(crate) async fn edit(
        &self,
        name: &UserName,
        edit: &UserEdit,
    ) -> Result<Account, EditRejection> {
        let account = self.alter(name, Alteration::Edit(edit)).await?;
        let ends = edit.ends(name).map(|_| Change::Everything);
        self.tell(ends.into_iter().chain([Change::User(name.clone())]));
        Ok(account)
    }

    pub(crate) async fn delete(
        &self,
        name: &UserName,
        admins: AdminsLeft,
    ) -> Result<UserRecord, EditRejection> {
        let account = self.alter(name, Alteration::Delete(admins)).await?;
        // Its sessions went with it.
        self.tell([Change::User(name.clone()), Change::Everything]);
        Ok(account.record)
    }

    async fn alter(&self, name: &UserName, what: Alteration<'_>) -> Result<Account, EditRejection> {
        let mut tries = 1;
        let altered = loop {
            let limit = self.pool().settings().patience;
            match self.pool().in_time(limit, self.alter_once(name, what)).await {
                Err(Fault::Collided(_)) if tries < TRIES => tries += 1,
                settled => break settled,
            }
        };
        match altered {
            Ok(Altered::Account(account)) => Ok(*account),
            Ok(Altered::Nobody) => Err(EditRejection::NotFound),
            Ok(Altered::LastAdmin) => Err(EditRejection::LastAdmin),
            Err(Fault::Taken(index)) if is_of_email(&index) => Err(EditRejection::EmailTaken),
            Err(other) => Err(other.into_store().into()),
        }
    }

    async fn alter_once(&self, name: &UserName, what: Alteration<'_>) -> Result<Altered, Fault> {
        let failed = |error| of_statement(self.pool().place(), &error);
        let mut lent = self.pool().lend().await.map_err(Fault::Store)?;
        let outcome = async {
            let work = lent.transaction().await.map_err(failed)?;
            let altered = self.alter_within(&work, name, what).await?;
            work.commit().await.map_err(failed)?;
            Ok(altered)
        }
        .await;
        // What failed midway is rolled back with its connection.
        if outcome.is_ok() {
            lent.settle();
        }
        outcome
    }

    async fn alter_within(
        &self,
        work: &Transaction<'_>,
        name: &UserName,
        what: Alteration<'_>,
    ) -> Result<Altered, Fault> {
        if what.spares_the_last_admin() && self.is_last_admin(work, name, what.checked()).await? {
            return Ok(Altered::LastAdmin);
        }
        let account = match what {
            Alteration::Edit(edit) => self.edit_within(work, name, edit).await?,
            Alteration::Delete(_) => self.delete_within(work, name).await?,
        };
        Ok(account.map_or(Altered::Nobody, |account| Altered::Account(Box::new(account))))
    }

    /// Is this the account of an admin, if it has the hash that it must have, and of the only one?
    /// Until the transaction ends nobody changes either: those who ask the same wait for each
    /// other, so that no two of them each hold the account that the other wants; whoever takes
    /// somebody away without asking waits for the row, and is waited for.
    async fn is_last_admin(
        &self,
        work: &Transaction<'_>,
        name: &UserName,
        checked: Option<&str>,
    ) -> Result<bool, Fault> {
        const TURN: &str = "SELECT pg_advisory_xact_lock($1)";
        const IS_ADMIN: &str = "SELECT FROM users WHERE name_key = $1 \
            AND ($2 IS NULL OR password_hash = $2) AND active AND roles ? $3 FOR NO KEY UPDATE";
        const ANOTHER: &str = "SELECT FROM users WHERE name_key <> $1 AND active AND roles ? $2 \
            LIMIT 1 FOR SHARE";
        let failed = |error| of_statement(self.pool().place(), &error);
        let (key, admin) = ((&name.key() as &(dyn ToSql + Sync), Type::TEXT), ADMIN_ROLE);
        let admin = (&admin as &(dyn ToSql + Sync), Type::TEXT);
        // A statement of its own: what it waited for, the next ones see.
        work.query_typed(TURN, &[(&LOCK, Type::INT8)]).await.map_err(failed)?;
        let values = [key.clone(), (&checked, Type::TEXT), admin.clone()];
        if work.query_typed(IS_ADMIN, &values).await.map_err(failed)?.is_empty() {
            return Ok(false);
        }
        Ok(work.query_typed(ANOTHER, &[key, admin]).await.map_err(failed)?.is_empty())
    }

    async fn delete_within(
        &self,
        work: &Transaction<'_>,
        name: &UserName,
    ) -> Result<Option<Account>, Fault> {
        let failed = |error| of_statement(self.pool().place(), &error);
        let sql = format!("DELETE FROM users WHERE name_key = $1 RETURNING {ACCOUNT}");
        let rows = work.query_typed(&sql, &[(&name.key(), Type::TEXT)]).await.map_err(failed)?;
        rows.first().map(|row| self.reader().account(row)).transpose().map_err(Fault::Store)
    }

    /// Remembers the password that goes, before it does.
    async fn keep_past(
        &self,
        work: &Transaction<'_>,
        name: &UserName,
        checked: Option<&str>,
        new: &StoredHash,
        most: usize,
    ) -> Result<(), Fault> {
        let failed = |error| of_statement(self.pool().place(), &error);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values: &[(&(dyn ToSql + Sync), Type)] = &[
            (&name.key(), Type::TEXT),
            (&checked, Type::TEXT),
            (&new.expose(), Type::TEXT),
            (&most, Type::INT8),
        ];
        let sql = "SELECT mcp_keep_past($1, $2, $3, $4)";
        work.query_typed(sql, values).await.map_err(failed)?;
        Ok(())
    }

    async fn edit_within(
        &self,
        work: &Transaction<'_>,
        name: &UserName,
        edit: &UserEdit,
    ) -> Result<Option<Account>, Fault> {
        // The edit itself says which sessions end with a new password.
        const KEEPS: &str = "SELECT set_config('mcp.keeps_sessions', 'on', true)";
        const END: &str = "DELETE FROM user_sessions s USING users u WHERE u.id = s.user_id \
            AND u.name_key = $1 AND s.public_id IS DISTINCT FROM $2";
        let failed = |error| of_statement(self.pool().place(), &error);
        work.query_typed(KEEPS, &[]).await.map_err(failed)?;
        let (written, key) = (columns(edit), name.key());
        let sql = statement(&written, edit.enabled == Some(true));
        let checked = edit.checked.as_ref().map(StoredHash::expose);
        if let Some(new) = &edit.password {
            self.keep_past(work, name, checked, new, edit.past).await?;
        }
        let mut values: Vec<(&(dyn ToSql + Sync), Type)> =
            vec![(&key, Type::TEXT), (&checked, Type::TEXT)];
        values.extend(written.iter().map(|(_, new)| new.value()));
        let rows = work.query_typed(&sql, &values).await.map_err(failed)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let account = self.reader().account(row).map_err(Fault::Store)?;
        if edit.enabled == Some(false) || edit.end_sessions.is_some() {
            let except = edit.end_sessions.as_ref().filter(|_| edit.enabled != Some(false));
            let except = except.and_then(|except| except.as_ref().map(SessionId::as_str));
            work.query_typed(END, &[(&key, Type::TEXT), (&except, Type::TEXT)])
                .await
                .map_err(failed)?;
        }
        Ok(Some(account))
    }
}
