//! What there is in a database, as far as a credential may read it: read once, kept for a while.

mod cache;
mod names;
mod read;
mod relation;

use std::sync::Arc;
use std::time::Instant;

use mcp_identity::{DatabaseName, Principal};
use mcp_query::{Databases, QueryFault};

use cache::{Cache, Key};
pub(crate) use relation::{
    ColumnInfo, Constraint, Index, Relation, Relations, one_line, shown_identifier,
};

/// The schemas of all databases. Cheap to clone; clones share what they keep.
#[derive(Clone)]
pub(crate) struct Catalog {
    pub(crate) databases: Databases,
    cache: Arc<Cache>,
}

/// Which relations are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// Only those of this schema; without it, those of every schema but PostgreSQL's own.
    pub(crate) schema: Option<&'a str>,
    /// Only those of this name.
    pub(crate) table: Option<&'a str>,
}

impl Catalog {
    pub(crate) fn new(databases: Databases) -> Self {
        Self { databases, cache: Arc::default() }
    }

    /// Tables and views that this credential may read, by schema and name. What this server
    /// changes shows at once; what others change, after [`cache::KEPT_FOR`] at the latest.
    pub(crate) async fn relations(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        wanted: Wanted<'_>,
    ) -> Result<Arc<Relations>, QueryFault> {
        let key = Key::new(principal, database, wanted);
        // Asked before reading: a change in between makes what is read out of date.
        let generation = self.databases.schema_generation(database);
        if let Some(kept) = self.cache.find(&key, generation, &principal.lease, Instant::now()) {
            return Ok(kept);
        }
        let read = Arc::new(read::relations(&self.databases, principal, database, wanted).await?);
        self.cache.insert(key, generation, &principal.lease, &read, Instant::now());
        Ok(read)
    }
}
