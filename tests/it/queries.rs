//! SQL in, rows out.

use serde_json::json;
use support::Installation;

const SHOP: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, note text);
    COMMENT ON TABLE customers IS 'Who buys';
    COMMENT ON COLUMN customers.note IS E'A\\nremark';
    INSERT INTO customers VALUES (1, 'Anna', NULL), (2, E'Tab\\tand\\nline', ''), (3, 'Zoë', E'\\\\N');
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers (id));
    CREATE TABLE secrets (word text); REVOKE ALL ON secrets FROM agent;
    CREATE TYPE mood AS ENUM ('sad', 'happy');";

#[test]
fn rows_come_as_text_that_can_be_read_back() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let (text, failed) =
        installation.query(server.address(), "SELECT * FROM customers ORDER BY id;  -- all");
    assert!(!failed);
    let expected = "id\tname\tnote\n1\tAnna\t\\N\n2\tTab\\tand\\nline\t\n3\tZoë\t\\\\N\n\
                    -- 3 rows of database shop";
    assert_eq!(text, expected);
}

#[test]
fn a_page_says_how_to_get_the_next() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let page = |limit: u32, offset: u32| {
        let query = "SELECT n FROM generate_series(1, 5) AS n ORDER BY n";
        let arguments = json!({ "query": query, "limit": limit, "offset": offset });
        let params = json!({ "name": "query_database", "arguments": arguments });
        let answer = installation.ask(server.address(), "tools/call", &params).json();
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(page(2, 0), "n\n1\n2\n-- 2 rows of database shop; more: offset=2");
    assert_eq!(page(2, 4), "n\n5\n-- 1 row of database shop");
    assert_eq!(page(5, 0), "n\n1\n2\n3\n4\n5\n-- 5 rows of database shop");
    assert_eq!(page(5, 5), "n\n-- 0 rows of database shop");
}

#[test]
fn a_plan_or_a_setting_is_paged_like_other_rows() {
    let installation = Installation::new("");
    let server = installation.start();
    let page = |query: &str, limit: u32, offset: u32| {
        let arguments = json!({ "query": query, "limit": limit, "offset": offset });
        installation.call_for_text(server.address(), "query_database", &arguments).0
    };
    let plan = "EXPLAIN (COSTS off) SELECT n FROM generate_series(1, 5) AS n ORDER BY n";
    let head = "QUERY PLAN\n";
    let whole = page(plan, 9, 0);
    let lines: Vec<&str> = whole.lines().skip(1).collect();
    let first = format!("{head}{}\n-- 1 row of database shop; more: offset=1", lines[0]);
    assert_eq!(page(plan, 1, 0), first);
    let rest = format!("{head}{}\n-- 2 rows of database shop", lines[1..3].join("\n"));
    assert_eq!(page(plan, 9, 1), rest);
    assert_eq!(page(plan, 9, 3), format!("{head}-- 0 rows of database shop"));
    assert_eq!(page("SHOW TimeZone", 1, 0), "timezone\nUTC\n-- 1 row of database shop");
    assert_eq!(page("SHOW TimeZone", 1, 1), "timezone\n-- 0 rows of database shop");
    assert_ne!(page("SHOW ALL", 1, 0), page("SHOW ALL", 1, 1));
}

#[test]
fn json_tells_null_from_empty_and_names_the_types() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let query = "SELECT 1::int AS a, ''::text AS b, NULL::numeric AS c, 'happy'::mood AS d";
    let arguments = json!({ "query": query, "format": "json" });
    let params = json!({ "name": "query_database", "arguments": arguments });
    let answer = installation.ask(server.address(), "tools/call", &params).json();
    let data = &answer["result"]["structuredContent"];
    assert_eq!(data["rows"], json!([["1", "", null, "happy"]]));
    assert_eq!(data["columns"][0], json!({ "name": "a", "type": "int4" }));
    assert_eq!((&data["row_count"], &data["truncated"]), (&json!(1), &json!(false)));
    assert_eq!(answer["result"]["content"][0]["text"], "-- 1 row of database shop");
}

#[test]
fn a_large_answer_is_streamed_and_cut_with_a_sentence() {
    let installation = Installation::new(SHOP);
    installation.write_config("    max_result_bytes: 100000\n    max_rows: 10000\n");
    let server = installation.start();
    let query = "SELECT n, repeat('x', 90) AS pad FROM generate_series(1, 5000) AS n";
    let arguments = json!({ "query": query, "limit": 5000 });
    let params = json!({ "name": "query_database", "arguments": arguments });
    let response = installation.ask(server.address(), "tools/call", &params);
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    let answer = response.json();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let last = text.lines().last().unwrap();
    let rows = text.lines().count() - 2;
    assert!((900..1100).contains(&rows), "{rows}");
    assert_eq!(
        last,
        format!(
            "-- {rows} rows of database shop; cut at 100000 bytes, the most that one call \
             returns; more: offset={rows}"
        )
    );
    // The connection of a cut answer is as good as new.
    assert_eq!(installation.query(server.address(), "SELECT 1 AS a").0.lines().next(), Some("a"));
}

