//! Databases that take writes, as an agent meets them.

use serde_json::{Value, json};
use support::Installation;

const LEDGER: &str = "
    CREATE TABLE ledger (id int PRIMARY KEY, text text); GRANT ALL ON ledger TO agent;
    GRANT CREATE ON SCHEMA public TO agent; INSERT INTO ledger VALUES (1, 'one');";

fn ask(installation: &Installation, to: std::net::SocketAddr, arguments: &Value) -> Value {
    let params = json!({ "name": "query_database", "arguments": arguments });
    installation.ask(to, "tools/call", &params).json()["result"].clone()
}

/// The entry of `query_database` in `tools/list`.
fn listed(installation: &Installation, to: std::net::SocketAddr) -> Value {
    let answer = installation.ask(to, "tools/list", &json!({})).json();
    let tools = answer["result"]["tools"].as_array().unwrap();
    tools.iter().find(|tool| tool["name"] == "query_database").unwrap().clone()
}

#[test]
fn a_change_is_committed_reported_and_recorded() {
    let installation = Installation::new(LEDGER);
    installation.write_config("    allow_writes: true\n");
    let mut server = installation.start();
    server.wait_for_line("read and written by credentials that are not read-only");
    let to = server.address();
    let (text, failed) = installation.query(to, "INSERT INTO ledger VALUES (2, 'two'), (3, '')");
    assert_eq!((text.as_str(), failed), ("-- INSERT: 2 rows changed in database shop", false));
    let (text, _) = installation.query(to, "DELETE FROM ledger WHERE id > 1 RETURNING id, text;");
    assert_eq!(text, "id\ttext\n2\ttwo\n3\t\n-- DELETE: 2 rows changed in database shop");
    let (text, _) = installation.query(to, "CREATE TABLE made (a int)");
    assert_eq!(text, "-- CREATE TABLE: done in database shop");
    let (text, failed) = installation.query(to, "UPDATE ledger SET nope = 1");
    assert!(failed && text.contains("Position: character 19 of the query"), "{text}");
    let (text, failed) = installation.query(to, "COMMIT");
    assert!(failed && text.starts_with("Error: COMMIT is not allowed here"), "{text}");
    let look = "SELECT count(*), to_regclass('made') FROM ledger";
    assert_eq!(installation.postgres().execute("shop", look).unwrap().trim(), "1|made");
    server.signal("TERM");
    server.wait();
    let audit = installation.admin(&["audit"]);
    let audit = String::from_utf8_lossy(&audit.stdout);
    for command in ["INSERT", "DELETE", "\"CREATE TABLE\""] {
        let told = format!("change       done    database=shop command={command} by=token:");
        assert!(audit.contains(&told), "{told}: {audit}");
    }
    assert!(audit.contains("change       failed  database_error database=shop command=UPDATE"));
    assert!(!audit.contains("ledger"), "{audit}");
}

#[test]
fn a_token_that_is_read_only_does_not_write_where_others_do() {
    let installation = Installation::new(LEDGER);
    installation.write_config("    allow_writes: true\n");
    let reader = installation.add_token(&["--read-only"]);
    let server = installation.start();
    let arguments = json!({ "query": "DELETE FROM ledger" });
    let params = json!({ "name": "query_database", "arguments": arguments });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = support::Request::mcp(&call).bearer(&reader).send(server.address()).json();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, "Error: DELETE is not allowed here: this connection only reads");
    let kept = installation.postgres().execute("shop", "SELECT count(*) FROM ledger");
    assert_eq!(kept.unwrap().trim(), "1");
}

#[test]
fn rows_that_a_change_returns_are_a_page_and_all_of_it_is_committed() {
    let installation = Installation::new(LEDGER);
    installation.write_config("    allow_writes: true\n");
    let server = installation.start();
    let query = "INSERT INTO ledger SELECT n FROM generate_series(10, 19) AS n RETURNING id";
    let told = ask(&installation, server.address(), &json!({ "query": query, "limit": 2 }));
    assert_eq!(
        told["content"][0]["text"],
        "id\n10\n11\n-- INSERT: 10 rows changed in database shop; of the rows that it returned, \
         the first 2 came"
    );
    let query = "UPDATE ledger SET text = 'x' WHERE id = 1 RETURNING text";
    let told = ask(&installation, server.address(), &json!({ "query": query, "format": "json" }));
    let data = &told["structuredContent"];
    assert_eq!((&data["command"], &data["changed_rows"]), (&json!("UPDATE"), &json!(1)));
    assert_eq!((&data["rows"], &data["truncated"]), (&json!([["x"]]), &json!(false)));
    let query = "CREATE INDEX ON ledger (text)";
    let told = ask(&installation, server.address(), &json!({ "query": query, "format": "json" }));
    assert_eq!(told["structuredContent"]["changed_rows"], Value::Null);
    assert_eq!(
        installation.query(server.address(), "SELECT count(*) FROM ledger").0.lines().nth(1),
        Some("11")
    );
}

#[test]
fn a_change_that_fails_behind_the_rows_that_it_returned_says_that_nothing_was_changed() {
    let installation = Installation::new(
        "CREATE TABLE ledger (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
         GRANT ALL ON ledger TO agent;",
    );
    installation.write_config("    allow_writes: true\n");
    let server = installation.start();
    // Looked at when it is committed: both rows have come by then.
    let query = "INSERT INTO ledger VALUES (7), (7) RETURNING id";
    let last = "-- 2 rows came before the error; nothing was changed";
    let told = ask(&installation, server.address(), &json!({ "query": query }));
    let text = told["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("id\n7\n7\nError 23505: ") && text.ends_with(last), "{text}");
    assert_eq!(told["isError"], true);
    let told = ask(&installation, server.address(), &json!({ "query": query, "format": "json" }));
    let text = told["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Error 23505: ") && text.ends_with(last), "{text}");
    assert_eq!(told["structuredContent"]["rows"], json!([["7"], ["7"]]));
    let kept = installation.postgres().execute("shop", "SELECT count(*) FROM ledger");
    assert_eq!(kept.unwrap().trim(), "0");
}

#[test]
fn a_tool_that_may_destroy_says_so_and_one_that_only_reads_too() {
    let installation = Installation::new(LEDGER);
    let server = installation.start();
    let hints = listed(&installation, server.address())["annotations"].clone();
    assert_eq!((&hints["readOnlyHint"], &hints["destructiveHint"]), (&json!(true), &json!(false)));
    drop(server);
    installation.write_config("    allow_writes: true\n");
    let server = installation.start();
    let hints = listed(&installation, server.address())["annotations"].clone();
    assert_eq!((&hints["readOnlyHint"], &hints["destructiveHint"]), (&json!(false), &json!(true)));
}
