//! The tables, made and migrated at start.
//!
//! ```text
//!   mcp_schema of this release ─────────────────────────────────────▶ nothing to do
//!              of a newer one that this release may read ───────────▶ nothing to do
//!              of one that it may not ──────────────────────────────▶ stop
//!   none ──▶ one transaction, under an advisory lock:
//!              nothing there ──▶ make all
//!              tables that we know ──▶ check their rows, add what is missing, make the rest
//!              tables that we do not know ──▶ stop; nothing is changed
//! ```

use std::collections::BTreeMap;

use mcp_connect::Target;
use mcp_identity::{RoleName, UserName};
use mcp_store::{StoreError, StoreErrorKind};
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Transaction};

use crate::fault::fault;
use crate::pool::Pool;
use crate::shape::{Found, Sessions, Users, look, stop};

/// What this release writes and reads. A change that an older release can live with raises the
/// version; one that it cannot live with raises `min_reader`, too, a release later.
const VERSION: i32 = 1;

/// One migration at a time, whoever starts: the letters of `mcpstore`.
const LOCK: i64 = 0x6d63_7073_746f_7265;

const USERS: &str = include_str!("schema/users.sql");
const USERS_BY_NAME: &str = include_str!("schema/users_by_name.sql");
const USERS_BY_ID: &str = include_str!("schema/users_by_id.sql");
const SESSIONS: &str = include_str!("schema/sessions.sql");
const SESSIONS_BY_JTI: &str = include_str!("schema/sessions_by_jti.sql");
const REST: &str = include_str!("schema/rest.sql");
const PAST: &str = include_str!("schema/past.sql");
const RECOVERY: &str = include_str!("schema/recovery.sql");
const ATTEMPTS: &str = include_str!("schema/attempts.sql");

/// Makes the tables what this release needs.
pub(crate) async fn prepare(pool: &Pool) -> Result<(), StoreError> {
    let place = pool.place();
    let mut lent = pool.lend_bare().await?;
    if is_ready(place, &**lent).await? {
        lent.settle();
        pool.set_prepared();
        return Ok(());
    }
    let work = lent.transaction().await.map_err(stop(place))?;
    begin(place, &work).await?;
    // Another server may have been quicker.
    if !is_ready(place, &*work).await? {
        make(place, pool.target(), &work).await?;
    }
    work.commit().await.map_err(stop(place))?;
    lent.settle();
    pool.set_prepared();
    Ok(())
}

pub(crate) async fn is_ready(place: &str, client: &impl GenericClient) -> Result<bool, StoreError> {
    // Not `to_regclass`: that may answer from before the wait for the lock.
    const IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class \
        WHERE relname = 'mcp_schema' AND relnamespace = 'public'::regnamespace)";
    const VERSIONS: &str = "SELECT version, min_reader FROM public.mcp_schema";
    let stop = stop(place);
    let row = client.query_typed(IS_THERE, &[]).await.map_err(stop)?;
    if !row.first().is_some_and(|row| row.get(0)) {
        return Ok(false);
    }
    let rows = client.query_typed(VERSIONS, &[]).await.map_err(stop)?;
    let Some(row) = rows.first() else {
        return Err(fault(place, StoreErrorKind::Refused, "mcp_schema is empty"));
    };
    let (version, min_reader): (i32, i32) =
        (row.try_get(0).map_err(stop)?, row.try_get(1).map_err(stop)?);
    if version < VERSION || min_reader > VERSION {
        let what = format!(
            "the tables are of version {version} and for releases that know {min_reader} or \
             later; this one knows {VERSION}"
        );
        let hint = Some("run the release that wrote them, or a later one".to_owned());
        return Err(StoreError { hint, ..fault(place, StoreErrorKind::Refused, what) });
    }
    Ok(true)
}

/// Waits for others, but not for ever: somebody may have left a transaction open.
async fn begin(place: &str, work: &Transaction<'_>) -> Result<(), StoreError> {
    const PATIENCE: &str = "SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = 0";
    let stop = stop(place);
    work.batch_execute(PATIENCE).await.map_err(stop)?;
    let lock = "SELECT pg_advisory_xact_lock($1)";
    work.query_typed(lock, &[(&LOCK, Type::INT8)]).await.map_err(stop)?;
    Ok(())
}

