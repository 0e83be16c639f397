//! A look at the tables that changes nothing, for an operator's tool.

use std::num::NonZeroUsize;

use mcp_connect::Target;
use mcp_store::{StoreError, StoreErrorKind};
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use crate::fault::fault;
use crate::pool::Pool;
use crate::schema::{is_ready, may_be_made};
use crate::settings::PostgresSettings;
use crate::shape::{Sessions, Users, look, stop};
use crate::store::PostgresStore;

/// How the tables of a database are, for a store of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TablesState {
    /// As this release needs them.
    Ready,
    /// Not there; opening a store makes them.
    Absent,
    /// Of a system that is known; opening a store migrates them.
    Foreseen,
}

/// What the store writes to.
const TABLES: [&str; 3] = ["users", "user_sessions", "mcp_tokens"];

impl PostgresStore {
    /// Looks at the tables, and changes nothing.
    ///
    /// # Errors
    /// What [`open`](Self::open) would fail with, as far as a look can tell; and
    /// [`StoreErrorKind::Refused`] when the login may not write to the tables.
    pub async fn look(target: Target) -> Result<TablesState, StoreError> {
        let one =
            PostgresSettings { connections: NonZeroUsize::MIN, ..PostgresSettings::default() };
        let pool = Pool::new(target, one)?;
        let place = pool.place();
        let mut lent = pool.lend_bare().await?;
        let work = lent.transaction().await.map_err(stop(place))?;
        let state = state(place, pool.target(), &work).await;
        work.rollback().await.map_err(stop(place))?;
        lent.settle();
        state
    }
}

async fn state(
    place: &str,
    target: &Target,
    work: &Transaction<'_>,
) -> Result<TablesState, StoreError> {
    if is_ready(place, work).await? {
        may_be_written(place, target, work).await?;
        return Ok(TablesState::Ready);
    }
    may_be_made(place, target, work).await?;
    let found = look(place, work).await?;
    let nothing = found.users == Users::Absent && found.sessions == Sessions::Absent;
    Ok(if nothing { TablesState::Absent } else { TablesState::Foreseen })
}

async fn may_be_written(
    place: &str,
    target: &Target,
    work: &Transaction<'_>,
) -> Result<(), StoreError> {
    const DENIED: &str = "SELECT relname::text FROM pg_catalog.pg_class \
        WHERE relnamespace = 'public'::regnamespace AND relname = ANY($1) AND NOT ( \
            has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT') \
            AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')) \
        ORDER BY relname";
    let tables = TABLES.as_slice();
    let rows = work.query_typed(DENIED, &[(&tables, Type::TEXT_ARRAY)]).await;
    let denied: Vec<String> =
        rows.map_err(stop(place))?.iter().map(|row| row.get::<_, String>(0)).collect();
    if denied.is_empty() {
        return Ok(());
    }
    let login = target.user.replace('"', "\"\"");
    let hint = format!(
        "as the owner of the tables: GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO \"{login}\"; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO \"{login}\";",
        denied.join(", ")
    );
    let what = format!("the login may not read and write {}", denied.join(", "));
    Err(StoreError { hint: Some(hint), ..fault(place, StoreErrorKind::Refused, what) })
}
