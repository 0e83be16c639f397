//! `pg://system_info`: what a database is, as far as whoever queries it should know.

use mcp_identity::{DatabaseName, Principal};
use mcp_protocol::{BoxFuture, Failure, ReadCall, Resource, ResourceContents, ResourceDescriptor};
use mcp_query::{Column, Databases, QueryFault, Row, Rows, Stop};
use serde_json::Value;

use crate::resource::{JSON, contents};
use crate::told::refused;

/// Where it stands.
pub(crate) const URI: &str = "pg://system_info";

/// One row of one object. No address, no path and no name of a host is in it.
const SYSTEM_INFO: &str = "
SELECT pg_catalog.json_build_object(
  'server_version', pg_catalog.current_setting('server_version'),
  'server_version_num', pg_catalog.current_setting('server_version_num')::integer,
  'encoding', pg_catalog.pg_encoding_to_char(d.encoding),
  'collation', d.datcollate,
  'time_zone', pg_catalog.current_setting('TimeZone'),
  'started_at', pg_catalog.pg_postmaster_start_time(),
  'is_standby', pg_catalog.pg_is_in_recovery(),
  'user', current_user,
  'search_path', pg_catalog.current_schemas(false),
  'schemas', (SELECT coalesce(pg_catalog.json_agg(n.nspname ORDER BY n.nspname), '[]')
                FROM pg_catalog.pg_namespace AS n
               WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                 AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'),
  'extensions', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                   'name', e.extname, 'version', e.extversion) ORDER BY e.extname), '[]')
                   FROM pg_catalog.pg_extension AS e))
  FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()";

/// The version, settings and extensions of the default database.
pub(crate) struct SystemInfo {
    databases: Databases,
}

impl SystemInfo {
    pub(crate) fn new(databases: Databases) -> Self {
        Self { databases }
    }

    async fn run(&self, call: ReadCall<'_, Principal>) -> Result<Vec<ResourceContents>, Failure> {
        let database = self.databases.choose(call.principal, None);
        let database = database.map_err(|fault| refused(&fault))?;
        let text = read(&self.databases, call.principal, database).await;
        let text = text.map_err(|fault| refused(&fault))?;
        contents(call.uri, text, self.databases.limits(database))
    }
}

/// What a database is, as JSON.
pub(crate) async fn read(
    databases: &Databases,
    principal: &Principal,
    database: &DatabaseName,
) -> Result<String, QueryFault> {
    let mut object = Object(Value::Null);
    databases.constant(principal, database, SYSTEM_INFO, &[], &mut object).await?;
    let mut info = object.0;
    // By the name that callers know, which is the configuration's.
    info["database"] = database.as_str().into();
    Ok(info.to_string())
}

/// The one value of the one row.
struct Object(Value);

impl Rows for Object {
    async fn columns(&mut self, _: &[Column]) -> Result<(), Stop> {
        Ok(())
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        self.0 = row.get(0).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Ok(())
    }
}

impl Resource<Principal> for SystemInfo {
    fn descriptor(&self) -> ResourceDescriptor {
        ResourceDescriptor {
            uri: URI,
            name: "system_info",
            title: "About the database",
            description: "Version, encoding, time zone, schemas and extensions of the default \
                database."
                .into(),
            mime_type: Some(JSON),
            icons: Vec::new(),
        }
    }

    fn read<'a>(
        &'a self,
        call: ReadCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Failure>> {
        Box::pin(self.run(call))
    }
}