async fn make(place: &str, target: &Target, work: &Transaction<'_>) -> Result<(), StoreError> {
    let stop = stop(place);
    may_be_made(place, target, work).await?;
    let found = look(place, work).await?;
    if found.users != Users::Absent {
        // Nobody writes what was just looked at.
        work.batch_execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.map_err(stop)?;
    }
    let kept = Kept::read(place, found.users, work).await?;
    for step in steps(&found) {
        work.batch_execute(&step).await.map_err(stop)?;
    }
    kept.write_keys(work).await.map_err(stop)?;
    let rest = REST.replace("@COLLATION@", collation(work).await.map_err(stop)?);
    work.batch_execute(&rest).await.map_err(stop)?;
    work.batch_execute(PAST).await.map_err(stop)?;
    work.batch_execute(RECOVERY).await.map_err(stop)?;
    work.batch_execute(ATTEMPTS).await.map_err(stop)?;
    report(place, &found, &kept, work).await.map_err(stop)
}

/// Is this a database in which our tables can stand?
pub(crate) async fn may_be_made(
    place: &str,
    target: &Target,
    work: &Transaction<'_>,
) -> Result<(), StoreError> {
    const ASK: &str = "SELECT current_setting('server_encoding'), \
        has_schema_privilege('public', 'CREATE') AND has_schema_privilege('public', 'USAGE')";
    let rows = work.query_typed(ASK, &[]).await.map_err(stop(place))?;
    let Some(row) = rows.first() else { return Ok(()) };
    let (encoding, may_create): (String, bool) = (row.get(0), row.get(1));
    if encoding != "UTF8" {
        let what = format!("the encoding of the database is {encoding}; names need UTF8");
        return Err(fault(place, StoreErrorKind::Refused, what));
    }
    if !may_create {
        let login = target.user.replace('"', "\"\"");
        let hint = Some(format!("GRANT USAGE, CREATE ON SCHEMA public TO \"{login}\";"));
        let what = "the login may not make tables in the schema public";
        return Err(StoreError { hint, ..fault(place, StoreErrorKind::Refused, what) });
    }
    Ok(())
}

/// What brings the tables that are there to what ours are. Times without a zone were written by a
/// session in the database's own.
fn steps(found: &Found) -> Vec<String> {
    let zoned = found.zoneless.iter().map(|(table, column)| {
        format!(
            "ALTER TABLE {table} ALTER COLUMN {column} TYPE TIMESTAMPTZ \
             USING {column} AT TIME ZONE current_setting('TimeZone')"
        )
    });
    let users = match found.users {
        Users::Absent => USERS,
        Users::ByName => USERS_BY_NAME,
        Users::ById => USERS_BY_ID,
    };
    let sessions = match found.sessions {
        Sessions::Absent => SESSIONS,
        Sessions::ByJti => SESSIONS_BY_JTI,
    };
    zoned.chain([users.to_owned(), sessions.to_owned()]).collect()
}