#[test]
fn an_error_of_postgresql_reaches_the_agent_with_code_position_and_hint() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let to = server.address();
    let (text, failed) = installation.query(to, "SELECT nam FROM customers");
    assert!(failed);
    assert_eq!(
        text,
        "Error 42703: column \"nam\" does not exist\nPosition: character 8 of the query\n\
         Hint: Perhaps you meant to reference the column \"customers.name\"."
    );
    let (text, failed) = installation.query(to, "SELECT 1/0");
    assert!(failed && text.starts_with("Error 22012: division by zero"), "{text}");
    let (text, _) = installation.query(to, "SELECT * FROM secrets");
    assert!(text.starts_with("Error 42501: permission denied for table secrets"), "{text}");
    assert!(!text.contains("host") && !text.contains("agent@"), "{text}");
    let (text, _) = installation.query(to, "SELECT 1 +");
    assert!(text.starts_with("Error 42601: syntax error at the end of the query"), "{text}");
    let (text, _) = installation.query(to, "SELECT $1");
    assert!(text.contains("write the value"), "{text}");
    let (text, _) = installation.query(to, "SELECT repeat('x', 100000000)");
    assert!(text.contains("a single row is larger"), "{text}");
    let (text, failed) = installation.query(to, "SELECT 2 AS b");
    assert!(!failed, "{text}");
}

#[test]
fn what_writes_or_escapes_is_refused_and_changes_nothing() {
    let installation = Installation::new(
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1); GRANT ALL ON t TO agent;
         CREATE FUNCTION write() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (9) RETURNING a'",
    );
    let server = installation.start();
    let to = server.address();
    for attempt in [
        "INSERT INTO t VALUES (2)",
        "DELETE FROM t",
        "SELECT 1; DELETE FROM t",
        "COMMIT",
        "COMMIT; DELETE FROM t",
        "SET TRANSACTION READ WRITE",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
        "SELECT 1 AS a INTO t2",
        "SELECT * FROM t FOR UPDATE",
        "EXPLAIN ANALYZE DELETE FROM t",
        "EXPLAIN ANALYZE SELECT 1 AS a INTO t2",
        "SELECT 1) AS q; DELETE FROM t; --",
        "SELECT 1) AS q, (SELECT 1",
        "SELECT write()",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT pg_sleep(60)",
        "SELECT * FROM query_to_xml('DELETE FROM t', true, true, '')",
        "DO $$ BEGIN DELETE FROM t; END $$",
        "PREPARE p AS DELETE FROM t",
        "CREATE TEMP TABLE x (a int)",
        "COPY t TO PROGRAM 'true'",
        "LOCK TABLE t",
        "NOTIFY x",
    ] {
        let (text, failed) = installation.query(to, attempt);
        assert!(failed, "{attempt}: {text}");
    }
    let (text, _) = installation.query(to, "SELECT a FROM t");
    assert_eq!(text, "a\n1\n-- 1 row of database shop");
    let (text, _) = installation.query(to, "SHOW transaction_read_only");
    assert!(text.contains("\non\n"), "{text}");
}

#[test]
fn a_query_that_runs_too_long_is_cancelled_and_its_connection_is_gone() {
    let installation = Installation::new(SHOP);
    installation.write_config("    statement_timeout: 300ms\n");
    let server = installation.start();
    let to = server.address();
    let slow =
        "SELECT count(*) FROM generate_series(1, 100000000) AS a, generate_series(1, 1000) AS b";
    let (text, failed) = installation.query(to, slow);
    assert!(failed && text.contains("57014"), "{text}");
    assert!(!installation.query(to, "SELECT 1").1);
}

#[test]
fn the_schema_is_described_as_far_as_the_credential_may_read_it() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let describe = |arguments| {
        let params = json!({ "name": "get_schema_info", "arguments": arguments });
        let answer = installation.ask(server.address(), "tools/call", &params).json();
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let full = describe(json!({}));
    assert!(full.contains("public.customers (table"), "{full}");
    assert!(full.contains(": Who buys\n"), "{full}");
    assert!(full.contains("\n  id integer not null, primary key\n"), "{full}");
    assert!(full.contains("  customer_id integer, references customers(id)\n"), "{full}");
    assert!(full.contains("  note text: A remark\n"), "{full}");
    assert!(!full.contains("secrets"), "{full}");
    let compact = describe(json!({ "table_name": "orders", "compact": true }));
    assert_eq!(compact, "public.orders(id integer, customer_id integer)\n-- 1 table or view");
    let none = describe(json!({ "schema_name": "nowhere" }));
    assert!(none.starts_with("-- no table"), "{none}");
}

#[test]
fn two_tokens_never_share_a_connection() {
    let installation = Installation::new("");
    let other = installation.add_token(&[]);
    let server = installation.start();
    let backend = |token: &str| {
        let arguments = json!({ "query": "SELECT pg_backend_pid(), current_setting('application_name'), current_setting('mcp.principal')" });
        let params = json!({ "name": "query_database", "arguments": arguments });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer = support::Request::mcp(&call).bearer(token).send(server.address()).json();
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let (mine, theirs) = (backend(installation.token()), backend(&other));
    assert_ne!(mine.lines().nth(1), theirs.lines().nth(1));
    assert_eq!(mine, backend(installation.token()), "a connection is used again");
    assert!(mine.contains("mcp-server/token:token-"), "{mine}");
}
