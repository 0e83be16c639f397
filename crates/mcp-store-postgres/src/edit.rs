//! An edit of an account, with the sessions that it ends: several statements, one transaction.

use mcp_identity::{DbRole, SessionId, UserName};
use mcp_store::{Account, Change, EditRejection, StoredHash, UserEdit};
use serde_json::Value;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::accounts::is_of_email;
use crate::fault::{Fault, of_statement};
use crate::rows::{ACCOUNT, list};
use crate::store::PostgresStore;

/// How often an edit that collided with another is made anew.
const TRIES: u32 = 4;

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
        checked: _,
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

impl PostgresStore {
    pub(crate) async fn edit(
        &self,
        name: &UserName,
        edit: &UserEdit,
    ) -> Result<Account, EditRejection> {
        let mut tries = 1;
        let edited = loop {
            let limit = self.pool().settings().patience;
            match self.pool().in_time(limit, self.edit_once(name, edit)).await {
                Err(Fault::Collided(_)) if tries < TRIES => tries += 1,
                settled => break settled,
            }
        };
        match edited {
            Ok(Some(account)) => {
                let ends = edit.ends(name).map(|_| Change::Everything);
                self.tell(ends.into_iter().chain([Change::User(name.clone())]));
                Ok(account)
            }
            Ok(None) => Err(EditRejection::NotFound),
            Err(Fault::Taken(index)) if is_of_email(&index) => Err(EditRejection::EmailTaken),
            Err(other) => Err(other.into_store().into()),
        }
    }

    async fn edit_once(&self, name: &UserName, edit: &UserEdit) -> Result<Option<Account>, Fault> {
        let failed = |error| of_statement(self.pool().place(), &error);
        let mut lent = self.pool().lend().await.map_err(Fault::Store)?;
        let outcome = async {
            let work = lent.transaction().await.map_err(failed)?;
            let account = self.edit_within(&work, name, edit).await?;
            work.commit().await.map_err(failed)?;
            Ok(account)
        }
        .await;
        // What failed midway is rolled back with its connection.
        if outcome.is_ok() {
            lent.settle();
        }
        outcome
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
