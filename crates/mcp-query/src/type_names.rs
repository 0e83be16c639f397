//! The names of types that somebody made.

use std::collections::HashMap;
use std::fmt::Write as _;

use mcp_identity::{DatabaseName, Principal};

use crate::fault::QueryFault;
use crate::query::{Column, Databases, Row, Rows, Stop};

/// As `type_name` has built-in types; with its schema where the search path does not reach it.
const TYPE_NAMES: &str = "
SELECT t.oid, CASE WHEN pg_catalog.pg_type_is_visible(t.oid) THEN t.typname::text
                   ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
              END
  FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
 WHERE t.oid = ANY ($1::pg_catalog.oid[])";

impl Databases {
    /// The names of these types, as far as they exist. Enums, composites and the types of
    /// extensions have ids of their own in each database.
    ///
    /// # Errors
    /// [`QueryFault`].
    pub async fn type_names(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        oids: impl Iterator<Item = u32>,
    ) -> Result<HashMap<u32, String>, QueryFault> {
        let mut list = String::from("{");
        for (place, oid) in oids.enumerate() {
            let _ = write!(list, "{}{oid}", if place > 0 { "," } else { "" });
        }
        list.push('}');
        let mut names = Names(HashMap::new());
        self.constant(principal, database, TYPE_NAMES, &[Some(&list)], &mut names).await?;
        Ok(names.0)
    }
}

struct Names(HashMap<u32, String>);

impl Rows for Names {
    async fn columns(&mut self, _: &[Column]) -> Result<(), Stop> {
        Ok(())
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        if let (Some(Ok(oid)), Some(name)) = (row.get(0).map(str::parse), row.get(1)) {
            self.0.insert(oid, name.to_owned());
        }
        Ok(())
    }
}
