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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use mcp_connect::Target;
    use mcp_identity::DatabaseName;
    use mcp_pool::{DatabaseSettings, Pools};

    use super::Databases;
    use crate::limits::Limits;

    fn settings(name: &DatabaseName) -> DatabaseSettings {
        DatabaseSettings {
            name: name.clone(),
            target: Target::parse("postgresql://agent@localhost/shop").unwrap(),
            available_to_users: None,
            db_role: None,
            allow_writes: true,
            allow_superuser: false,
            allow_shared_auth_database: false,
            statement_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(1),
            connections_per_principal: NonZeroUsize::MIN,
            connections_per_user: NonZeroUsize::MIN,
            connections_total: NonZeroUsize::MIN,
            pool_idle: Duration::from_secs(1),
            acquire_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_change_shows_on_its_database_in_every_clone_and_on_no_other() {
        let [sales, stock] = ["sales", "stock"].map(|name| DatabaseName::parse(name).unwrap());
        let (pools, _keeper) = Pools::new(vec![settings(&sales), settings(&stock)]);
        let limits =
            Limits { max_rows: 1, max_result_bytes: 1, statement_timeout: Duration::from_secs(1) };
        let databases = Databases::new(pools, vec![limits, limits]);
        let clone = databases.clone();
        let before = [&sales, &stock].map(|name| clone.schema_generation(name));
        databases.schema_changed(&stock);
        let after = [&sales, &stock].map(|name| clone.schema_generation(name));
        assert_eq!(after[0], before[0]);
        assert_ne!(after[1], before[1]);
    }
}
