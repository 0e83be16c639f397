//! How results come: as a stream, as much as may be, and with a sentence where that is not all.

use std::io::Read as _;
use std::net::TcpStream;

use serde_json::{Value, json};
use support::{Installation, Request, Response};

/// A function that waits until the test says so, in the middle of a result.
const GATE: &str = "
CREATE TABLE gate (open boolean);
CREATE FUNCTION wait() RETURNS text LANGUAGE plpgsql VOLATILE AS
$$ BEGIN LOOP EXIT WHEN EXISTS (SELECT FROM gate); PERFORM pg_sleep(0.001); END LOOP; RETURN 'open'; END $$;";

fn begin(installation: &Installation, to: std::net::SocketAddr, arguments: &Value) -> TcpStream {
    let params = json!({ "name": "query_database", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    Request::mcp(&message).bearer(installation.token()).begin(to)
}

/// Reads until that much of the answer is there.
fn read_some(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    stream.read_exact(&mut read).unwrap();
    read
}

#[test]
fn the_first_rows_leave_before_postgresql_has_made_the_last_one() {
    for format in ["tsv", "json"] {
        let installation = Installation::new(GATE);
        installation.write_config("    max_rows: 10000\n    max_result_bytes: 10000000\n");
        let server = installation.start();
        let query = "SELECT n, repeat('x', 100) AS pad, CASE n WHEN 9999 THEN wait() END AS gate \
                     FROM generate_series(1, 10000) AS n";
        let arguments = json!({ "query": query, "limit": 10000, "format": format });
        let mut stream = begin(&installation, server.address(), &arguments);
        // The row before the last is not made yet, and most of the others are here.
        let mut answer = read_some(&mut stream, 900_000);
        assert!(!answer.windows(4).any(|window| window == b"open"));
        installation.postgres().execute("shop", "INSERT INTO gate VALUES (true)").unwrap();
        stream.read_to_end(&mut answer).unwrap();
        let answer = Response::parse(&answer).json();
        let result = &answer["result"];
        let said = result["content"][0]["text"].as_str().unwrap().lines().last().unwrap();
        assert_eq!(said, "-- 10000 rows of database shop");
        if format == "json" {
            let data = &result["structuredContent"];
            assert_eq!(data["rows"].as_array().unwrap().len(), 10_000);
            assert_eq!(data["rows"][9_998][2], "open");
            assert_eq!((&data["row_count"], &data["truncated"]), (&json!(10_000), &json!(false)));
        }
    }
}

#[test]
fn an_error_behind_many_rows_says_that_they_are_not_all() {
    let installation = Installation::new("");
    installation.write_config("    max_rows: 10000\n");
    let server = installation.start();
    let query = "SELECT n, 1 / (5000 - n) AS broken FROM generate_series(1, 10000) AS n";
    let ask = |format: &str| {
        let arguments = json!({ "query": query, "limit": 10000, "format": format });
        installation.call(server.address(), "query_database", &arguments)
    };
    let result = ask("tsv");
    let text = result["content"][0]["text"].as_str().unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(result["isError"], true);
    assert_eq!(lines.len(), 1 + 4999 + 2);
    let last = "-- 4999 rows came before the error; there are more";
    assert_eq!(lines[5000..], ["Error 22012: division by zero", last]);
    let result = ask("json");
    let data = &result["structuredContent"];
    assert_eq!(result["isError"], true);
    assert_eq!(data["rows"].as_array().unwrap().len(), 4999);
    let said = (&data["row_count"], &data["truncated"], &data["next_offset"]);
    assert_eq!(said, (&json!(4999), &json!(true), &json!(null)));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(text, format!("Error 22012: division by zero\n{last}"));
    // The connection is as good as new.
    assert!(!installation.query(server.address(), "SELECT 1").1);
}

#[test]
fn an_error_before_the_first_row_is_no_result() {
    let installation = Installation::new("CREATE TYPE mood AS ENUM ('sad')");
    let server = installation.start();
    for query in ["SELECT nonsense", "SELECT 1/0 AS a, 'sad'::mood AS b"] {
        for format in ["tsv", "json"] {
            let arguments = json!({ "query": query, "format": format });
            let result = installation.call(server.address(), "query_database", &arguments);
            assert_eq!(result["isError"], true, "{result}");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.starts_with("Error "), "{text}");
            assert!(!text.contains("--"), "{text}");
        }
    }
}

#[test]
fn a_page_of_data_says_how_to_get_the_next() {
    let installation = Installation::new("CREATE TYPE mood AS ENUM ('sad')");
    let server = installation.start();
    for (value, kind) in [("n", "int4"), ("'sad'::mood", "mood")] {
        let page = |limit: u32, offset: u32| {
            let query = format!("SELECT {value} AS v FROM generate_series(1, 5) AS n ORDER BY n");
            let arguments =
                json!({ "query": query, "limit": limit, "offset": offset, "format": "json" });
            let data = installation.call(server.address(), "query_database", &arguments);
            data["structuredContent"].clone()
        };
        let first = page(2, 0);
        assert_eq!(first["columns"], json!([{ "name": "v", "type": kind }]));
        let said =
            |data: &Value| json!([data["row_count"], data["truncated"], data["next_offset"]]);
        assert_eq!(said(&first), json!([2, true, 2]));
        assert_eq!(said(&page(2, 4)), json!([1, false, null]));
        assert_eq!(said(&page(5, 5)), json!([0, false, null]));
    }
}

#[test]
fn a_result_of_too_many_bytes_is_cut_between_rows_in_both_formats() {
    let installation = Installation::new("");
    installation.write_config("    max_result_bytes: 1KiB\n");
    let server = installation.start();
    let ask = |query: &str, format: &str| {
        let arguments = json!({ "query": query, "format": format });
        installation.call(server.address(), "query_database", &arguments)
    };
    let text = |result: &Value| result["content"][0]["text"].as_str().unwrap().to_owned();
    let many = "SELECT repeat('x', 99) AS a FROM generate_series(1, 50)";
    let result = ask(many, "tsv");
    let last = "-- 10 rows of database shop; cut at 1024 bytes, the most that one call returns; \
                more: offset=10";
    assert_eq!(text(&result).lines().last(), Some(last));
    let result = ask(many, "json");
    let rows = result["structuredContent"]["rows"].as_array().unwrap().len();
    assert!((9..=10).contains(&rows), "{rows}");
    assert_eq!(result["structuredContent"]["next_offset"], rows);
    // Control characters take six bytes of JSON each: the limit is one of what is sent.
    let result = ask("SELECT repeat(E'\\x01', 300) AS a", "json");
    assert_eq!(result["structuredContent"]["rows"], json!([]));
    for format in ["tsv", "json"] {
        let result = ask("SELECT repeat('x', 1024) AS a", format);
        let said = "the first row is larger than the 1024 bytes that one call returns";
        assert!(text(&result).contains(said), "{result}");
        assert!(!text(&result).contains("offset="), "{result}");
        if format == "json" {
            assert_eq!(result["structuredContent"]["truncated"], true);
            assert_eq!(result["structuredContent"]["next_offset"], Value::Null);
        }
    }
}

#[test]
fn a_query_out_of_time_keeps_the_rows_that_came_and_says_how_long_it_may_take() {
    let installation = Installation::new(GATE);
    installation.write_config("    statement_timeout: 300ms\n    max_rows: 10000\n");
    let server = installation.start();
    let query = "SELECT n, CASE n WHEN 4001 THEN wait() END AS gate \
                 FROM generate_series(1, 5000) AS n";
    let arguments = json!({ "query": query, "limit": 10000 });
    let (text, failed) = installation.call_for_text(server.address(), "query_database", &arguments);
    assert!(failed);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 4000 + 3, "{:?}", lines.last());
    assert!(lines[4001].starts_with("Error 57014: "), "{}", lines[4001]);
    let hint = "Hint: a query may run for 300ms; ask for less or use an index";
    let last = "-- 4000 rows came before the error; there are more";
    assert_eq!(lines[4002..], [hint, last]);
}
