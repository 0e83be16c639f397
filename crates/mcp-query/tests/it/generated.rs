//! Statements made at random, from a grammar of reads, writes and what hides them: nothing moves.
//! And texts made of whatever ends a token: where PostgreSQL sees two statements, we let none pass.

use mcp_connect::{Connection, SessionSettings, Target, Transaction, WireError};
use mcp_sql::Statement;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use crate::support::Wall;

/// How many statements of each kind are tried.
const STATEMENTS: usize = 400;

fn pick(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

/// What may stand between two words, and what a comment may hold.
fn gap() -> impl Strategy<Value = String> {
    pick(&[
        " ",
        " ",
        " ",
        "\n",
        "\t",
        "/**/",
        " /* ; */ ",
        " /* /* ' */ */ ",
        " -- ;\n",
        " -- '\n",
        "/*$$*/",
        "\r",
        " --\r",
    ])
}

fn literal() -> impl Strategy<Value = String> {
    pick(&[
        "1",
        "'x'",
        "';'",
        "E'\\';'",
        "$$;$$",
        "$a$ $b$ ; $a$",
        "U&'\\0061'",
        "N'a'",
        "NULL",
        "'a'\n';'",
        "''''",
        "E'\\\\'",
        "B'1'",
        "1.5e2",
        ".5",
        "'--'",
        "'/*'",
        "ARRAY[1, 2]",
    ])
}

/// A call of something: harmless, refused by name, or a function that writes.
fn call() -> impl Strategy<Value = String> {
    pick(&[
        "now()",
        "count(*)",
        "writes()",
        "unlocks()",
        "commits()",
        "nextval('numbers')",
        "setval('numbers', 9)",
        "set_config('transaction_read_only', 'off', true)",
        "U&\"set\\005fconfig\"('role', 'other', false)",
        "lo_create(0)",
        "pg_notify('a', 'b')",
        "pg_advisory_lock(1)",
        "query_to_xml('DELETE FROM customers', true, true, '')",
        "txid_current()",
        "pg_catalog.\"lo_unlink\"(4711)",
        "configures()",
        "pg_backend_pid()",
    ])
}

fn write() -> impl Strategy<Value = String> {
    pick(&[
        "INSERT INTO customers VALUES (50, 'x') RETURNING id",
        "UPDATE customers SET name = 'x' RETURNING id",
        "DELETE FROM orders RETURNING id",
        "CREATE TABLE taken AS SELECT 1 AS a",
        "SELECT 1 AS a INTO taken",
        "TRUNCATE orders",
        "DROP TABLE orders",
        "ALTER TABLE orders ADD COLUMN x int",
        "COMMIT",
        "SET TRANSACTION READ WRITE",
        "SET ROLE other",
        "DO 'BEGIN DELETE FROM orders; END'",
        "LOCK TABLE orders",
        "GRANT ALL ON orders TO other",
        "NOTIFY x",
        "COPY orders TO STDOUT",
        "MERGE INTO customers USING orders ON true WHEN MATCHED THEN DELETE",
    ])
}

fn query() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        literal().prop_map(|value| format!("SELECT {value}")),
        call().prop_map(|call| format!("SELECT {call}")),
        call().prop_map(|call| format!("SELECT * FROM {call}")),
        literal().prop_map(|value| format!("VALUES ({value})")),
        pick(&[
            "TABLE customers",
            "SELECT * FROM orders",
            "SELECT q FROM \"Odd \"\"Name\"",
            "SELECT * FROM customers FOR UPDATE",
            "SHOW work_mem"
        ]),
        write(),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let two = (inner.clone(), inner.clone(), gap().boxed());
        prop_oneof![
            inner.clone().prop_map(|one| format!("({one})")),
            inner.clone().prop_map(|one| format!("SELECT * FROM ({one}) AS q")),
            inner.clone().prop_map(|one| format!("SELECT ({one})")),
            inner.clone().prop_map(|one| format!("EXPLAIN ANALYZE {one}")),
            inner.clone().prop_map(|one| format!("EXPLAIN (ANALYZE, BUFFERS) {one}")),
            inner.clone().prop_map(|one| format!("SELECT 1 FROM customers, LATERAL ({one}) AS x")),
            two.clone().prop_map(|(one, other, gap)| format!("WITH a AS{gap}({one}) {other}")),
            two.clone().prop_map(|(one, other, gap)| format!("{one}{gap}UNION ALL{gap}{other}")),
            two.clone().prop_map(|(one, other, gap)| format!("{one}{gap};{gap}{other}")),
            two.prop_map(|(one, other, gap)| format!("{one}){gap}AS a, ({other}")),
        ]
    })
}

