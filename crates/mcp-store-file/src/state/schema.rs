//! The layouts of the database, each made from the one before.

use std::path::Path;

use mcp_store::StoreError;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::fault;
use crate::fault::{WithHint as _, refused, shown};

/// From each layout to the next; layout 0 is an empty file. What was released is never changed:
/// a new layout is a new line.
const STEPS: &[&str] =
    &[include_str!("schema.sql"), include_str!("schema_scope.sql"), include_str!("recovery.sql")];

/// "mcps", in the header of the file: a database of ours.
const APPLICATION: i32 = i32::from_be_bytes(*b"mcps");

/// The layout that this release writes.
const OURS: isize = STEPS.len().cast_signed();

/// Refuses a database that is not ours or that a newer release wrote.
pub(super) fn check(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let reading = |error| fault(path, "read its layout", &error);
    let application: i32 = number(db, "PRAGMA application_id").map_err(reading)?;
    let tables: i64 = number(db, "SELECT count(*) FROM sqlite_schema").map_err(reading)?;
    if application != APPLICATION && (application != 0 || tables != 0) {
        return Err(refused(shown(path), "it is a database of something else")
            .hint("name another folder in state.directory"));
    }
    let layout = layout(db).map_err(reading)?;
    if (0..=OURS).contains(&layout) {
        return Ok(());
    }
    let fault = format!("it has layout {layout}, and this release knows those up to {OURS}");
    Err(refused(shown(path), fault)
        .hint("run the release that wrote it, or move the file away, which signs everybody out"))
}

/// Brings an older layout, or an empty file, to ours: as a whole or not at all.
pub(super) fn migrate(db: &Connection) -> rusqlite::Result<()> {
    if layout(db)? == OURS {
        return Ok(());
    }
    let change = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(layout(&change)?.unsigned_abs()) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", OURS)?;
    change.commit()
}

fn layout(db: &Connection) -> rusqlite::Result<isize> {
    number(db, "PRAGMA user_version")
}

fn number<T: FromSql>(db: &Connection, statement: &str) -> rusqlite::Result<T> {
    db.query_row(statement, (), |row| row.get(0))
}
