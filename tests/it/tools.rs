//! The tools, as a client meets them: transcripts, and what hostile names and texts do to them.

use serde_json::{Value, json};
use support::{Installation, Request};

/// Everything that a schema can hold, described.
const SHOP: &str = r#"
CREATE TABLE customers (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    email text UNIQUE,
    "Birth Day" date DEFAULT '2000-01-01',
    shout text GENERATED ALWAYS AS (upper(name)) STORED
);
COMMENT ON TABLE customers IS 'Who buys';
COMMENT ON COLUMN customers.email IS 'Where letters go';
CREATE INDEX customers_lower ON customers (lower(name) DESC) WHERE email IS NOT NULL;
CREATE TABLE orders (
    id int, line int, customer_id int REFERENCES customers (id) ON DELETE CASCADE, total numeric(10, 2),
    PRIMARY KEY (id, line), CHECK (total >= 0), EXCLUDE USING btree (total WITH =)
);
CREATE TABLE events (day date NOT NULL, what text) PARTITION BY RANGE (day);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE nothing ();
CREATE VIEW good AS SELECT id, name FROM customers;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY 1;
CREATE INDEX ON totals (total);
CREATE FOREIGN DATA WRAPPER far; CREATE SERVER afar FOREIGN DATA WRAPPER far;
CREATE FOREIGN TABLE distant (a int, b text) SERVER afar;
CREATE TABLE half (seen int, hidden int); REVOKE ALL ON half FROM agent; GRANT SELECT (seen) ON half TO agent;
CREATE TABLE secrets (word text); REVOKE ALL ON secrets FROM agent;
CREATE SCHEMA closed; CREATE TABLE closed.inside (a int); GRANT SELECT ON closed.inside TO agent;
INSERT INTO customers (name, email) VALUES ('Anna', 'anna@example.org'), ('Zoë', NULL), ('Bo', NULL);
"#;

#[test]
fn the_schema_shows_every_kind_of_relation_with_all_that_is_known_of_it() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let (text, failed) =
        installation.call_for_text(server.address(), "get_schema_info", &json!({}));
    assert!(!failed);
    insta::assert_snapshot!(text);
    let compact = json!({ "compact": true, "schema_name": "public", "table_name": "nothing" });
    let (text, _) = installation.call_for_text(server.address(), "get_schema_info", &compact);
    assert_eq!(text, "public.nothing()\n-- 1 table or view");
}

#[test]
fn postgresqls_own_schemas_are_shown_to_whoever_asks_for_them() {
    let installation = Installation::new("");
    let server = installation.start();
    let describe = |arguments: &Value| {
        installation.call_for_text(server.address(), "get_schema_info", arguments).0
    };
    assert_eq!(describe(&json!({})), "-- no table that this credential may read fits");
    let class = describe(&json!({ "schema_name": "pg_catalog", "table_name": "pg_class" }));
    assert!(class.contains("  relname name not null\n"), "{class}");
}

#[test]
fn a_plan_is_shown_as_text_or_as_data() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let explain =
        |arguments: &Value| installation.call(server.address(), "execute_explain", arguments);
    let text = |result: &Value| result["content"][0]["text"].as_str().unwrap().to_owned();
    let query = "SELECT * FROM customers WHERE id = 1; -- one";
    let plain = text(&explain(&json!({ "query": query })));
    assert!(plain.starts_with("Index Scan using customers_pkey on customers"), "{plain}");
    let last =
        "-- plan on database shop; estimates only: with analyze the query is run and measured";
    assert_eq!(plain.lines().last(), Some(last));
    assert!(!plain.contains("actual time"), "{plain}");
    let measured = json!({ "query": query, "analyze": true, "buffers": true });
    let measured = text(&explain(&measured));
    for word in ["actual time", "Buffers: ", "the query was run, and its rows discarded"] {
        assert!(measured.contains(word), "{measured}");
    }
    let result = explain(&json!({ "query": query, "format": "json" }));
    let data = &result["structuredContent"];
    assert_eq!(data["database"], "shop");
    assert_eq!(data["plan"][0]["Plan"]["Index Name"], "customers_pkey");
    assert_eq!(text(&result), last);
}

