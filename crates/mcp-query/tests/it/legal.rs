//! Analytical queries that must pass, and give what PostgreSQL gives without the wall.

use crate::support::Wall;

/// Each has its order, so that two runs give the same rows in the same places.
const QUERIES: &[&str] = &[
    // plain
    "SELECT 1 AS one",
    "SELECT * FROM customers ORDER BY id;",
    "SELECT * FROM customers ORDER BY id; -- all of them",
    "SELECT * FROM customers ORDER BY id /* all; of them */ ;\n\n",
    "/* leading */ SELECT id -- middle\n FROM customers ORDER BY 1",
    "  \n\tselect 1 as one  ",
    "TABLE customers ORDER BY id",
    "VALUES (1, 'a'), (2, 'b') ORDER BY 1",
    "(SELECT 1 AS a)",
    "((SELECT 1 AS a) UNION ALL (SELECT 2)) ORDER BY a",
    "SELECT FROM customers WHERE id = 0",
    "SELECT DISTINCT city FROM customers ORDER BY city NULLS FIRST",
    "SELECT DISTINCT ON (city) city, id FROM customers ORDER BY city, id",
    "SELECT ALL id FROM customers ORDER BY id DESC",
    // literals and names that look like something else
    "SELECT ';' AS a, ';--' AS b, '/*' AS c, $$;$$ AS d, $x$ $$ ; $x$ AS e",
    "SELECT 'it''s; fine' AS a, E'a\\'b;' AS b, U&'d\\0061t\\+000061' AS c",
    "SELECT 'a'\n  'b;' AS joined",
    "SELECT U&'d!0061ta' UESCAPE '!' AS escaped",
    "SELECT B'101' AS bits, X'1F' AS hex, N'n' AS national",
    "SELECT 'DELETE FROM customers' AS text, 'pg_sleep(10)' AS name",
    "SELECT q, \"select\", \"update\" FROM \"Odd \"\"Name\"",
    "SELECT q FROM (SELECT 1 AS q) AS q",
    "SELECT q.q FROM (SELECT 7 AS q) AS q ORDER BY q.q",
    "SELECT 1 AS a, 2 AS a, 3 AS a",
    "SELECT c.*, c.* FROM customers AS c ORDER BY c.id",
    "SELECT 1 AS \"two words\", 2 AS \"semi;colon\", 3 AS \"--\"",
    "SELECT update FROM (SELECT 1 AS update) AS insert",
    "SELECT 1 AS \"limit\", 2 AS \"offset\"",
    "SELECT name FROM customers WHERE name = 'select' OR note = '--' ORDER BY 1",
    "SELECT 'Zo\u{eb}' AS n, '\u{1F600}' AS face, '\u{4e2d}' AS \"\u{540d}\"",
    "SELECT 1.5e3 AS a, .5 AS b, 1e-2 AS c, 5. AS d",
    // joins
    "SELECT c.name, count(o.id) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id ORDER BY c.id",
    "SELECT count(*) FROM customers CROSS JOIN orders",
    "SELECT count(*) FROM customers NATURAL JOIN (SELECT 1 AS id) AS x",
    "SELECT id FROM customers FULL JOIN (VALUES (2), (9)) AS v (id) USING (id) ORDER BY id",
    "SELECT c.name, l.amount FROM customers c, LATERAL (SELECT amount FROM orders o WHERE o.customer_id = c.id ORDER BY amount DESC LIMIT 2) AS l ORDER BY 1, 2",
    "SELECT c.id, t FROM customers c LEFT JOIN LATERAL unnest(ARRAY[c.id, c.id * 2]) AS t ON true ORDER BY 1, 2",
    "SELECT id FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id) ORDER BY 1",
    "SELECT id FROM customers WHERE id = ANY (SELECT customer_id FROM orders) ORDER BY 1",
    "SELECT id, (SELECT max(amount) FROM orders WHERE customer_id = c.id) AS top FROM customers c ORDER BY id",
    // windows
    "SELECT id, sum(amount) OVER (ORDER BY id) FROM orders ORDER BY id",
    "SELECT id, row_number() OVER w, rank() OVER w, ntile(3) OVER w FROM orders WINDOW w AS (PARTITION BY customer_id ORDER BY amount) ORDER BY id",
    "SELECT id, avg(amount) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM orders ORDER BY id",
    "SELECT id, sum(amount) OVER (ORDER BY at RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM orders ORDER BY id",
    "SELECT id, lag(amount, 1, 0) OVER (ORDER BY id), first_value(amount) OVER (ORDER BY id GROUPS 1 PRECEDING) FROM orders ORDER BY id",
    "SELECT id, nth_value(amount, 2) OVER (ORDER BY id), percent_rank() OVER (ORDER BY id) FROM orders ORDER BY id",
    // aggregates
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM orders",
    "SELECT percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY amount) FROM orders",
    "SELECT mode() WITHIN GROUP (ORDER BY customer_id) FROM orders",
    "SELECT rank(10) WITHIN GROUP (ORDER BY amount) FROM orders",
    "SELECT count(*) FILTER (WHERE amount > 20) AS big, count(DISTINCT customer_id) FROM orders",
    "SELECT string_agg(name, ', ' ORDER BY id) FROM customers",
    "SELECT array_agg(DISTINCT customer_id ORDER BY customer_id DESC) FROM orders",
    "SELECT stddev_samp(amount)::numeric(9, 3), corr(id, amount), regr_slope(id, amount) FROM orders",
    "SELECT customer_id, sum(amount) FROM orders GROUP BY ROLLUP (customer_id) ORDER BY 1 NULLS LAST",
    "SELECT customer_id, at::date, count(*) FROM orders GROUP BY CUBE (customer_id, at::date) ORDER BY 1 NULLS LAST, 2 NULLS LAST",
    "SELECT customer_id, grouping(customer_id), count(*) FROM orders GROUP BY GROUPING SETS ((customer_id), ()) ORDER BY 1 NULLS LAST",
    "SELECT customer_id FROM orders GROUP BY DISTINCT ROLLUP (customer_id, customer_id) HAVING count(*) > 2 ORDER BY 1 NULLS FIRST",
    "SELECT bool_and(amount > 0), bit_or(id), every(id > 0), any_value.m FROM orders, (SELECT 1 AS m) AS any_value GROUP BY any_value.m",
    // common table expressions
    "WITH a AS (SELECT 1 AS n) SELECT * FROM a",
    "WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t",
    "WITH RECURSIVE up AS (SELECT id, parent FROM orders WHERE id = 40 UNION ALL SELECT o.id, o.parent FROM orders o JOIN up ON o.id = up.parent) SELECT * FROM up ORDER BY id",
    "WITH RECURSIVE t (n) AS (SELECT 1 UNION SELECT n % 3 + 1 FROM t) SEARCH DEPTH FIRST BY n SET path CYCLE n SET looped USING route SELECT n, looped FROM t ORDER BY n, looped",
    "WITH a AS MATERIALIZED (SELECT 1 AS n), b AS NOT MATERIALIZED (SELECT n + 1 AS n FROM a) SELECT * FROM a, b",
    "SELECT * FROM (WITH a AS (SELECT 3 AS n) SELECT n FROM a) AS x",
    // sets, pages
    "SELECT id FROM customers UNION SELECT customer_id FROM orders ORDER BY 1",
    "SELECT id FROM customers EXCEPT SELECT customer_id FROM orders ORDER BY id",
    "SELECT id FROM customers INTERSECT ALL SELECT customer_id FROM orders ORDER BY id",
    "SELECT id FROM orders ORDER BY id LIMIT 3 OFFSET 2",
    "SELECT id FROM orders ORDER BY id OFFSET 5 ROWS FETCH NEXT 2 ROWS ONLY",
    "SELECT amount FROM orders ORDER BY amount FETCH FIRST 1 ROW WITH TIES",
    // documents, arrays, texts, times
    "SELECT data ->> 'n' AS n, data #>> '{k,1}' AS k FROM orders ORDER BY id",
    "SELECT jsonb_path_query(data, '$.k[*] ? (@ > 39)') FROM orders ORDER BY id",
    "SELECT id FROM orders WHERE data @? '$.k[*] ? (@ == 5)' ORDER BY id",
    "SELECT id FROM orders WHERE data @> '{\"n\": 7}' OR data ? 'zz' ORDER BY id",
    "SELECT jsonb_object_agg(id, name ORDER BY id) FROM customers",
    "SELECT * FROM jsonb_to_recordset('[{\"a\": 1, \"b\": \";\"}]') AS t (a int, b text)",
    "SELECT tags[1], tags[1:2], array_length(tags, 1), 'a' = ANY (tags) FROM orders ORDER BY id",
    "SELECT unnest(tags) AS tag, count(*) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT date_trunc('week', at) AS week, sum(amount) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT extract(isodow FROM at) AS day, at AT TIME ZONE 'Asia/Tokyo' FROM orders ORDER BY id",
    "SELECT d::date FROM generate_series(date '2026-01-01', '2026-01-05', '1 day') AS d ORDER BY d",
    "SELECT * FROM generate_series(1, 3) WITH ORDINALITY AS s (n, place) ORDER BY place",
    "SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY['a', 'b'])) AS t (n, x) ORDER BY n",
    "SELECT regexp_replace(name, '(.)$', '<\\1>') FROM customers ORDER BY id",
    "SELECT name ~* '^a' AS a, name LIKE '%o%' ESCAPE '!' AS b, position('n' IN name) AS c FROM customers ORDER BY id",
    "SELECT to_tsvector('english', 'cats and dogs') @@ to_tsquery('english', 'cat & dog') AS found",
    "SELECT ts_headline('the cat sat', plainto_tsquery('cat')) AS shown",
    "SELECT xmlelement(name a, xmlattributes(1 AS b), 'x') AS doc",
    "SELECT (xpath('/a/text()', '<a>1</a>'))[1] AS found",
    "SELECT CASE WHEN amount > 25 THEN 'big' ELSE 'small' END AS size, count(*) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT coalesce(note, 'none'), nullif(city, 'Bern'), greatest(id, 2) FROM customers ORDER BY id",
    "SELECT ROW(1, 'a') AS r, (ROW(1, 2)) = (ROW(1, 2)) AS same",
    "SELECT int4range(1, 5) * int4range(3, 9) AS r, int4range(1, 5) @> 3 AS has",
    "SELECT 1 OPERATOR(pg_catalog.+) 2 AS three, -1 AS minus, 2 ^ 3 AS cube, 5 % 3 AS rest, |/ 16.0 AS root, @ -3 AS size",
    "SELECT CAST('1' AS int) + '2'::int4 AS n, interval '1 day' AS d, timestamp '2026-01-01' AS t",
    "SELECT count(*) FROM orders TABLESAMPLE BERNOULLI (100) REPEATABLE (1)",
    "SELECT n FROM busy ORDER BY n, customer_id",
    "SELECT md5('x') AS digest, length(sha256('x')) AS size, encode('x', 'base64') AS coded",
    // catalogs
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ordinal_position",
    "SELECT relname FROM pg_catalog.pg_class WHERE relname LIKE 'orders%' ORDER BY 1",
    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass ORDER BY 1",
    "SELECT indexrelname, idx_scan >= 0 FROM pg_stat_user_indexes ORDER BY 1",
    "SELECT pg_size_pretty(pg_total_relation_size('orders')) <> '' AS sized",
    "SELECT has_table_privilege('orders', 'INSERT') AS mine",
    "SELECT obj_description('orders'::regclass) AS said, current_database() AS base",
    "SELECT relation::regclass FROM pg_locks WHERE relation = 'orders'::regclass",
    "SELECT name, setting FROM pg_settings WHERE name = 'block_size'",
];

