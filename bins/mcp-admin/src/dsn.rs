//! Credentials in PostgreSQL, as the configuration names the database.

use std::num::NonZeroUsize;

use mcp_config::UsersConfig;
use mcp_connect::Target;
use mcp_store::{StoreError, StoreErrorKind};
use mcp_store_postgres::{PostgresSettings, PostgresStore};

use crate::desk::Desk;
use crate::output::Fault;

/// Opens the store. Makes its tables, or brings them up to date, as a server does.
pub(crate) fn open(desk: &Desk) -> Result<PostgresStore, Fault> {
    let target = target(&desk.config()?.users)?;
    let one = PostgresSettings { connections: NonZeroUsize::MIN, ..PostgresSettings::default() };
    // What would hear of changes is not needed: what is asked is asked once.
    let (store, _) = desk.wait(PostgresStore::open(target, one)).map_err(fault)?;
    Ok(store)
}

/// The database of users and tokens.
pub(crate) fn target(users: &UsersConfig) -> Result<Target, Fault> {
    let Some(dsn) = &users.database_dsn else {
        return Err(Fault::refused("no database of users and tokens is configured")
            .hint("set USER_DATABASE_DSN, or users.database_dsn in the configuration"));
    };
    Target::parse(dsn.expose())
        .map_err(|error| Fault::refused(format!("users.database_dsn: {error}")))
}

/// A failure of the store, with the way out where it is down.
pub(crate) fn fault(error: StoreError) -> Fault {
    let is_down = error.kind == StoreErrorKind::Down;
    let fault = Fault::from(error);
    if is_down && fault.way_out().is_none() {
        return fault.hint("is the database running, and users.database_dsn right?");
    }
    fault
}