#[test]
fn what_is_no_read_is_not_explained_and_errors_point_into_the_query() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let explain = |query: &str| {
        let arguments = json!({ "query": query, "analyze": true });
        installation.call_for_text(server.address(), "execute_explain", &arguments)
    };
    for (query, told) in [
        ("DELETE FROM customers", "Error: DELETE is not allowed here: this connection only reads"),
        ("SELECT 1 AS a INTO made", "Error 42601: "),
        ("WITH d AS (DELETE FROM customers RETURNING 1) SELECT 1", "Error 0A000: "),
        ("SELECT 1; DELETE FROM customers", "Error: send one statement at a time"),
        ("SELECT 1) AS q; DELETE FROM customers; --", "Error: "),
        ("(ANALYZE) DELETE FROM customers", "Error 42601: "),
        ("EXPLAIN SELECT 1", "Error: give the query itself, without EXPLAIN"),
        ("SELECT pg_sleep(1)", "Error: pg_sleep is not allowed here"),
        ("SHOW work_mem", "Error: "),
        ("", "Error: "),
    ] {
        let (text, failed) = explain(query);
        assert!(failed && text.starts_with(told), "{query}: {text}");
    }
    let (text, _) = explain("SELECT nope FROM customers");
    assert!(text.contains("\nPosition: character 8 of the query"), "{text}");
    let (text, _) = explain("SELECT 1 +");
    assert!(text.starts_with("Error 42601: syntax error at the end of the query"), "{text}");
    let (text, _) = installation.query(server.address(), "SELECT count(*) FROM customers");
    assert!(text.contains("\n3\n"), "{text}");
}

#[test]
fn rows_are_counted_exactly_and_by_condition() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let count = |arguments: &Value| installation.call(server.address(), "count_rows", arguments);
    let result = count(&json!({ "table": "customers" }));
    let text = |result: &Value| result["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(text(&result), "3 rows of \"customers\" in database shop");
    let expected = json!({ "database": "shop", "schema": null, "table": "customers", "count": 3 });
    assert_eq!(result["structuredContent"], expected);
    let arguments = json!({
        "table": "customers",
        "schema": "public",
        "where": "/* those */ email IS NULL AND id IN (SELECT id FROM good) -- without one",
    });
    let result = count(&arguments);
    assert_eq!(text(&result), "2 rows of \"public\".\"customers\" in database shop that fit");
    assert_eq!(result["structuredContent"]["count"], 2);
    assert_eq!(count(&json!({ "table": "good", "where": "  " }))["structuredContent"]["count"], 3);
}

#[test]
fn a_condition_stays_a_condition() {
    let installation = Installation::new(
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); GRANT ALL ON t TO agent;
         CREATE FUNCTION write() RETURNS bool LANGUAGE sql AS 'INSERT INTO t VALUES (9) RETURNING true'",
    );
    let server = installation.start();
    for condition in [
        "true) UNION SELECT (99",
        "true) OR (true",
        "true; DELETE FROM t",
        "true) AS q; DELETE FROM t; --",
        "true /*",
        "true) --",
        "a = 'x",
        "a = $$",
        "a = U&\"\\0061",
        "EXISTS (WITH d AS (DELETE FROM t RETURNING 1) SELECT * FROM d)",
        "EXISTS (SELECT 1 INTO t2)",
        "a IN (SELECT a FROM t FOR UPDATE)",
        "write()",
        "pg_sleep(10) IS NULL",
        "pg_catalog.\"pg_sleep\"(10) IS NULL",
        "set_config('transaction_read_only', 'off', false) IS NULL",
        "(SELECT count(*) FROM query_to_xml('DELETE FROM t', true, true, '')) > 0",
        "a = $1",
        "true ORDER BY a",
        "true GROUP BY a",
        "true LIMIT 1",
        "true\0",
        "-- nothing",
        "a",
    ] {
        let arguments = json!({ "table": "t", "where": condition });
        let (text, failed) = installation.call_for_text(server.address(), "count_rows", &arguments);
        assert!(failed && text.starts_with("Error"), "{condition}: {text}");
    }
    let (text, _) = installation.query(server.address(), "SELECT sum(a) FROM t");
    assert!(text.contains("\n3\n"), "{text}");
    let arguments = json!({ "table": "t", "where": "/* ü */ a = nope" });
    let (text, _) = installation.call_for_text(server.address(), "count_rows", &arguments);
    assert!(text.contains("\nPosition: character 13 of where"), "{text}");
}