#[tokio::test(flavor = "multi_thread")]
async fn legal_queries_pass_and_give_what_postgresql_gives_without_the_wall() {
    let wall = Wall::to_read();
    assert!(QUERIES.len() > 60);
    let before = wall.state().await;
    for text in QUERIES {
        let through = wall.run(text).await;
        let through = through.unwrap_or_else(|fault| panic!("{text}: {}", fault.told()));
        // psql writes NULL as nothing and parts columns by a bar. The comment ends before the `;`.
        let script = format!("SET TimeZone TO 'UTC'; SET extra_float_digits TO 1;\n{text}\n;");
        let direct = wall.postgres.execute("postgres", &script).unwrap();
        let through = through.replace("\\N", "").replace('\t', "|").replace("\\\\", "\\");
        assert_eq!(through.trim_end(), direct.trim_end(), "{text}");
    }
    assert_eq!(wall.state().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_settings_are_shown() {
    let wall = Wall::to_read();
    let before = wall.state().await;
    for (text, said) in [
        ("EXPLAIN SELECT * FROM orders ORDER BY id", "orders"),
        ("EXPLAIN (ANALYZE, BUFFERS) SELECT count(*) FROM orders;", "Buffers"),
        ("EXPLAIN ANALYZE VERBOSE TABLE customers", "Output"),
        ("EXPLAIN (SELECT 1)", "Result"),
        ("EXPLAIN (FORMAT JSON, VERBOSE) VALUES (1)", "\"Plan\""),
        ("EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT 1 -- end", "actual rows"),
        ("EXPLAIN (ANALYZE, SUMMARY ON) WITH a AS (SELECT 1) TABLE a", "Execution Time"),
        ("EXPLAIN (SETTINGS) SELECT ';'", "Result"),
        ("EXPLAIN (ANALYZE, WAL) SELECT 1", "Result"),
        ("SHOW work_mem", "4MB"),
        ("SHOW TIME ZONE;", "UTC"),
        ("SHOW transaction_read_only", "on"),
        ("SHOW ALL", "work_mem"),
        ("show server_version", "."),
    ] {
        let shown = wall.run(text).await.unwrap_or_else(|fault| panic!("{text}: {}", fault.told()));
        assert!(shown.contains(said), "{text}: {shown}");
    }
    let plan =
        wall.run("EXPLAIN (COSTS OFF) SELECT * FROM orders ORDER BY id LIMIT 3").await.unwrap();
    assert!(!plan.contains("cost=") && plan.contains("Limit"), "{plan}");
    let untimed = wall.run("EXPLAIN (ANALYZE, TIMING FALSE) SELECT 1").await.unwrap();
    assert!(!untimed.contains("actual time"), "{untimed}");
    assert_eq!(wall.state().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrapper_keeps_the_order_and_the_plan() {
    let wall = Wall::to_read();
    wall.look("SET ROLE agent; INSERT INTO orders (id, amount) SELECT n, n FROM generate_series(100, 5000) AS n; ANALYZE orders;");
    let plan = wall.run("EXPLAIN (COSTS OFF) SELECT * FROM orders ORDER BY id DESC LIMIT 5").await;
    let plan = plan.unwrap();
    assert!(plan.contains("Index Scan Backward") && !plan.contains("Sort"), "{plan}");
    let plan = wall.run("EXPLAIN (COSTS OFF) SELECT * FROM orders WHERE id = 7").await.unwrap();
    assert!(plan.contains("Index Cond"), "{plan}");
}