/// What folds upper and lower case of every script, whatever the locale of the database; else what
/// that can.
async fn collation(work: &Transaction<'_>) -> Result<&'static str, tokio_postgres::Error> {
    const ASK: &str = "SELECT FROM pg_catalog.pg_collation WHERE collname = 'und-x-icu'";
    let rows = work.query_typed(ASK, &[]).await?;
    Ok(if rows.is_empty() { "\"default\"" } else { "\"und-x-icu\"" })
}

async fn report(
    place: &str,
    found: &Found,
    kept: &Kept,
    work: &Transaction<'_>,
) -> Result<(), tokio_postgres::Error> {
    if found.users == Users::Absent {
        tracing::info!("Made the tables of users and tokens in {place}");
        return Ok(());
    }
    let accounts = kept.names.len();
    tracing::info!("Migrated the table of users in {place}: {accounts} account(s)");
    if !found.zoneless.is_empty() {
        let rows = work.query_typed("SELECT current_setting('TimeZone')", &[]).await?;
        let zone: String = rows.first().map(|row| row.get(0)).unwrap_or_default();
        let columns = found.zoneless.iter().map(|(table, column)| format!("{table}.{column}"));
        let columns = columns.collect::<Vec<_>>().join(", ");
        tracing::info!("Read times without a time zone as times in {zone}: {columns}");
    }
    Ok(())
}

/// The rows of a table that is there: what they are called, and by what they will be compared.
struct Kept {
    /// As they stand there, with their keys.
    names: Vec<(String, String)>,
    emails: Vec<(String, String)>,
}

impl Kept {
    /// Reads them, and reports what could not be kept apart or read back. Nothing is changed then.
    async fn read(place: &str, users: Users, work: &Transaction<'_>) -> Result<Self, StoreError> {
        let ask = match users {
            Users::Absent => return Ok(Self { names: Vec::new(), emails: Vec::new() }),
            Users::ByName => "SELECT username::text, NULL::text, roles::text FROM users",
            Users::ById => "SELECT username::text, email::text, '[]' FROM users",
        };
        let rows = work.query_typed(ask, &[]).await.map_err(stop(place))?;
        let refuse = |what| fault(place, StoreErrorKind::Refused, what);
        let (mut names, mut emails) = (Vec::new(), Vec::new());
        for row in rows {
            let (name, email): (String, Option<String>) = (row.get(0), row.get(1));
            let parsed = UserName::parse(&name).map_err(|error| {
                refuse(format!(
                    "the user name {name:?} cannot be kept: {error}; nothing was changed"
                ))
            })?;
            if !is_list_of_roles(row.get(2)) {
                let what =
                    format!("the roles of {name:?} are no list of names; nothing was changed");
                return Err(refuse(what));
            }
            names.push((name, parsed.key().to_owned()));
            emails.extend(email.map(|email| (email.clone(), email.to_lowercase())));
        }
        for (pairs, what) in [(&names, "user names"), (&emails, "addresses")] {
            if let Some(collisions) = collisions(pairs) {
                let what = format!(
                    "these {what} differ in upper and lower case alone: {collisions}; nothing was \
                     changed"
                );
                let hint =
                    Some("rename or remove all but one of each, then start again".to_owned());
                return Err(StoreError { hint, ..refuse(what) });
            }
        }
        Ok(Self { names, emails })
    }

    async fn write_keys(&self, work: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        const NAMES: &str = "UPDATE users SET name_key = kept.key \
            FROM unnest($1::text[], $2::text[]) AS kept (text, key) WHERE username = kept.text";
        const EMAILS: &str = "UPDATE users SET email_key = kept.key \
            FROM unnest($1::text[], $2::text[]) AS kept (text, key) WHERE email = kept.text";
        for (sql, pairs) in [(NAMES, &self.names), (EMAILS, &self.emails)] {
            let (texts, keys): (Vec<&str>, Vec<&str>) =
                pairs.iter().map(|(text, key)| (text.as_str(), key.as_str())).unzip();
            let values: crate::pool::Values<'_> =
                &[(&texts, Type::TEXT_ARRAY), (&keys, Type::TEXT_ARRAY)];
            work.query_typed(sql, values).await?;
        }
        Ok(())
    }
}

fn is_list_of_roles(text: &str) -> bool {
    let roles: Result<Vec<String>, _> = serde_json::from_str(text);
    roles.is_ok_and(|roles| roles.iter().all(|role| RoleName::parse(role).is_some()))
}

/// The first few that have a key in common.
fn collisions(pairs: &[(String, String)]) -> Option<String> {
    let mut by_key: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (text, key) in pairs {
        by_key.entry(key).or_default().push(text);
    }
    let several = by_key.into_values().filter(|texts| texts.len() > 1);
    let told: Vec<_> = several.take(10).map(|texts| texts.join(" and ")).collect();
    (!told.is_empty()).then(|| told.join(", "))
}
