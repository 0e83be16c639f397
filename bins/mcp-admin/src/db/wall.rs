//! What a role may do in a database beyond reading what it was given, as PostgreSQL itself says:
//! the part of the wall that stands in the database.

use crate::databases::Asked;
use crate::output::{Fault, escaped};

/// What one role may do. Names are quoted, with their schema in front, ready to stand in SQL. What
/// acts on a terminal is escaped in them, which makes such a name another one: SQL with it fails,
/// and is not another than was read.
#[derive(Debug, Default)]
pub(crate) struct Wall {
    /// The database's own name, quoted.
    pub(crate) database: String,
    /// Is there such a role? One that is yet to be made has the rights of everybody.
    pub(crate) exists: bool,
    pub(crate) is_superuser: bool,
    /// Attributes that no agent needs, such as `CREATEROLE`.
    pub(crate) attributes: Vec<String>,
    /// Roles of PostgreSQL that reach files, programs, other sessions or all data.
    pub(crate) powers: Vec<String>,
    /// Other roles whose rights it has.
    pub(crate) memberships: Vec<String>,
    /// Functions that no statement of a caller may name, and that it may execute: those that
    /// everybody may, and those that it was given.
    pub(crate) open_functions: Vec<String>,
    pub(crate) given_functions: Vec<String>,
    /// Whoever else has the rights of everybody, and should keep them.
    pub(crate) others: Vec<String>,
    /// Functions of this database that run with the rights of their owner.
    pub(crate) definers: Vec<String>,
    /// Tables and views that it may write to.
    pub(crate) writable: Vec<String>,
    /// Sequences that it may move.
    pub(crate) sequences: Vec<String>,
    /// Relations that it owns: nothing is ever refused to an owner.
    pub(crate) owned: Vec<String>,
    /// Schemas in which it may make things.
    pub(crate) creates_in: Vec<String>,
    /// What it may make in the database: `CREATE`, `TEMPORARY`.
    pub(crate) makes: Vec<String>,
    /// Tables of a user store (password hashes, sessions) that it may read.
    pub(crate) credentials: Vec<String>,
    /// Schemas with tables.
    pub(crate) schemas: Vec<String>,
    /// A table that a policy could stand on, for an example.
    pub(crate) example: Option<String>,
}

/// Denied to statements, but not taken from a role: the server itself uses them (to be another
/// role, to end what does not heed a cancel, to give locks back).
fn is_needed(name: &str) -> bool {
    const NEEDED: [&str; 3] = ["set_config", "pg_terminate_backend", "pg_advisory_unlock_all"];
    NEEDED.contains(&name)
}

const ROLE: &str = "
SELECT r.rolsuper::text, array_to_string(ARRAY[
         CASE WHEN r.rolcreatedb THEN 'CREATEDB' END, CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
         CASE WHEN r.rolreplication THEN 'REPLICATION' END,
         CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END], ' ')
  FROM pg_roles AS r WHERE r.rolname = $1";

/// Memberships, those through others included: name, and whether it is one of PostgreSQL's own.
const MEMBERSHIPS: &str = "
SELECT quote_ident(g.rolname), (g.rolname LIKE 'pg\\_%')::text
  FROM pg_roles AS r, pg_roles AS g
 WHERE r.rolname = $1 AND g.oid <> r.oid AND NOT r.rolsuper AND pg_has_role(r.oid, g.oid, 'MEMBER')
   AND g.rolname <> 'pg_database_owner'
 ORDER BY g.rolname";

/// `$1`: the role, or `public`. Name, signature, owner's rights, and whether it is PostgreSQL's.
const FUNCTIONS: &str = "
SELECT p.proname, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       p.prosecdef::text, (p.proowner = 10)::text,
       has_function_privilege('public', p.oid, 'EXECUTE')::text
  FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
 WHERE has_function_privilege($1, p.oid, 'EXECUTE') AND has_schema_privilege($1, n.oid, 'USAGE')
   AND (SELECT bool_and(r.rolname <> $1 OR p.proowner <> r.oid) FROM pg_roles AS r)
 ORDER BY 2";

/// Not those whose rights the role has: it would get back what it lost.
const OTHERS: &str = "
SELECT quote_ident(o.rolname) FROM pg_roles AS o
 WHERE NOT o.rolsuper AND o.rolname NOT LIKE 'pg\\_%' AND o.rolname <> $1
   AND NOT EXISTS (SELECT FROM pg_roles AS r
                    WHERE r.rolname = $1 AND pg_has_role(r.oid, o.oid, 'MEMBER'))
 ORDER BY 1";

const WRITABLE: &str = "
SELECT c.oid::regclass FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema'
   AND n.nspname NOT LIKE 'pg\\_temp%' AND n.nspname NOT LIKE 'pg\\_toast%'
   AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = $1 AND r.oid = c.relowner)
   AND NOT (n.nspname = 'pg_catalog' AND c.relname = 'pg_settings')
   AND (has_table_privilege($1, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
     OR has_any_column_privilege($1, c.oid, 'INSERT, UPDATE, REFERENCES'))
 ORDER BY 1::text";

/// What is no sequence must not be asked about, and a planner knows no order but that of CASE.
const SEQUENCES: &str = "
SELECT c.oid::regclass FROM pg_class AS c
 WHERE CASE WHEN c.relkind = 'S' THEN has_sequence_privilege($1, c.oid, 'USAGE, UPDATE') END
   AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = $1 AND r.oid = c.relowner)
 ORDER BY 1::text";

