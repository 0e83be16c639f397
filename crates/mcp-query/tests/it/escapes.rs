//! Ways round the wall, each tried. After every attempt the data, the catalogs, the roles, the
//! settings, the locks and the session are what they were.

use crate::support::Wall;

#[tokio::test(flavor = "multi_thread")]
async fn the_checksum_sees_a_change_of_each_kind() {
    let wall = Wall::to_read();
    for sql in [
        "UPDATE customers SET name = 'y' WHERE id = 1",
        "SELECT nextval('numbers')",
        "CREATE TABLE t (a int)",
        "ALTER TABLE customers OWNER TO other",
        "GRANT SELECT ON customers TO other",
        "COMMENT ON TABLE customers IS 'x'",
        "ALTER ROLE agent SET work_mem = '1MB'",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "SELECT lo_create(0)",
        "CREATE ROLE third",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ANALYZE customers",
        "SELECT txid_current()",
    ] {
        let before = wall.state().await;
        wall.look(sql);
        assert_ne!(wall.state().await, before, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stacked_statements_are_refused() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "SELECT 1; DELETE FROM customers",
        "SELECT 1; COMMIT; DELETE FROM customers",
        "COMMIT; DELETE FROM customers",
        "SELECT 1;;",
        "; DELETE FROM customers",
        "SELECT ';'; DELETE FROM customers",
        "SELECT $$;$$; DELETE FROM customers",
        "SELECT E'\\''; DELETE FROM customers; --'",
        "SELECT '\\'; DELETE FROM customers; --'",
        "SELECT 1 /* /* */ */ ; DELETE FROM customers; -- */",
        "SELECT 1 \\; DELETE FROM customers",
        "SELECT 1 -- x\r; DELETE FROM customers",
        "SELECT 1\u{a0}; DELETE FROM customers",
        "SELECT 1\u{2028}; DELETE FROM customers",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_not_the_callers_to_end() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "COMMIT",
        "END",
        "ROLLBACK",
        "ABORT",
        "COMMIT AND CHAIN",
        "PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'",
        "BEGIN",
        "START TRANSACTION READ WRITE",
        "SAVEPOINT a",
        "/* SELECT */ COMMIT",
        "-- SELECT\nCOMMIT",
        "(COMMIT)",
        "EXPLAIN COMMIT",
        "SELECT commits()",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mode_of_a_transaction_cannot_be_set() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "SET LOCAL default_transaction_read_only TO off",
        "RESET default_transaction_read_only",
        "RESET ALL",
        "DISCARD ALL",
        "SET ROLE other",
        "SET SESSION AUTHORIZATION postgres",
        "SET standard_conforming_strings = off",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT pg_catalog.\"set_config\"('transaction_read_only', 'off', true)",
        "SELECT U&\"set\\005fconfig\"('transaction_read_only', 'off', true)",
        "SELECT unlocks()",
        "ALTER SYSTEM SET default_transaction_read_only = off",
        "ALTER ROLE agent SET default_transaction_read_only = off",
        "SHOW transaction_read_only; SET transaction_read_only = off",
    ])
    .await;
    // A function of the owner's may set what it likes: the end of the transaction takes it back.
    wall.stands(&["SELECT configures()"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_write_are_refused_however_they_are_dressed() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "INSERT INTO customers VALUES (9, 'x')",
        "UPDATE customers SET name = 'x'",
        "DELETE FROM customers",
        "MERGE INTO customers USING orders ON true WHEN MATCHED THEN DELETE",
        "TRUNCATE orders",
        "WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d",
        "WITH d AS (SELECT 1), i AS (INSERT INTO customers VALUES (9, 'x') RETURNING 1) TABLE i",
        "WITH x AS (SELECT 1) DELETE FROM orders",
        "WITH RECURSIVE d AS (UPDATE customers SET name = 'x' RETURNING *) SELECT 1",
        "SELECT * FROM (WITH d AS (DELETE FROM orders RETURNING *) TABLE d) AS x",
        "SELECT (WITH d AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM d)",
        "SELECT 1 AS a INTO taken",
        "SELECT 1 AS a INTO TEMP taken",
        "WITH a AS (SELECT 1 AS a) SELECT a INTO taken FROM a",
        "(SELECT 1 AS a INTO taken)",
        "CREATE TABLE taken AS SELECT 1 AS a",
        "CREATE TEMP TABLE taken (a int)",
        "CREATE VIEW taken AS SELECT 1 AS a",
        "DROP TABLE orders",
        "ALTER TABLE orders ADD COLUMN x int",
        "COMMENT ON TABLE orders IS 'x'",
        "GRANT ALL ON orders TO other",
        "REFRESH MATERIALIZED VIEW busy",
        "COPY customers TO STDOUT",
        "COPY customers FROM STDIN",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "DO $$ BEGIN DELETE FROM orders; END $$",
        "CALL nothing()",
        "VACUUM",
        "ANALYZE",
        "SELECT writes()",
        "SELECT * FROM writes()",
        "SELECT nextval('numbers')",
        "SELECT setval('numbers', 100)",
        "VALUES (nextval('numbers'))",
        "TABLE customers; DELETE FROM customers",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_locks_and_table_locks_are_refused() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "SELECT * FROM customers FOR UPDATE",
        "SELECT * FROM customers FOR NO KEY UPDATE SKIP LOCKED",
        "SELECT * FROM customers FOR SHARE",
        "SELECT * FROM (SELECT * FROM customers FOR KEY SHARE) AS x",
        "WITH l AS (SELECT * FROM customers FOR UPDATE) SELECT count(*) FROM l",
        "LOCK TABLE customers",
        "LOCK customers IN SHARE MODE",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_or_an_escape_in_front_hides_nothing() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "/**/DELETE FROM customers",
        "/* SELECT 1 */ DELETE FROM customers",
        "/* /* */ */ DELETE FROM customers",
        "-- SELECT\nDELETE FROM customers",
        "--\rDELETE FROM customers",
        "\u{feff}DELETE FROM customers",
        "\u{feff}SELECT pg_sleep(0)",
        "U&\"\\0053ELECT\" pg_sleep(0)",
        "SELECT U&\"\\0070g_sleep\"(0)",
        "SELECT U&\"!0070g_sleep\" UESCAPE '!' (0)",
        "SELECT U&\"!0070g_sleep\" /* x */ UESCAPE /* y */ '!' (0)",
        "SELECT u&\"pg_s\\+00006ceep\"(0)",
        "SELECT \"pg_sleep\"(0)",
        "SELECT PG_SLEEP/**/(0)",
        "SELECT pg_catalog . pg_sleep (0)",
        "SELECT 1a$$, pg_sleep(0), 1a$$",
        "SELECT\u{b}pg_sleep(0)",
        "DE/**/LETE FROM customers",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_stays_inside_its_wrapper() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "SELECT 1) AS q; DELETE FROM customers; --",
        "SELECT 1) AS q, (SELECT 2",
        "SELECT 1) AS q UNION ALL SELECT * FROM (SELECT writes()",
        "SELECT 1 /*",
        "SELECT '",
        "SELECT $x$",
        "SELECT \"",
        "SELECT 1 AS \"a",
        "SELECT E'\\",
        "SELECT 1\0) AS q",
        "(SELECT 1",
        "SELECT [)](",
        "SELECT 1 LIMIT (",
    ])
    .await;
    // What a comment or a literal holds is no SQL, and what stands behind it is still inside.
    wall.stands(&[
        "SELECT 1 --) AS q; DELETE FROM customers; --",
        "SELECT 1 /* /* */ ; DELETE FROM customers; -- */",
        "SELECT ') AS q; DELETE FROM customers; --' AS text",
        "SELECT $a$) AS q; DELETE FROM customers; --$a$ AS text",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_in_from_and_sql_in_texts_are_refused() {
    let wall = Wall::to_read();
    wall.look("CREATE EXTENSION dblink; CREATE EXTENSION tablefunc; CREATE EXTENSION xml2;");
    wall.refuses(&[
        "SELECT * FROM query_to_xml('DELETE FROM customers', true, true, '')",
        "SELECT query_to_xml_and_xmlschema('SELECT 1', true, true, '')",
        "SELECT query_to_xmlschema('SELECT 1', true, true, '')",
        "SELECT table_to_xml('customers', true, true, '')",
        "SELECT schema_to_xml('public', true, true, '')",
        "SELECT database_to_xml(true, true, '')",
        "SELECT cursor_to_xml('c', 1, true, true, '')",
        "SELECT * FROM ts_stat('SELECT to_tsvector(''x'')')",
        "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery')",
        "SELECT * FROM crosstab('SELECT 1, 2, 3') AS t (a int, b int)",
        "SELECT * FROM connectby('orders', 'id', 'parent', '1', 0) AS t (a int, b int, c int)",
        "SELECT * FROM dblink('dbname=postgres', 'DELETE FROM customers') AS t (a int)",
        "SELECT dblink_exec('dbname=postgres', 'DELETE FROM customers')",
        "SELECT xpath_table('id', 'note', 'customers', '/a', 'true')",
        "SELECT x.* FROM customers, LATERAL query_to_xml('SELECT 1', true, true, '') AS x",
        "SELECT * FROM ROWS FROM (pg_ls_dir('.'), generate_series(1, 2)) AS t (a, b)",
        "SELECT (pg_stat_file('postgresql.conf')).*",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_runs_no_write() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "EXPLAIN ANALYZE DELETE FROM customers",
        "EXPLAIN (ANALYZE) INSERT INTO customers VALUES (9, 'x')",
        "EXPLAIN ANALYZE SELECT 1 AS a INTO taken",
        "EXPLAIN ANALYZE CREATE TABLE taken AS SELECT 1 AS a",
        "EXPLAIN (ANALYZE, COSTS OFF) WITH d AS (DELETE FROM orders RETURNING *) TABLE d",
        "EXPLAIN ANALYZE EXECUTE p",
        "EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT 1",
        "EXPLAIN ANALYZE SELECT writes()",
        "EXPLAIN ANALYZE VERBOSE REFRESH MATERIALIZED VIEW busy",
        "EXPLAIN (ANALYZE) EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1) AS q; DELETE FROM customers; --",
        "EXPLAIN (ANALYZE) (SELECT 1 AS a INTO taken)",
        "EXPLAIN ANALYZE SELECT pg_sleep(0)",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_files_and_programs_are_out_of_reach() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_put(4711, 0, 'y')",
        "SELECT lo_get(4711)",
        "SELECT lo_unlink(4711)",
        "SELECT lo_open(4711, 131072)",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(4711, 'x')",
        "SELECT lowrite(0, 'x')",
        "SELECT loread(0, 10)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT * FROM pg_hba_file_rules",
        "SELECT pg_current_logfile()",
        "TABLE pg_config",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_neither_notified_nor_signalled_nor_seen() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "NOTIFY x",
        "LISTEN x",
        "UNLISTEN *",
        "SELECT pg_notify('x', 'y')",
        "SELECT pg_terminate_backend(pid) FROM generate_series(1, 9) AS pid",
        "SELECT pg_cancel_backend(1)",
        "SELECT query FROM pg_stat_activity",
        "SELECT * FROM pg_catalog.pg_stat_activity",
        "SELECT * FROM pg_stat_get_activity(NULL)",
        "SELECT pg_stat_get_backend_activity(1)",
        "SELECT client_addr FROM pg_stat_replication",
        "SELECT * FROM pg_stat_ssl",
        "SELECT * FROM information_schema.user_mapping_options",
        "SELECT umoptions FROM pg_user_mappings",
        "SELECT pg_stat_reset()",
        "SELECT pg_reload_conf()",
        "SELECT pg_switch_wal()",
        "SELECT pg_export_snapshot()",
        "SELECT pg_create_logical_replication_slot('s', 'test_decoding')",
        "SELECT pg_logical_emit_message(false, 'a', 'b')",
        "SELECT txid_current()",
        "SELECT pg_current_xact_id()",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_prepared_declared_or_locked_for_later() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "PREPARE p AS DELETE FROM customers",
        "EXECUTE p",
        "DEALLOCATE ALL",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "FETCH ALL FROM c",
        "CLOSE ALL",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT pg_advisory_lock_shared(1, 2)",
        "SELECT pg_advisory_unlock_all()",
        "SELECT pg_sleep(0)",
        "SELECT pg_sleep_for('0')",
        "LOAD 'x'",
        "CHECKPOINT",
        "CLUSTER",
    ])
    .await;
    wall.stands(&["SELECT setseed(0.5)", "SELECT * FROM pg_cursors"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_role_or_the_database_do_not_open_the_wall() {
    let wall = Wall::to_read();
    // Before the first connection of the agent, so that each would be its session's default.
    wall.look(
        "ALTER ROLE agent SET standard_conforming_strings = off;
         ALTER ROLE agent SET default_transaction_read_only = off;
         ALTER ROLE agent SET backslash_quote = on;
         ALTER ROLE agent SET search_path = public, pg_catalog;
         ALTER DATABASE postgres SET statement_timeout = 0;
         ALTER DATABASE postgres SET session_replication_role = replica;
         CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql
             AS 'INSERT INTO customers VALUES (96, ''x'') RETURNING name';
         CREATE VIEW public.pg_settings AS SELECT writes() AS name;",
    );
    wall.refuses(&[
        "SELECT '\\'; DELETE FROM customers; --'",
        "SELECT '\\' || writes() || '\\'",
        "SELECT name FROM pg_settings",
        "SELECT current_setting('work_mem')",
    ])
    .await;
    assert_eq!(wall.run("SELECT '\\', length('\\\\')").await.unwrap(), "\\\\\t2\n");
    // Rebuilt statements name what they mean.
    assert_eq!(wall.run("SHOW work_mem").await.unwrap(), "4MB\n");
    assert_eq!(wall.run("SHOW transaction_read_only").await.unwrap(), "on\n");
    assert!(wall.run("SHOW ALL").await.unwrap().contains("work_mem"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_disguise_is_still_that_name() {
    let wall = Wall::to_read();
    wall.refuses(&[
        "SELECT \"pg_catalog\".\"pg_sleep\"(0)",
        "SELECT (pg_catalog.pg_sleep(0))",
        "SELECT x.pg_sleep FROM (SELECT 0::double precision AS x) AS x",
        "SELECT ('x'::text).pg_read_file",
        "SELECT pg_S\u{130}leep(0), pg_term\u{130}nate_backend(1)",
        "SELECT U&\"pg\\+00005fsleep\"(0)",
        "SELECT U&\"\\D835\\DC5D\"(0)",
        "SELECT U&\"pg\\005Fsleep\" uescape '\\' (0)",
        "SELECT * FROM generate_series(1, 1) AS g WHERE pg_sleep(0) IS NULL",
        "SELECT sum(1) OVER (ORDER BY pg_sleep(0)::text)",
        "SELECT 1 ORDER BY pg_sleep(0)",
        "SELECT 1 LIMIT (SELECT pg_advisory_lock(1)::text::int)",
        "SELECT CASE WHEN false THEN pg_notify('a', 'b') END",
        "VALUES ((SELECT lo_create(0)))",
        "SELECT xmltable.* FROM query_to_xml('SELECT 1', true, true, '') AS x, \
         XMLTABLE('/' PASSING x COLUMNS a text)",
        "SELECT array_agg(pg_sleep(0) ORDER BY 1)",
        "TABLE pg_stat_activity",
        "TABLE ONLY pg_catalog.pg_stat_activity",
    ])
    .await;
}
