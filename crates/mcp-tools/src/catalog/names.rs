//! Names that begin as somebody has begun to type.

use mcp_identity::{DatabaseName, Principal};
use mcp_protocol::{Completion, Failure};
use mcp_query::{Column, QueryFault, Row, Rows, Stop};

use crate::catalog::Catalog;

/// Schemas with something to read in them. Each row also says how many there are.
const SCHEMAS: &str = r"
SELECT n.nspname, pg_catalog.count(*) OVER ()
  FROM pg_catalog.pg_namespace AS n
 WHERE pg_catalog.starts_with(n.nspname::text, $1::text)
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
 ORDER BY n.nspname LIMIT 100";

/// Tables and views that may be read, of one schema or of all that a query finds by itself.
const TABLES: &str = "
SELECT c.relname, pg_catalog.count(*) OVER ()
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE pg_catalog.starts_with(c.relname::text, $1::text)
   AND CASE WHEN $2::text IS NULL
            THEN pg_catalog.pg_table_is_visible(c.oid) AND n.nspname <> 'pg_catalog'
            ELSE n.nspname = $2::text END
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
   AND (pg_catalog.has_table_privilege(c.oid, 'SELECT')
        OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))
 ORDER BY c.relname LIMIT 100";

impl Catalog {
    /// The databases of this principal.
    pub(crate) fn complete_database(&self, principal: &Principal, begun: &str) -> Completion {
        let names = self.databases.reached(principal).map(DatabaseName::as_str);
        Completion::of(names.filter(|name| name.starts_with(begun)).map(str::to_owned).collect())
    }

    /// The schemas of a database.
    pub(crate) async fn complete_schema(
        &self,
        principal: &Principal,
        database: Option<&str>,
        begun: &str,
    ) -> Result<Completion, Failure> {
        self.complete(principal, database, SCHEMAS, &[Some(begun)]).await
    }

    /// The tables and views of a schema.
    pub(crate) async fn complete_table(
        &self,
        principal: &Principal,
        database: Option<&str>,
        schema: Option<&str>,
        begun: &str,
    ) -> Result<Completion, Failure> {
        self.complete(principal, database, TABLES, &[Some(begun), schema]).await
    }

    async fn complete(
        &self,
        principal: &Principal,
        database: Option<&str>,
        sql: &'static str,
        parameters: &[Option<&str>],
    ) -> Result<Completion, Failure> {
        let Ok(database) = self.databases.choose(principal, database) else {
            return Ok(Completion::default());
        };
        // No name holds a NUL, and no parameter may.
        if parameters.iter().flatten().any(|text| text.contains('\0')) {
            return Ok(Completion::default());
        }
        let mut names = Names::default();
        match self.databases.constant(principal, database, sql, parameters, &mut names).await {
            Ok(()) => Ok(names.0),
            Err(QueryFault::Gone) => Err(Failure::Gone),
            // Somebody types: no suggestion is an answer, an error would be in the way.
            Err(_) => Ok(Completion::default()),
        }
    }
}

#[derive(Default)]
struct Names(Completion);

impl Rows for Names {
    async fn columns(&mut self, _: &[Column]) -> Result<(), Stop> {
        Ok(())
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        self.0.values.extend(row.get(0).map(str::to_owned));
        self.0.total = row.get(1).and_then(|total| total.parse().ok());
        Ok(())
    }
}