#[test]
fn names_are_names_whatever_they_hold() {
    let names = [
        "a\"b",
        "a'b",
        "100%s %n %%",
        "Ünïcödé 表 🐘",
        "semi;colon -- comment /*",
        "back\\slash",
        "new\nline (table): fake",
        "x".repeat(63).leak(),
        "ü".repeat(31).leak(),
        "select",
        "a.b",
        "{schema}",
        "a/b?c#d",
        "\u{202e}esrever",
    ];
    let made: Vec<_> = names
        .iter()
        .map(|name| {
            let quoted = format!("\"{}\"", name.replace('"', "\"\""));
            let comment = "E'evil\\npublic.fake (table)\\n  id int'";
            format!(
                "CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} ({quoted} int PRIMARY KEY); \
                 COMMENT ON TABLE {quoted}.{quoted} IS {comment}; \
                 INSERT INTO {quoted}.{quoted} VALUES (7); \
                 GRANT USAGE ON SCHEMA {quoted} TO agent;\n"
            )
        })
        .collect();
    let installation = Installation::new(&made.concat());
    let server = installation.start();
    let to = server.address();
    for name in names {
        let arguments = json!({ "schema": name, "table": name });
        let counted = installation.call(to, "count_rows", &arguments);
        assert_eq!(counted["structuredContent"]["count"], 1, "{name:?}: {counted}");

        let arguments = json!({ "schema_name": name, "table_name": name });
        let (text, _) = installation.call_for_text(to, "get_schema_info", &arguments);
        let lines: Vec<_> = text.lines().collect();
        // A heading, a column, an empty line and the count: nothing that a name or comment made.
        assert_eq!(lines.len(), 4, "{name:?}: {text}");
        assert_eq!(lines[3], "-- 1 table or view");
        // What is shown is what SQL takes.
        let shown = lines[0].split(" (table): evil").next().unwrap();
        let (text, failed) = installation.query(to, &format!("SELECT * FROM {shown}"));
        assert!(!failed && text.contains("\n7\n"), "{name:?}: {text}");

        let encoded = name.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let uri = format!("pg://schema/{encoded}/{encoded}");
        let (text, failed) =
            installation.call_for_text(to, "read_resource", &json!({ "uri": uri }));
        assert!(!failed, "{name:?}: {text}");
        let table: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&table["schema"], &table["name"]), (&json!(name), &json!(name)));
        assert_eq!(table["columns"][0]["name"], name);
        assert_eq!(table["comment"], "evil\npublic.fake (table)\n  id int");
    }
    // One byte more is another name, and not the one that PostgreSQL would cut it to.
    for name in ["x".repeat(64), "ü".repeat(32)] {
        let (text, failed) =
            installation.call_for_text(to, "count_rows", &json!({ "schema": name, "table": name }));
        assert!(
            failed && text.contains("64 bytes; no name in PostgreSQL has more than 63"),
            "{text}"
        );
        let arguments = json!({ "schema_name": name });
        let (text, _) = installation.call_for_text(to, "get_schema_info", &arguments);
        assert!(text.starts_with("-- no table"), "{text}");
    }
}

#[test]
fn nothing_that_somebody_named_makes_a_line_of_its_own() {
    let evil = r#""evil
public.fake (table)""#;
    let installation = Installation::new(
        &format!(
            "CREATE TYPE {evil} AS ENUM ('a', E'x\\ny'); CREATE TABLE parent (a int PRIMARY KEY);
         CREATE TABLE t (
           a {evil} DEFAULT E'x\\ny', {evil} int,
           CONSTRAINT {evil} CHECK ({evil} > 0), b int CONSTRAINT {evil}2 UNIQUE,
           c int REFERENCES parent (a)
         );
         CREATE INDEX {evil}3 ON t ({evil}) WHERE a = E'x\\ny';
         CREATE VIEW v AS SELECT a AS {evil} FROM t;",
        )
        .replace("\"2", "2\"")
        .replace("\"3", "3\""),
    );
    let server = installation.start();
    let describe = |compact: bool| {
        let arguments = json!({ "compact": compact });
        installation.call_for_text(server.address(), "get_schema_info", &arguments).0
    };
    let (full, compact) = (describe(false), describe(true));
    for text in [&full, &compact] {
        assert!(!text.lines().any(|line| line.trim_start().starts_with("public.fake")), "{text}");
        assert!(text.ends_with("-- 3 tables and views"), "{text}");
    }
    assert_eq!(compact.lines().count(), 3 + 1);
    let headings = full.lines().filter(|line| line.starts_with("public.")).count();
    assert_eq!(headings, 3, "{full}");
}

