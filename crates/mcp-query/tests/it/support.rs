//! A database behind the wall, an agent in front of it, and a superuser who looks at both.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_connect::{Connection, SessionSettings, Target, Transaction};
use mcp_identity::{
    AuditEvent, AuditLog, DatabaseGrant, DatabaseName, Grants, Lease, LeaseEnd, Principal,
    PrincipalId, RoleName, SystemClock, TokenId,
};
use mcp_pool::{DatabaseSettings, Pools};
use mcp_query::{Changed, Column, Databases, Limits, QueryFault, Row, Rows, Stop, push_row};
use mcp_testdb::Postgres;
use tokio::sync::Mutex as AsyncMutex;

/// What every test finds: tables that belong to the agent, so that nothing but the wall keeps it
/// from writing them, and functions of the superuser's.
pub(crate) const SHOP: &str = "
    CREATE ROLE agent LOGIN; GRANT CREATE ON SCHEMA public TO agent; CREATE ROLE other LOGIN;
    GRANT TEMPORARY, CREATE ON DATABASE postgres TO agent;
    SET ROLE agent;
    CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, note text, city text);
    INSERT INTO customers VALUES (1, 'Anna', NULL, 'Bern'), (2, 'Bo', '', 'Oslo'),
        (3, 'Zoë', 'x;y', 'Bern'), (4, 'select', '--', NULL);
    CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers,
        amount numeric(10, 2), at timestamptz, tags text[], data jsonb, parent int);
    INSERT INTO orders (customer_id, amount, at, tags, data, parent)
        SELECT 1 + n % 3, n * 1.25, timestamptz '2026-01-01 UTC' + n * interval '7 hours',
            ARRAY['a', 'b' || n % 2], jsonb_build_object('n', n, 'k', jsonb_build_array(n, n + 1)),
            nullif(n / 2, 0)
        FROM generate_series(1, 40) AS n;
    CREATE TABLE \"Odd \"\"Name\" (q int, \"select\" int, \"update\" int);
    INSERT INTO \"Odd \"\"Name\" VALUES (1, 2, 3);
    CREATE VIEW busy AS SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id;
    CREATE SEQUENCE numbers;
    RESET ROLE;
    SELECT lo_from_bytea(4711, 'large');
    CREATE FUNCTION writes() RETURNS int LANGUAGE sql
        AS 'INSERT INTO customers VALUES (99, ''x'') RETURNING id';
    CREATE FUNCTION unlocks() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        SET LOCAL transaction_read_only = off; INSERT INTO customers VALUES (98, 'x'); RETURN 1;
        END $$;
    CREATE FUNCTION configures() RETURNS text LANGUAGE sql
        AS $$ SELECT set_config('default_transaction_read_only', 'off', false)
            || set_config('standard_conforming_strings', 'off', false) $$;
    CREATE FUNCTION commits() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        COMMIT; INSERT INTO customers VALUES (97, 'x'); RETURN 1; END $$;
    CREATE FUNCTION stubborn() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
        LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
        END $$;";

