//! What is read of a schema: how much of it is held, for whom, and until when.

use serde_json::json;
use support::{Installation, Request};

#[test]
fn a_schema_larger_than_an_answer_is_cut_between_tables() {
    let installation = Installation::new(
        "DO $$ BEGIN FOR n IN 1..200 LOOP
           EXECUTE format('CREATE TABLE t%s (%s int)', n, repeat('x', 60)); END LOOP; END $$",
    );
    installation.write_config("    max_result_bytes: 2KiB\n");
    let server = installation.start();
    for compact in [true, false] {
        let (text, _) = installation.call_for_text(
            server.address(),
            "get_schema_info",
            &json!({ "compact": compact }),
        );
        assert!(text.len() < 2048 + 200, "{}", text.len());
        assert!(text.contains("cut at the most that one call returns: narrow it"), "{text}");
        assert_eq!(text.matches("public.t").count(), text.matches(" integer").count());
    }
}

#[test]
fn a_schema_of_very_many_columns_is_held_as_far_as_memory_may_be_taken() {
    // Short names and no other text: what they take is not what they say.
    let installation = Installation::new(
        "DO $$ BEGIN FOR n IN 1..20 LOOP
           EXECUTE (SELECT format('CREATE TABLE t%s (%s)', n, string_agg('c' || c || ' int', ', '))
                      FROM generate_series(1, 1600) AS c); END LOOP; END $$",
    );
    let server = installation.start();
    let describe = |arguments: &serde_json::Value| {
        installation.call_for_text(server.address(), "get_schema_info", arguments).0
    };
    let all = describe(&json!({ "compact": true }));
    assert!(all.contains("cut at the most that one call returns: narrow it"), "{}", all.len());
    // Whole tables, or none of them.
    assert!(all.matches("public.t").count() >= 10);
    assert_eq!(all.matches("public.t").count() * 1600, all.matches(" integer").count());
    let one = describe(&json!({ "compact": true, "table_name": "t9" }));
    assert_eq!(one.matches(" integer").count(), 1600);
    assert!(one.ends_with("-- 1 table or view"), "{}", &one[one.len() - 100..]);
}

#[test]
fn what_was_read_of_a_schema_belongs_to_the_credential_that_read_it() {
    let installation = Installation::new(
        "CREATE ROLE clerk; GRANT clerk TO agent; CREATE TABLE t (a int);
         CREATE TABLE of_clerk (a int); REVOKE ALL ON of_clerk FROM agent;
         GRANT SELECT ON of_clerk TO clerk; ALTER ROLE agent NOINHERIT;",
    );
    let clerk = installation.add_token(&["--db-role", "clerk"]);
    let server = installation.start();
    let describe = |token: &str| {
        let params = json!({ "name": "get_schema_info", "arguments": { "compact": true } });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer = Request::mcp(&call).bearer(token).send(server.address()).json();
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    for _ in 0..2 {
        assert!(describe(installation.token()).starts_with("public.t("));
        assert!(describe(&clerk).starts_with("public.of_clerk("));
    }
}

#[test]
fn a_table_that_was_not_there_is_found_as_soon_as_it_is() {
    let installation = Installation::new("");
    let server = installation.start();
    let describe = || {
        let arguments = json!({ "table_name": "late" });
        installation.call_for_text(server.address(), "get_schema_info", &arguments).0
    };
    assert!(describe().starts_with("-- no table"));
    let made = "CREATE TABLE late (a int); GRANT SELECT ON late TO agent";
    installation.postgres().execute("shop", made).unwrap();
    assert!(describe().starts_with("public.late (table"));
}

#[test]
fn a_change_of_the_schema_shows_at_once_under_every_name_of_the_database() {
    let installation = Installation::new(
        "CREATE TABLE early (a int); GRANT SELECT ON early TO agent;
         GRANT CREATE ON SCHEMA public TO agent",
    );
    let again = installation.postgres().socket_dir().display().to_string();
    installation.write_config(&format!(
        "    allow_writes: true\n  - name: again\n    host: {again}\n    database: shop\n    \
         user: agent\n"
    ));
    let reader = installation.add_token(&["--database", "again"]);
    let server = installation.start();
    let describe = || {
        let params = json!({ "name": "get_schema_info", "arguments": { "compact": true } });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer = Request::mcp(&call).bearer(&reader).send(server.address()).json();
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    assert!(describe().starts_with("public.early(a integer)\n-- 1 table"));
    let (text, failed) = installation.query(server.address(), "CREATE TABLE made (a int)");
    assert!(!failed, "{text}");
    assert!(describe().contains("public.made(a integer)"), "{}", describe());
}