/// A statement with something in front of it and behind it.
fn dressed() -> impl Strategy<Value = String> {
    let end = pick(&["", "", ";", "; -- end", " -- ;", ";;", ") AS q; --", " /*", "'", "; COMMIT"]);
    (gap(), query(), end).prop_map(|(gap, query, end)| format!("{gap}{query}{end}"))
}

/// Pieces that open, close or end something, in any order.
fn soup() -> impl Strategy<Value = String> {
    let piece = pick(&[
        "SELECT",
        "1",
        "'",
        "''",
        "\"",
        "$$",
        "$a$",
        "$",
        "a",
        "a$",
        "E'",
        "e'",
        "U&'",
        "u&\"",
        "B'",
        "n'",
        "\\",
        "\\'",
        "--",
        "/*",
        "*/",
        "\n",
        "\r",
        ";",
        ";",
        "(",
        ")",
        " ",
        "1a",
        "1e",
        "1.",
        "0x1",
        "$1",
        "UESCAPE",
        "'!'",
        "\u{e9}",
        "\u{a0}",
        "\t",
        "\u{b}",
        "+",
        "-",
        "/",
        "*",
        "::",
        ",",
        "AS",
        "DELETE FROM customers",
        "COMMIT",
        "/",
        "@",
        ":",
    ]);
    prop::collection::vec(piece, 1..24).prop_map(|pieces| format!("SELECT 1 {}", pieces.concat()))
}

/// Two queries and what stands between them, which is or is not a semicolon; one character of it
/// may be missing.
fn parted() -> impl Strategy<Value = String> {
    let between = pick(&[
        ";",
        ";",
        ";",
        " UNION ALL ",
        "/*;*/ UNION ALL ",
        "--;\n UNION ALL ",
        "||';'||(",
        ", $$;$$, (",
    ]);
    let parts = (literal(), gap(), between, gap(), literal(), 0_usize..80);
    parts.prop_map(|(one, gap, between, other_gap, other, missing)| {
        let close = if between.ends_with('(') { ")" } else { "" };
        let text = format!("SELECT {one}{gap}{between}{other_gap}SELECT {other}{close}");
        text.chars().enumerate().filter(|(at, _)| *at != missing).map(|(_, c)| c).collect()
    })
}

fn made<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::new(Config::default());
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_made_at_random_moves_anything() {
    let wall = Wall::to_read();
    let before = wall.state().await;
    let (mut passed, mut since) = (0, Vec::new());
    for text in made(&dressed(), STATEMENTS) {
        passed += usize::from(wall.run(&text).await.is_ok());
        since.push(text);
        // Looking costs more than trying.
        if since.len() == 10 {
            assert_eq!(wall.state().await, before, "one of {since:#?}");
            since.clear();
        }
    }
    assert!(passed > STATEMENTS / 20, "only {passed} of {STATEMENTS} were tried to the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_two_statements_for_postgresql_is_one_for_nobody_here() {
    let wall = Wall::to_read();
    let target = Target::parse(&wall.postgres.dsn_as("agent", "postgres")).unwrap();
    let session = SessionSettings::default();
    let mut direct = Connection::connect(&target, &session).await.unwrap();
    let (mut several, mut let_pass) = (0, 0);
    for text in made(&prop_oneof![soup(), parted()], STATEMENTS * 10) {
        let ours = Statement::read(&text);
        // PostgreSQL parses the whole text before it looks at anything in it.
        let theirs = says(&mut direct, &text).await;
        if theirs.contains("multiple commands") {
            several += 1;
            assert!(ours.is_err(), "{text:?}: PostgreSQL sees several statements");
        }
        let Ok(statement) = ours else { continue };
        let_pass += 1;
        let wrapped = says(&mut direct, &statement.page(10, 0).sql).await;
        assert!(!wrapped.contains("multiple commands"), "{text:?} breaks out of its wrapper");
        // What is left open would swallow the end of the wrapper.
        for open in ["unterminated", "zero-length delimited"] {
            assert!(!wrapped.contains(open), "{text:?} is not closed: {wrapped}");
        }
    }
    assert!(several > 100 && let_pass > 100, "{several} several, {let_pass} let pass");
}

/// What PostgreSQL says to a text that nobody judged, in a transaction that is rolled back.
async fn says(connection: &mut Connection, sql: &str) -> String {
    let answer = match connection.start(Transaction::ReadOnly, sql, &[]).await {
        Ok(running) => running.finish().await.map(|_| ()),
        Err(error) => Err(error),
    };
    match answer {
        Ok(()) => String::new(),
        Err(WireError::Database(error)) => error.message,
        Err(other) => panic!("{sql:?}: {other}"),
    }
}