/// Everything that a statement could have moved, as one line: the rows of each table, the catalogs
/// with owners, rights and comments, roles, large objects, settings, slots, locks, and how many
/// transactions there were.
const CHECKSUM: &str = "SELECT md5(string_agg(part, '|' ORDER BY part)) FROM (
        SELECT c.oid::regclass || md5(query_to_xml('TABLE ' || c.oid::regclass, true, true, '')::text)
            FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
        UNION ALL SELECT 'catalog ' || name || md5(
                query_to_xml('SELECT x::text FROM ' || name || ' AS x ORDER BY 1', true, true, '')::text)
            FROM unnest(ARRAY['pg_authid', 'pg_auth_members', 'pg_db_role_setting', 'pg_namespace',
                'pg_rewrite', 'pg_trigger', 'pg_index', 'pg_constraint', 'pg_largeobject_metadata',
                'pg_largeobject', 'pg_extension', 'pg_default_acl', 'pg_policy', 'pg_event_trigger',
                'pg_prepared_xacts', 'pg_replication_slots', 'pg_publication', 'pg_foreign_server',
                'pg_tablespace', 'pg_database', 'pg_shdescription', 'pg_statistic',
                'pg_file_settings', 'pg_seclabel']) AS name
        UNION ALL SELECT 'class' || md5(string_agg(c::text, ',' ORDER BY oid)) FROM pg_class AS c
            WHERE relpersistence <> 't'
        UNION ALL SELECT 'proc' || md5(string_agg(p::text, ',' ORDER BY oid)) FROM pg_proc AS p
        UNION ALL SELECT 'type' || md5(string_agg(typname || typowner, ',' ORDER BY oid)) FROM pg_type
        UNION ALL SELECT 'column' || md5(string_agg(a::text, ',' ORDER BY attrelid, attnum))
            FROM pg_attribute AS a WHERE attrelid < 16384 OR attrelid IN (SELECT oid FROM pg_class
                WHERE relpersistence <> 't')
        UNION ALL SELECT 'text' || md5(string_agg(d::text, ',' ORDER BY d::text)) FROM pg_description AS d
        UNION ALL SELECT 'setting' || md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings
        UNION ALL SELECT 'locks' || count(*) FROM pg_locks WHERE locktype = 'advisory'
        UNION ALL SELECT 'transactions' || pg_snapshot_xmax(pg_current_snapshot())
    ) AS all_of_it (part)";

/// What a session of the agent remembers between statements.
const SESSION: &str = "SELECT current_user, session_user, current_schemas(true), \
     pg_catalog.current_setting('default_transaction_read_only'), \
     pg_catalog.current_setting('transaction_read_only'), \
     pg_catalog.current_setting('standard_conforming_strings'), \
     pg_catalog.current_setting('statement_timeout'), \
     pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('search_path'), \
     pg_catalog.current_setting('mcp.principal'), pg_catalog.current_setting('backslash_quote'), \
     (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors), \
     (SELECT count(*) FROM pg_listening_channels())";

pub(crate) struct Wall {
    pub(crate) postgres: Postgres,
    pub(crate) databases: Databases,
    pub(crate) agent: Principal,
    pub(crate) log: Arc<Log>,
    pub(crate) shop: DatabaseName,
    watcher: AsyncMutex<Option<Connection>>,
    _end: LeaseEnd,
}

/// Keeps what was recorded.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<AuditEvent>>);

