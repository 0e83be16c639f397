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

    /// Says that a statement changed the schema of that database, or may have, under whatever
    /// names it is configured. To be called once its transaction has ended, whatever became of it.
    pub fn schema_changed(&self, database: &DatabaseName) {
        for place in self.pools.same_database(database) {
            if let Some(count) = self.changes.0.get(place) {
                count.fetch_add(1, Ordering::Release);
            }
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

    fn settings(name: &DatabaseName, dsn: &str) -> DatabaseSettings {
        DatabaseSettings {
            name: name.clone(),
            target: Target::parse(dsn).unwrap(),
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

    /// Which of the databases a change of the first shows on.
    fn shown(dsns: &[&str]) -> Vec<bool> {
        let name = |place: usize| DatabaseName::parse(&format!("db{place}")).unwrap();
        let names: Vec<_> = (0..dsns.len()).map(name).collect();
        let all = names.iter().zip(dsns).map(|(name, dsn)| settings(name, dsn)).collect();
        let (pools, _keeper) = Pools::new(all);
        let limits =
            Limits { max_rows: 1, max_result_bytes: 1, statement_timeout: Duration::from_secs(1) };
        let databases = Databases::new(pools, vec![limits; dsns.len()]);
        let clone = databases.clone();
        let before: Vec<_> = names.iter().map(|name| clone.schema_generation(name)).collect();
        databases.schema_changed(&names[0]);
        let after = names.iter().map(|name| clone.schema_generation(name));
        after.zip(before).map(|(after, before)| after != before).collect()
    }

    #[test]
    fn a_change_shows_on_its_database_in_every_clone_and_on_no_other() {
        let others =
            ["postgresql://a@one/shop", "postgresql://a@one/till", "postgresql://a@two/shop"];
        assert_eq!(shown(&others), [true, false, false]);
    }

    #[test]
    fn a_change_shows_under_every_name_of_its_database() {
        let names = [
            "postgresql://writer@one,two/shop",
            "postgresql://reader@two/shop?target_session_attrs=standby",
            "postgresql://reader@one:5432/shop",
        ];
        assert_eq!(shown(&names), [true, true, true]);
    }
}
