//! The layouts of the database, each made from the one before.

use std::path::Path;

use mcp_store::StoreError;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::fault;
use crate::fault::{WithHint as _, refused, shown};

/// From each layout to the next; layout 0 is an empty file. What was released is never changed:
/// a new layout is a new line.
const STEPS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_scope.sql"),
    include_str!("recovery.sql"),
    include_str!("past.sql"),
];

/// "mcps", in the header of the file: a database of ours.
const APPLICATION: i32 = i32::from_be_bytes(*b"mcps");

/// The layout that this release writes.
const OURS: isize = STEPS.len().cast_signed();

/// Refuses a database that is not ours or that a newer release wrote.
pub(super) fn check(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let reading = |error| fault(path, "read its layout", &error);
    let application: i32 = value(db, "PRAGMA application_id").map_err(reading)?;
    let tables: i64 = value(db, "SELECT count(*) FROM sqlite_schema").map_err(reading)?;
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
    take(db, STEPS)
}

/// Takes those of all steps that the database has not taken yet.
fn take(db: &Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let last = steps.len().cast_signed();
    if layout(db)? == last {
        return Ok(());
    }
    let change = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    for step in steps.iter().skip(layout(&change)?.unsigned_abs()) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", last)?;
    change.commit()
}

fn layout(db: &Connection) -> rusqlite::Result<isize> {
    value(db, "PRAGMA user_version")
}

fn value<T: FromSql>(db: &Connection, statement: &str) -> rusqlite::Result<T> {
    db.query_row(statement, (), |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of the first release, with a session in it.
    fn first() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        take(&db, &STEPS[..1]).unwrap();
        let session = "INSERT INTO session VALUES (1, 'id', 'hash', 'alice', 2, 'Alice', 3, 4, 5, \
                       '::1', NULL)";
        db.execute(session, ()).unwrap();
        db
    }

    fn shown(db: &Connection) -> String {
        value(db, "SELECT shown FROM session WHERE id = 'id' AND expires_at = 4").unwrap()
    }

    fn objects(db: &Connection) -> Vec<String> {
        let made = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        let mut objects = db.prepare(made).unwrap();
        objects.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn an_older_layout_becomes_the_newest_and_keeps_its_rows() {
        let db = first();
        let colour = "ALTER TABLE session ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'";
        let bright = "UPDATE session SET colour = 'bright ' || colour";
        for _ in 0..2 {
            take(&db, &[STEPS[0], colour, bright]).unwrap();
            assert_eq!(layout(&db), Ok(3));
            assert_eq!(shown(&db), "Alice");
            let colour: String = value(&db, "SELECT colour FROM session").unwrap();
            assert_eq!(colour, "bright grey", "each step is taken once");
        }
        check(&first(), Path::new("state.db")).unwrap();
    }

    #[test]
    fn a_step_that_fails_leaves_the_older_layout_as_it_was() {
        let db = first();
        let before = objects(&db);
        let colour = "ALTER TABLE session ADD COLUMN colour TEXT; DELETE FROM session;";
        let broken = "CREATE TABLE more (one) STRICT";
        take(&db, &[STEPS[0], colour, broken]).unwrap_err();
        assert_eq!(layout(&db), Ok(1));
        assert_eq!(objects(&db), before);
        assert_eq!(shown(&db), "Alice");
    }
}