impl AuditLog for Log {
    fn record(&self, event: AuditEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl Log {
    pub(crate) fn take(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A token that may write wherever a database lets it.
pub(crate) fn principal(id: &str) -> (Principal, LeaseEnd) {
    let (lease, end) = Lease::new();
    let grants = Grants {
        roles: BTreeSet::new(),
        databases: DatabaseGrant::First,
        db_role: None,
        tools: None,
        read_only: false,
    };
    let id = PrincipalId::Token(TokenId::parse(id).unwrap());
    (Principal { id, user: None, grants, expires_at: None, lease }, end)
}

impl Wall {
    /// The shop, to be read.
    pub(crate) fn to_read() -> Self {
        Self::new(false, Duration::from_secs(20))
    }

    /// The shop, to be written, too.
    pub(crate) fn to_write() -> Self {
        Self::new(true, Duration::from_secs(20))
    }

    /// One connection for each principal: every statement meets what the one before left there.
    pub(crate) fn new(allow_writes: bool, statement_timeout: Duration) -> Self {
        let postgres = Postgres::for_tests().unwrap();
        postgres.execute("postgres", SHOP).unwrap();
        let shop = DatabaseName::parse("shop").unwrap();
        let one = NonZeroUsize::MIN;
        let settings = DatabaseSettings {
            name: shop.clone(),
            target: Target::parse(&postgres.dsn_as("agent", "postgres")).unwrap(),
            available_to_users: None,
            db_role: None,
            allow_writes,
            allow_superuser: false,
            allow_shared_auth_database: false,
            statement_timeout,
            lock_timeout: Duration::from_millis(500),
            connections_per_principal: one,
            connections_per_user: one,
            connections_total: NonZeroUsize::new(20).unwrap(),
            pool_idle: Duration::from_mins(1),
            acquire_timeout: Duration::from_secs(10),
        };
        let (pools, keeper) = Pools::new(vec![settings]);
        tokio::spawn(keeper.run(std::future::pending()));
        let limits = Limits { max_rows: 1_000, max_result_bytes: 1 << 20, statement_timeout };
        let log = Arc::new(Log::default());
        let databases = Databases::new(pools, vec![limits]);
        let databases = databases.recorded(Arc::clone(&log) as _, Arc::new(SystemClock));
        let (agent, end) = principal("agent");
        Self { postgres, databases, agent, log, shop, watcher: AsyncMutex::default(), _end: end }
    }

    /// A principal that is not to write: as its record says, or for its role.
    pub(crate) fn reader(id: &str, role: Option<&str>) -> (Principal, LeaseEnd) {
        let (mut principal, end) = principal(id);
        principal.grants.read_only = role.is_none();
        principal.grants.roles.extend(role.and_then(RoleName::parse));
        (principal, end)
    }

    /// The lines of a statement's result.
    pub(crate) async fn run(&self, text: &str) -> Result<String, QueryFault> {
        self.execute(&self.agent, text).await.map(|(rows, _)| rows)
    }

    pub(crate) async fn execute(
        &self,
        principal: &Principal,
        text: &str,
    ) -> Result<(String, Option<Changed>), QueryFault> {
        let mut lines = Lines::default();
        let running = self.databases.execute(principal, &self.shop, text, (1_000, 0), &mut lines);
        let changed = running.await?;
        Ok((lines.0, changed))
    }

    pub(crate) fn look(&self, sql: &str) -> String {
        self.postgres.execute("postgres", sql).unwrap().trim().to_owned()
    }

    /// The state of everything.
    pub(crate) async fn state(&self) -> String {
        let session = self.run(SESSION).await.unwrap();
        let mut watcher = self.watcher.lock().await;
        let watcher = match &mut *watcher {
            Some(watcher) => watcher,
            none => {
                let target = Target::parse(&self.postgres.dsn("postgres")).unwrap();
                // Compiling the question takes longer than answering it.
                let settings = vec![("jit".to_owned(), "off".to_owned())];
                let session = SessionSettings { settings, ..SessionSettings::default() };
                none.insert(Connection::connect(&target, &session).await.unwrap())
            }
        };
        let mut running = watcher.start(Transaction::ReadOnly, CHECKSUM, &[]).await.unwrap();
        let world = running.next().await.unwrap().unwrap().get(0).unwrap().to_owned();
        running.finish().await.unwrap();
        format!("{world} {session}")
    }

    /// Tries each text: it must fail, and nothing may have moved.
    pub(crate) async fn refuses(&self, attempts: &[&str]) {
        let before = self.state().await;
        for text in attempts {
            let answer = self.run(text).await;
            assert!(answer.is_err(), "{text}: {answer:?}");
            assert_eq!(self.state().await, before, "{text}");
        }
    }

    /// Tries each text: whether it fails or not, nothing may have moved.
    pub(crate) async fn stands(&self, attempts: &[&str]) {
        let before = self.state().await;
        for text in attempts {
            let answer = self.run(text).await;
            assert_eq!(self.state().await, before, "{text}: {answer:?}");
        }
    }
}

/// Rows as lines.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) String);

impl Rows for Lines {
    async fn columns(&mut self, _: &[Column]) -> Result<(), Stop> {
        Ok(())
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        push_row(&mut self.0, row);
        Ok(())
    }
}
