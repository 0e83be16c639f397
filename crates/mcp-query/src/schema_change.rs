//! Whether what is remembered of a schema still holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mcp_identity::DatabaseName;

use crate::query::Databases;

/// How often this server has changed the schema of each database, in file order.
#[derive(Clone)]
pub(crate) struct SchemaChanges(Arc<[AtomicU64]>);

impl SchemaChanges {
    pub(crate) fn new(databases: usize) -> Self {
        Self((0..databases).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Databases {
    /// A number that is another one after each change that this server made to the schema of that
    /// database. Ask before reading the schema, and remember the number with what was read: a
    /// change in between then shows. What others change does not show here.
    #[must_use]
    pub fn schema_generation(&self, database: &DatabaseName) -> u64 {
        let count = self.place(database).and_then(|place| self.changes.0.get(place));
        count.map_or(0, |count| count.load(Ordering::Acquire))
    }

    /// Says that a statement changed the schema of that database, or may have. To be called once
    /// its transaction has ended, whatever became of it.
    pub fn schema_changed(&self, database: &DatabaseName) {
        if let Some(count) = self.place(database).and_then(|place| self.changes.0.get(place)) {
            count.fetch_add(1, Ordering::Release);
        }
    }
}
