//! What tables a database holds already, and whether they are any that we know.

use std::collections::BTreeMap;

use mcp_store::{StoreError, StoreErrorKind};
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use crate::fault::{Fault, fault, of_statement};

/// The tables that are found where ours shall be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) users: Users,
    pub(crate) sessions: Sessions,
    /// Columns with a time and no time zone, each with its table.
    pub(crate) zoneless: Vec<(&'static str, String)>,
}

/// Tables of accounts that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// There is none.
    Absent,
    /// Names are the primary key; roles and locks are there, addresses are not.
    ByName,
    /// Numbers are the primary key; addresses are there, roles and locks are not.
    ById,
}

/// Tables of sessions that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// There is none.
    Absent,
    /// The ids of signed tokens, by the account's number.
    ByJti,
}

/// What a column is, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    Json,
    Time,
}

use Kind::{Flag, Json, Number, Text, Time};

const USERS_BY_NAME: &[(&str, Kind)] = &[
    ("active", Flag),
    ("created_at", Time),
    ("failed_login_attempts", Number),
    ("last_login_at", Time),
    ("locked_until", Time),
    ("password_hash", Text),
    ("roles", Json),
    ("updated_at", Time),
    ("username", Text),
];

const USERS_BY_ID: &[(&str, Kind)] = &[
    ("created_at", Time),
    ("email", Text),
    ("id", Number),
    ("is_active", Flag),
    ("is_admin", Flag),
    ("last_login_at", Time),
    ("metadata", Json),
    ("password_hash", Text),
    ("updated_at", Time),
    ("username", Text),
];

const SESSIONS_BY_JTI: &[(&str, Kind)] = &[
    ("created_at", Time),
    ("expires_at", Time),
    ("id", Number),
    ("ip_address", Text),
    ("last_used_at", Time),
    ("token_jti", Text),
    ("user_agent", Text),
    ("user_id", Number),
];

/// Names that are ours alone.
const OURS: [&str; 8] = [
    "auth_events",
    "email_users",
    "mcp_addresses",
    "mcp_letters",
    "mcp_nobody",
    "mcp_nobody_key",
    "mcp_tokens",
    "password_history",
];

/// Looks at what there is.
pub(crate) async fn look(place: &str, work: &Transaction<'_>) -> Result<Found, StoreError> {
    let users = columns(place, work, "users").await?;
    let sessions = columns(place, work, "user_sessions").await?;
    for name in OURS {
        if !columns(place, work, name).await?.is_empty() {
            return Err(foreign(place, name));
        }
    }
    let zoneless = [("users", &users), ("user_sessions", &sessions)];
    let zoneless = zoneless.into_iter().flat_map(|(table, columns)| {
        let without = columns.iter().filter(|(_, kind)| *kind == "timestamp");
        without.map(move |(name, _)| (table, name.clone()))
    });
    let zoneless = zoneless.collect();
    let (users, sessions) = known(&users, &sessions).map_err(|table| foreign(place, table))?;
    Ok(Found { users, sessions, zoneless })
}

/// Names the table that is not known.
fn known(
    users: &BTreeMap<String, String>,
    sessions: &BTreeMap<String, String>,
) -> Result<(Users, Sessions), &'static str> {
    let users = match users {
        none if none.is_empty() => Users::Absent,
        columns if is(columns, USERS_BY_NAME) => Users::ByName,
        columns if is(columns, USERS_BY_ID) => Users::ById,
        _ => return Err("users"),
    };
    match (users, sessions) {
        (_, none) if none.is_empty() => Ok((users, Sessions::Absent)),
        (Users::ById, columns) if is(columns, SESSIONS_BY_JTI) => Ok((users, Sessions::ByJti)),
        _ => Err("user_sessions"),
    }
}

fn is(columns: &BTreeMap<String, String>, shape: &[(&str, Kind)]) -> bool {
    let same = |((name, kind), (wanted, as_what)): ((&String, &String), &(&str, Kind))| {
        name == wanted && kind_of(kind) == Some(*as_what)
    };
    columns.len() == shape.len() && columns.iter().zip(shape).all(same)
}

fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "varchar" | "text" => Text,
        "int4" | "int8" => Number,
        "bool" => Flag,
        "jsonb" => Json,
        "timestamp" | "timestamptz" => Time,
        _ => return None,
    })
}

/// The columns of whatever has this name, each with the name of its type.
async fn columns(
    place: &str,
    work: &Transaction<'_>,
    name: &str,
) -> Result<BTreeMap<String, String>, StoreError> {
    const COLUMNS: &str = "SELECT a.attname::text, t.typname::text
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE c.relname = $1 AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0
          AND NOT a.attisdropped";
    let rows = work.query_typed(COLUMNS, &[(&name, Type::TEXT)]).await;
    let failed = |error| of_statement(place, &error).into_store();
    let pair = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let rows = rows.map_err(failed)?;
    rows.iter().map(pair).collect::<Result<_, tokio_postgres::Error>>().map_err(failed)
}

fn foreign(place: &str, table: &str) -> StoreError {
    let what = format!(
        "there is a table {table} that this server did not make and does not know; nothing was \
         changed"
    );
    let hint = "name another database in users.database_dsn, one of its own";
    StoreError { hint: Some(hint.to_owned()), ..fault(place, StoreErrorKind::Refused, what) }
}

/// Every fault of a start stops it: there is nothing to tell apart.
pub(crate) fn stop(place: &str) -> impl Fn(tokio_postgres::Error) -> StoreError + Copy {
    move |error| match of_statement(place, &error) {
        Fault::Taken(constraint) => fault(
            place,
            StoreErrorKind::Refused,
            format!("two rows are one to this server ({constraint}); nothing was changed"),
        ),
        other => other.into_store(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Kind, SESSIONS_BY_JTI, Sessions, USERS_BY_ID, USERS_BY_NAME, Users, known};

    fn table(shape: &[(&str, Kind)]) -> BTreeMap<String, String> {
        let column = |(name, kind): &(&str, Kind)| {
            let kind = match kind {
                Kind::Text => "varchar",
                Kind::Number => "int8",
                Kind::Flag => "bool",
                Kind::Json => "jsonb",
                Kind::Time => "timestamp",
            };
            ((*name).to_owned(), kind.to_owned())
        };
        shape.iter().map(column).collect()
    }

    #[test]
    fn the_printed_shapes_are_known() {
        let none = BTreeMap::new();
        assert_eq!(known(&none, &none), Ok((Users::Absent, Sessions::Absent)));
        assert_eq!(known(&table(USERS_BY_NAME), &none), Ok((Users::ByName, Sessions::Absent)));
        let tracked = table(SESSIONS_BY_JTI);
        assert_eq!(known(&table(USERS_BY_ID), &tracked), Ok((Users::ById, Sessions::ByJti)));
    }

    #[test]
    fn a_table_that_differs_in_one_column_is_foreign() {
        let none = BTreeMap::new();
        let mut more = table(USERS_BY_NAME);
        more.insert("tenant".to_owned(), "int8".to_owned());
        assert_eq!(known(&more, &none), Err("users"));
        let mut less = table(USERS_BY_ID);
        less.remove("metadata");
        assert_eq!(known(&less, &none), Err("users"));
        let mut other = table(USERS_BY_NAME);
        other.insert("roles".to_owned(), "text".to_owned());
        assert_eq!(known(&other, &none), Err("users"));
        assert_eq!(known(&none, &table(SESSIONS_BY_JTI)), Err("user_sessions"));
    }
}