#[test]
fn a_tool_takes_what_its_schema_says_and_nothing_else() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    for (tool, arguments) in [
        ("count_rows", json!({})),
        ("count_rows", json!({ "table": "" })),
        ("count_rows", json!({ "table": "customers", "schema": "" })),
        ("count_rows", json!({ "table": "custo\0mers" })),
        ("count_rows", json!({ "table": ["customers"] })),
        ("count_rows", json!({ "table": "customers", "limit": 1 })),
        ("count_rows", json!({ "table": "secrets" })),
        ("count_rows", json!({ "table": "pg_stat_activity", "schema": "pg_catalog" })),
        ("count_rows", json!({ "table": "inside", "schema": "closed" })),
        ("execute_explain", json!({ "query": "SELECT 1", "format": "xml" })),
        ("execute_explain", json!({ "query": "SELECT 1", "verbose": true })),
        ("execute_explain", json!({})),
        ("get_schema_info", json!({ "schema": "public" })),
        ("get_schema_info", json!({ "compact": "yes" })),
        ("list_databases", json!({ "database": "shop" })),
        ("read_resource", json!({})),
        ("read_resource", json!({ "uri": "pg://schema/public/secrets" })),
        ("read_resource", json!({ "uri": "pg://schema/public/%00" })),
        ("read_resource", json!({ "uri": "file:///etc/passwd" })),
        ("read_resource", json!({ "uri": "pg://system_info", "database": "other" })),
    ] {
        let (text, failed) = installation.call_for_text(server.address(), tool, &arguments);
        assert!(failed && text.starts_with("Error"), "{tool} {arguments}: {text}");
    }
    let (text, _) = installation.call_for_text(
        server.address(),
        "get_schema_info",
        &json!({ "schema_name": "pub\0lic" }),
    );
    assert!(text.starts_with("-- no table"), "{text}");
}

/// A second database that only a user reaches, beside `shop`.
fn with_two_databases() -> Installation {
    let installation = Installation::new(SHOP);
    installation.postgres().execute("postgres", "CREATE DATABASE stock").unwrap();
    let made = "CREATE TABLE shelves (a int); GRANT SELECT ON shelves TO agent";
    installation.postgres().execute("stock", made).unwrap();
    let (socket, port) = (installation.postgres().socket_dir(), installation.postgres().port());
    let second = format!(
        "    max_rows: 50\n  - {{ name: warehouse, host: {}, port: {port}, database: stock, user: agent }}\n",
        socket.display()
    );
    installation.write_config_with_users("", &second);
    installation.add_user("anna", "A good password 1");
    installation
}

#[test]
fn every_tool_works_on_the_database_that_a_call_names() {
    let installation = with_two_databases();
    let server = installation.start();
    let to = server.address();
    let params = json!({
        "name": "authenticate_user",
        "arguments": { "username": "anna", "password": "A good password 1" },
    });
    let login = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = Request::mcp(&login).send(to).json();
    let login: Value =
        serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    let session = login["session_token"].as_str().unwrap();
    let call = |tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        Request::mcp(&call).bearer(session).send(to).json()["result"].clone()
    };
    let listed = call("list_databases", json!({}));
    let names: Vec<_> = listed["structuredContent"]["databases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["name"].as_str().unwrap(), one["default"] == true, one["max_rows"].as_u64())
        })
        .collect();
    assert_eq!(names, [("shop", true, Some(50)), ("warehouse", false, Some(1000))]);
    for (tool, arguments) in [
        ("query_database", json!({ "query": "SELECT * FROM shelves" })),
        ("execute_explain", json!({ "query": "SELECT * FROM shelves" })),
        ("count_rows", json!({ "table": "shelves" })),
        ("get_schema_info", json!({ "table_name": "shelves" })),
        ("read_resource", json!({ "uri": "pg://schema/public/shelves" })),
    ] {
        let mut there = arguments.clone();
        there["database"] = "warehouse".into();
        let there = call(tool, there);
        assert_eq!(there["isError"], false, "{tool}: {there}");
        let here = call(tool, arguments);
        let text = here["content"][0]["text"].as_str().unwrap();
        assert!(here["isError"] == true || text.starts_with("-- no table"), "{tool}: {here}");
    }
    // A token that names no database reaches the first alone.
    let listed = installation.call(to, "list_databases", &json!({}));
    assert_eq!(listed["structuredContent"]["databases"].as_array().unwrap().len(), 1);
    let text = listed["content"][0]["text"].as_str().unwrap();
    let expected = "shop (default): a call returns up to 50 rows and 1048576 bytes, and may take \
                    30000 ms\n-- 1 database";
    assert_eq!(text, expected);
}

#[test]
fn what_a_tool_returns_as_data_is_what_its_schema_promises() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let list = installation.ask(server.address(), "tools/list", &json!({})).json();
    let mut checked = Vec::new();
    for tool in list["result"]["tools"].as_array().unwrap() {
        let Some(schema) = tool.get("outputSchema") else { continue };
        let name = tool["name"].as_str().unwrap();
        let arguments = match name {
            "count_rows" => json!({ "table": "customers", "schema": "public" }),
            _ => json!({}),
        };
        let result = installation.call(server.address(), name, &arguments);
        support::schema::assert_satisfies(schema, &result["structuredContent"]);
        checked.push(name);
    }
    assert_eq!(checked, ["count_rows", "list_databases"]);
}
