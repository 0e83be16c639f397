//! What those may write who may, and what nobody may.

use mcp_query::QueryFault;

use crate::support::{Wall, principal};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_committed_counted_and_shows_what_it_returns() {
    let wall = Wall::to_write();
    for (text, command, rows, returned) in [
        ("INSERT INTO customers VALUES (7, 'Io'), (8, 'Al');", "INSERT", Some(2), ""),
        (
            "UPDATE customers SET note = 'n' WHERE id > 6 RETURNING id, note",
            "UPDATE",
            Some(2),
            "7\tn\n8\tn\n",
        ),
        (
            "WITH d AS (DELETE FROM customers WHERE id = 8 RETURNING id) SELECT id FROM d -- gone",
            "DELETE",
            // PostgreSQL says how many rows were selected.
            None,
            "8\n",
        ),
        (
            "WITH n AS (INSERT INTO customers VALUES (8, 'A'), (9, 'B') RETURNING id) \
             DELETE FROM customers WHERE id < 0",
            "DELETE",
            Some(0),
            "",
        ),
        ("DELETE FROM customers WHERE id > 7", "DELETE", Some(2), ""),
        (
            "MERGE INTO customers AS c USING (VALUES (7, 'Eve')) AS v (id, name) ON c.id = v.id \
             WHEN MATCHED THEN UPDATE SET name = v.name",
            "MERGE",
            Some(1),
            "",
        ),
        ("CREATE TABLE notes AS SELECT id FROM customers", "CREATE TABLE", Some(5), ""),
        ("ALTER TABLE notes ADD COLUMN text text DEFAULT ';'", "ALTER TABLE", None, ""),
        ("CREATE UNIQUE INDEX notes_id ON notes (id)", "CREATE INDEX", None, ""),
        ("CREATE OR REPLACE VIEW seen AS SELECT * FROM notes", "CREATE VIEW", None, ""),
        ("CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a", "CREATE MATERIALIZED VIEW", Some(1), ""),
        ("REFRESH MATERIALIZED VIEW kept", "REFRESH MATERIALIZED VIEW", None, ""),
        ("COMMENT ON TABLE notes IS 'COMMIT; x'", "COMMENT", None, ""),
        ("CREATE TYPE colour AS ENUM ('red')", "CREATE TYPE", None, ""),
        ("CREATE SCHEMA room", "CREATE SCHEMA", None, ""),
        ("DROP TABLE notes CASCADE", "DROP TABLE", None, ""),
        ("TRUNCATE orders", "TRUNCATE TABLE", None, ""),
        ("ANALYZE customers", "ANALYZE", None, ""),
    ] {
        let done = wall.execute(&wall.agent, text).await;
        let (lines, changed) = done.unwrap_or_else(|fault| panic!("{text}: {}", fault.told()));
        let changed = changed.unwrap();
        assert_eq!((changed.command, changed.rows), (command, rows), "{text}");
        assert_eq!(lines, returned, "{text}");
    }
    assert_eq!(wall.look("SELECT name FROM customers WHERE id = 7"), "Eve");
    assert_eq!(wall.look("SELECT count(*) FROM orders"), "0");
    assert_eq!(
        wall.look("SELECT to_regclass('notes') IS NULL AND to_regclass('seen') IS NULL"),
        "t"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_fails_changes_nothing_and_says_where() {
    let wall = Wall::to_write();
    wall.look(
        "SET ROLE agent; ALTER TABLE orders ADD CONSTRAINT late FOREIGN KEY (parent) \
               REFERENCES orders DEFERRABLE INITIALLY DEFERRED;",
    );
    let before = wall.look("SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM orders AS o");
    let fault = wall.run("-- ü\nUPDATE orders SET nope = 1;").await.unwrap_err();
    let QueryFault::Undone(error) = fault else { panic!("{fault:?}") };
    assert_eq!((error.sqlstate.as_str(), error.position), ("42703", Some(24)));
    for (text, sqlstate) in [
        ("INSERT INTO customers VALUES (1, 'twice')", "23505"),
        // Found out by the COMMIT alone.
        ("UPDATE orders SET parent = 999", "23503"),
        ("UPDATE orders SET amount = 1 / (id - 40)", "22012"),
        ("CREATE INDEX CONCURRENTLY ON orders (amount)", "25001"),
        ("DELETE FROM pg_class", "42501"),
        ("INSERT INTO orders (id) VALUES ($1)", "08P01"),
    ] {
        let fault = wall.run(text).await.unwrap_err();
        let QueryFault::Undone(error) = fault else { panic!("{text}: {fault:?}") };
        assert_eq!(error.sqlstate, sqlstate, "{text}: {error}");
    }
    let after = wall.look("SELECT md5(string_agg(o::text, '' ORDER BY id)) FROM orders AS o");
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_write_still_reads_read_only() {
    let wall = Wall::to_write();
    wall.refuses(&[
        "SELECT nextval('numbers')",
        "SELECT writes()",
        "SELECT 1 AS a INTO taken",
        "SELECT * FROM customers FOR UPDATE",
        "SELECT unlocks()",
        "EXPLAIN ANALYZE DELETE FROM customers",
        "EXPLAIN ANALYZE SELECT writes()",
        // Columns that are called like changes.
        "WITH a AS (SELECT 1 AS update) SELECT (update IS NULL), writes() FROM a",
        "WITH a AS (SELECT 'x' AS delete) SELECT substring(delete FROM writes()) FROM a",
        "WITH a AS (SELECT 1) SELECT (writes()) delete FROM a",
    ])
    .await;
    let plain = wall.execute(&wall.agent, "WITH a AS (SELECT 1 AS n) SELECT n FROM a").await;
    assert_eq!(plain.unwrap(), ("1\n".to_owned(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_sessions_functions_and_rights_stay_out_of_reach() {
    let wall = Wall::to_write();
    wall.refuses(&[
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "INSERT INTO customers VALUES (9, 'x'); COMMIT",
        "INSERT INTO customers VALUES (9, 'x'); SELECT 1",
        "SET ROLE other",
        "SET SESSION AUTHORIZATION other",
        "SET standard_conforming_strings = off",
        "SET statement_timeout = 0",
        "RESET ALL",
        "DISCARD ALL",
        "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
        "UPDATE pg_catalog.pg_settings SET setting = '0' WHERE name = 'statement_timeout'",
        "UPDATE U&\"pg\\005fsettings\" SET setting = '0'",
        "CREATE VIEW s AS TABLE pg_settings",
        "CREATE RULE r AS ON INSERT TO customers DO ALSO DELETE FROM orders",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE PROCEDURE p() LANGUAGE sql AS ''",
        "CREATE TRIGGER t AFTER INSERT ON customers EXECUTE FUNCTION writes()",
        "CREATE EXTENSION plpgsql",
        "CREATE ROLE x",
        "ALTER ROLE agent SET standard_conforming_strings = off",
        "ALTER ROLE agent SUPERUSER",
        "ALTER DATABASE postgres SET work_mem = '1MB'",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO other",
        "GRANT ALL ON customers TO other",
        "REVOKE ALL ON customers FROM agent",
        "CREATE SCHEMA s CREATE TABLE t (a int)",
        "CREATE SCHEMA s GRANT SELECT ON customers TO other",
        "CREATE SCHEMA AUTHORIZATION agent CREATE VIEW v AS SELECT 1",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "PREPARE p AS DELETE FROM customers",
        "CREATE TABLE t AS EXECUTE p",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "COPY customers FROM STDIN",
        "COPY customers TO PROGRAM 'true'",
        "LISTEN x",
        "NOTIFY x",
        "LOCK TABLE customers",
        "INSERT INTO customers SELECT 9, pg_read_file('/etc/passwd')",
        "INSERT INTO customers SELECT 9, set_config('role', 'other', false)",
        "INSERT INTO customers VALUES (9, query_to_xml('SELECT 1', true, true, ''))",
        "UPDATE customers SET name = 'x' WHERE pg_advisory_lock(1) IS NULL",
        "DELETE FROM customers WHERE lo_unlink(4711) = 1",
        "CREATE TABLE t (a text DEFAULT set_config('role', 'other', false))",
        "CREATE VIEW v AS SELECT query FROM pg_stat_activity",
        "CREATE INDEX ON customers (pg_sleep(1))",
        "DELETE FROM customers WHERE pg_notify('x', 'y') IS NULL",
        "REASSIGN OWNED BY agent TO other",
        "DROP OWNED BY agent",
        "VACUUM customers",
        "CLUSTER customers",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_is_refused_on_a_database_that_others_write() {
    let wall = Wall::to_write();
    let before = wall.state().await;
    for (reader, _end) in [Wall::reader("ro", None), Wall::reader("viewer", Some("viewer"))] {
        assert!(!wall.databases.may_write(&reader, &wall.shop));
        for text in ["DELETE FROM customers", "CREATE TEMP TABLE t (a int)", "DROP TABLE orders"] {
            let answer = wall.execute(&reader, text).await;
            assert!(matches!(answer, Err(QueryFault::Refused(_))), "{text}: {answer:?}");
        }
        let mode = "SELECT current_setting('default_transaction_read_only')";
        assert_eq!(wall.execute(&reader, mode).await.unwrap().0, "on\n");
    }
    // `SET ROLE` is no wall: a session that came by it does not write.
    let (mut borrowed, _end) = principal("borrowed");
    borrowed.grants.db_role = Some(mcp_identity::DbRole::parse("agent").unwrap());
    assert!(!wall.databases.may_write(&borrowed, &wall.shop));
    assert!(wall.execute(&borrowed, "DELETE FROM customers").await.is_err());
    assert_eq!(wall.state().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_table_stays_with_the_credential_that_made_it() {
    let wall = Wall::to_write();
    wall.run("CREATE TEMP TABLE mine (a int)").await.unwrap();
    wall.run("INSERT INTO mine VALUES (1), (2)").await.unwrap();
    assert_eq!(wall.run("SELECT sum(a) FROM mine").await.unwrap(), "3\n");
    let (other, _end) = principal("other");
    let fault = wall.execute(&other, "SELECT * FROM mine").await.unwrap_err();
    assert!(matches!(fault, QueryFault::Database(error) if error.sqlstate == "42P01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_leaves_nothing_in_its_session_that_changes_how_it_is_judged() {
    let wall = Wall::to_write();
    let session = wall.state().await;
    let session = session.split_once(' ').unwrap().1.to_owned();
    for text in [
        // Names of the catalog in the way of those that are looked up.
        "CREATE TEMP TABLE pg_class (relname text)",
        "CREATE TEMP VIEW pg_type AS SELECT 1 AS oid",
        "CREATE SCHEMA mine",
        "CREATE TABLE mine.set_up AS SELECT configures() AS said",
        "INSERT INTO customers SELECT 50, configures()",
    ] {
        drop(wall.run(text).await);
    }
    let mode = "SELECT current_setting('transaction_read_only'), current_user";
    assert_eq!(wall.run(mode).await.unwrap(), "on\tagent\n");
    assert_eq!(wall.run("SHOW statement_timeout").await.unwrap(), "20s\n");
    let strict = "SELECT '\\' AS a";
    let after = wall.run("SHOW standard_conforming_strings").await.unwrap();
    assert_eq!((after.as_str(), wall.run(strict).await.unwrap().as_str()), ("on\n", "\\\\\n"));
    assert!(session.contains("agent"), "{session}");
}