const OWNED: &str = "
SELECT c.oid::regclass FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
 WHERE r.rolname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY 1::text";

const CREATES_IN: &str = "
SELECT quote_ident(n.nspname) FROM pg_namespace AS n
 WHERE has_schema_privilege($1, n.oid, 'CREATE') AND n.nspname NOT LIKE 'pg\\_temp%'
   AND n.nspname NOT LIKE 'pg\\_toast%'
 ORDER BY 1";

const DATABASE: &str = "
SELECT quote_ident(d.datname),
       concat_ws(' ', CASE WHEN has_database_privilege($1, d.oid, 'CREATE') THEN 'CREATE' END,
                      CASE WHEN has_database_privilege($1, d.oid, 'TEMPORARY') THEN 'TEMPORARY' END)
  FROM pg_database AS d WHERE d.datname = current_database()";

/// Tables with a column that holds credentials, by the names that a user store gives them.
const CREDENTIALS: &str = "
SELECT DISTINCT c.oid::regclass::text
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_column_privilege($1, c.oid, a.attnum, 'SELECT')
   AND (c.relname, a.attname) IN (('users', 'password_hash'), ('email_users', 'password_hash'),
     ('password_history', 'password_hash'), ('password_reset_tokens', 'token'),
     ('user_sessions', 'token_jti'))
 ORDER BY 1";

/// Schemas of people's tables, and one of these.
const TABLES: &str = "
SELECT quote_ident(n.nspname), min(c.oid::regclass::text) FILTER (WHERE c.relkind IN ('r', 'p'))
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema'
   AND n.nspname NOT LIKE 'pg\\_%'
 GROUP BY n.nspname ORDER BY 1";

impl Wall {
    /// Looks at what the role `wanted` may do here.
    pub(crate) async fn look(asked: &mut Asked, wanted: &str) -> Result<Self, Fault> {
        let mut wall = Self::default();
        wall.look_at_role(asked, wanted).await?;
        // The rights that everybody has are those of a role which is yet to be made.
        let role = if wall.exists { wanted } else { "public" };
        wall.look_at_functions(asked, role).await?;
        wall.others = names(&asked.column(OTHERS, &[wanted]).await?);
        wall.writable = names(&asked.column(WRITABLE, &[role]).await?);
        wall.sequences = names(&asked.column(SEQUENCES, &[role]).await?);
        wall.owned = names(&asked.column(OWNED, &[role]).await?);
        wall.creates_in = names(&asked.column(CREATES_IN, &[role]).await?);
        wall.credentials = names(&asked.column(CREDENTIALS, &[role]).await?);
        if let Some([database, makes]) = first(asked.rows(DATABASE, &[role]).await?) {
            wall.database = escaped(&database);
            wall.makes = words(&makes);
        }
        for row in asked.rows(TABLES, &[]).await? {
            let Ok([schema, table]) = <[String; 2]>::try_from(row) else { continue };
            wall.schemas.push(escaped(&schema));
            let table = Some(escaped(&table)).filter(|table| !table.is_empty());
            wall.example = wall.example.or(table);
        }
        Ok(wall)
    }

    async fn look_at_role(&mut self, asked: &mut Asked, role: &str) -> Result<(), Fault> {
        if let Some([is_superuser, attributes]) = first(asked.rows(ROLE, &[role]).await?) {
            self.exists = true;
            self.is_superuser = is_superuser == "true";
            self.attributes = words(&attributes);
        }
        for row in asked.rows(MEMBERSHIPS, &[role]).await? {
            let Ok([name, is_power]) = <[String; 2]>::try_from(row) else { continue };
            let list = if is_power == "true" { &mut self.powers } else { &mut self.memberships };
            list.push(escaped(&name));
        }
        Ok(())
    }

    async fn look_at_functions(&mut self, asked: &mut Asked, role: &str) -> Result<(), Fault> {
        for row in asked.rows(FUNCTIONS, &[role]).await? {
            let Ok([name, signature, is_definer, is_systems, is_open]) =
                <[String; 5]>::try_from(row)
            else {
                continue;
            };
            let denied = mcp_sql::is_denied(&name);
            if denied && !is_needed(&name) {
                let list = if is_open == "true" {
                    &mut self.open_functions
                } else {
                    &mut self.given_functions
                };
                list.push(escaped(&signature));
            } else if is_definer == "true" && !denied && !is_catalogs(&signature, &is_systems) {
                self.definers.push(escaped(&signature));
            }
        }
        Ok(())
    }
}

/// PostgreSQL's own functions know what they do.
fn is_catalogs(signature: &str, is_systems: &str) -> bool {
    is_systems == "true" && signature.starts_with("pg_catalog.")
}

fn first<const N: usize>(rows: Vec<Vec<String>>) -> Option<[String; N]> {
    rows.into_iter().next()?.try_into().ok()
}

fn names(names: &[String]) -> Vec<String> {
    names.iter().map(|name| escaped(name)).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
