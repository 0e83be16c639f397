//! `mcp-admin db harden`: what it prints is tried, on a real PostgreSQL.

use mcp_testdb::Postgres;
use support::Request;

use crate::admin_folder::{Admin, transcript};

const SHOP: &str = r#"
CREATE TABLE orders (id serial PRIMARY KEY, owner text DEFAULT current_user, total numeric);
INSERT INTO orders (total) VALUES (10), (20);
CREATE SCHEMA "odd ""one""";
CREATE TABLE "odd ""one"""."100%\d" (a int);
CREATE FUNCTION run_as_owner() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
GRANT INSERT ON orders TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
"#;

/// A database of its own, and a configuration that logs in to it as `user`.
fn installed(user: &str) -> (Postgres, Admin) {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", "CREATE DATABASE shop").unwrap();
    postgres.execute("shop", SHOP).unwrap();
    let admin = Admin::new();
    configure(&admin, &postgres, user, "");
    (postgres, admin)
}

fn configure(admin: &Admin, postgres: &Postgres, user: &str, more: &str) {
    let url = postgres.dsn_as(user, "shop");
    admin.write(
        "mcp-server.yaml",
        &format!(
            "http:\n  enabled: true\n  address: 127.0.0.1:0\n  auth:\n    token_file: \
             tokens.yaml\n    user_file: users.yaml\ndatabases:\n  - name: shop\n    url: \
             '{url}'\n{more}"
        ),
    );
}

/// What PostgreSQL says to a statement of that role.
fn refused(postgres: &Postgres, role: &str, sql: &str) -> bool {
    let as_role = format!("SET SESSION AUTHORIZATION {role}; {sql}");
    match postgres.execute("shop", &as_role) {
        Ok(_) => false,
        Err(error) => {
            assert!(error.to_string().contains("permission denied"), "{sql}: {error}");
            true
        }
    }
}

#[test]
fn a_hardened_role_reads_and_does_nothing_else() {
    let (postgres, admin) = installed("postgres");
    let script = admin.stdout(&["db", "harden"]);
    postgres.execute("shop", &script).unwrap_or_else(|error| panic!("{error}\n{script}"));
    for sql in [
        "INSERT INTO orders (total) VALUES (1)",
        "CREATE TABLE mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "SELECT pg_sleep(0)",
        "SELECT pg_advisory_lock(1)",
        "SELECT lo_create(0)",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT pg_notify('a', 'b')",
    ] {
        assert!(refused(&postgres, "mcp_reader", sql), "{sql}\n{script}");
    }
    for sql in ["SELECT * FROM orders", r#"SELECT * FROM "odd ""one"""."100%\d""#] {
        assert!(!refused(&postgres, "mcp_reader", sql), "{sql}");
    }
}

#[test]
fn what_was_hardened_needs_nothing_more_and_passes_the_check() {
    let (postgres, admin) = installed("postgres");
    postgres.execute("shop", &admin.stdout(&["db", "harden"])).unwrap();
    configure(&admin, &postgres, "mcp_reader", "");
    postgres.execute("shop", "REVOKE EXECUTE ON FUNCTION run_as_owner FROM PUBLIC").unwrap();
    let again = admin.json(&["db", "harden"]);
    assert_eq!(again["statements"], serde_json::json!([]), "{again}");
    assert!(admin.stdout(&["db", "harden"]).contains("-- There is nothing to do.\n"));
    let checked = admin.transcript(&["check", "--databases"]);
    assert!(checked.contains("ok    database role    shop: mcp_reader is an ordinary role"));
    assert!(!checked.contains("warn  database role"), "{checked}");
}

#[test]
fn a_hardened_role_serves() {
    let (postgres, admin) = installed("postgres");
    postgres.execute("shop", &admin.stdout(&["db", "harden"])).unwrap();
    configure(&admin, &postgres, "mcp_reader", "    db_role: mcp_reader\n");
    let token = admin.stdout(&["tokens", "add", "--note", "", "--expiry", "1d"]);
    let token = token.lines().find_map(|line| line.strip_prefix("Token: ")).unwrap();
    let server = crate::served_folder::serve(&admin);
    let call = serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "query_database",
            "arguments": { "query": "SELECT sum(total) AS total FROM orders" },
        },
    });
    let answer = Request::mcp(&call).bearer(token).send(server.address());
    assert!(answer.text().contains("30"), "{}\n{}", answer.text(), server.log());
}

#[test]
fn an_existing_role_is_only_taken_from() {
    let (postgres, admin) = installed("postgres");
    postgres
        .execute(
            "shop",
            "CREATE ROLE agent LOGIN CREATEROLE; GRANT pg_read_all_data TO agent; \
             GRANT UPDATE (total) ON orders TO agent; GRANT USAGE ON SEQUENCE orders_id_seq TO agent",
        )
        .unwrap();
    configure(&admin, &postgres, "agent", "");
    let script = admin.stdout(&["db", "harden"]);
    assert!(!script.contains("\nGRANT SELECT"), "{script}");
    postgres.execute("shop", &script).unwrap_or_else(|error| panic!("{error}\n{script}"));
    assert!(refused(&postgres, "agent", "UPDATE orders SET total = 0"));
    assert!(refused(&postgres, "agent", "SELECT nextval('orders_id_seq')"));
    assert!(refused(&postgres, "agent", "SELECT * FROM orders"), "it read by pg_read_all_data");
    assert!(refused(&postgres, "agent", "CREATE ROLE another"));
}

#[test]
fn what_an_agent_does_not_need_is_found_by_the_check() {
    let (postgres, admin) = installed("postgres");
    let checked = |admin: &Admin| admin.transcript(&["check", "--databases"]);
    let said = checked(&admin);
    assert!(said.contains("fail  database role    shop: its login or role is superuser"), "{said}");

    postgres
        .execute(
            "shop",
            "CREATE ROLE agent LOGIN; CREATE ROLE other; GRANT other TO agent; \
             CREATE TABLE users (username text, password_hash text); GRANT SELECT ON users TO agent; \
             CREATE TABLE its (a int); ALTER TABLE its OWNER TO agent",
        )
        .unwrap();
    configure(&admin, &postgres, "agent", "    db_role: other\n");
    let said = checked(&admin);
    for line in [
        "ok    database role    shop: agent is an ordinary role\n",
        "warn  database role    shop: agent becomes other by SET ROLE\n",
        "warn  database role    shop: agent may write to public.orders\n",
        "warn  database role    shop: agent may make things in the schema public\n",
        "warn  database role    shop: agent owns public.its\n",
        "warn  database role    shop: agent may execute with its owner's rights \
         public.run_as_owner()\n",
        "warn  database role    shop: agent reads password hashes or sessions in public.users\n",
        "      hint: mcp-admin db harden prints the SQL that takes it away\n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(said.contains("agent may execute, as everybody, pg_catalog."), "{said}");
    let script = admin.stdout(&["db", "harden", "--role", "agent"]);
    postgres.execute("shop", &script).unwrap_or_else(|error| panic!("{error}\n{script}"));
    assert!(refused(&postgres, "agent", "SELECT * FROM users"));
}

#[test]
fn other_roles_keep_what_everybody_had() {
    let (postgres, admin) = installed("postgres");
    postgres
        .execute(
            "shop",
            "CREATE ROLE agent LOGIN; CREATE ROLE application LOGIN; CREATE ROLE second LOGIN; \
             CREATE ROLE its_group; GRANT its_group TO agent; \
             GRANT EXECUTE ON FUNCTION pg_stat_file(text) TO agent",
        )
        .unwrap();
    configure(&admin, &postgres, "agent", "");
    for role in ["agent", "second"] {
        let script = admin.stdout(&["db", "harden", "--role", role]);
        postgres.execute("shop", &script).unwrap_or_else(|error| panic!("{error}\n{script}"));
    }
    for sql in ["SELECT pg_notify('a', 'b')", "SELECT pg_advisory_lock(1)"] {
        assert!(!refused(&postgres, "application", sql), "{sql}");
        assert!(refused(&postgres, "agent", sql) && refused(&postgres, "second", sql), "{sql}");
    }
    for role in ["agent", "application"] {
        assert!(refused(&postgres, role, "SELECT pg_stat_file('PG_VERSION')"), "{role}");
    }
}

#[test]
fn a_name_cannot_add_to_the_script() {
    let (postgres, admin) = installed("postgres");
    postgres
        .execute(
            "shop",
            "CREATE ROLE agent LOGIN;
             CREATE TABLE \"a\nCOMMIT; DROP TABLE orders; --\" (a int);
             CREATE FUNCTION \"b\n\\! touch owned\n\"() RETURNS int LANGUAGE sql SECURITY DEFINER
               AS 'SELECT 1';
             GRANT INSERT ON ALL TABLES IN SCHEMA public TO agent",
        )
        .unwrap();
    configure(&admin, &postgres, "agent", "");
    let script = admin.stdout(&["db", "harden"]);
    assert!(!script.lines().any(|line| line.starts_with("COMMIT; D") || line.starts_with("\\!")));
    // The hostile name is another one in the script: all of it is refused, and nothing happens.
    assert!(postgres.execute("shop", &script).is_err(), "{script}");
    assert_eq!(postgres.execute("shop", "SELECT count(*) FROM orders").unwrap().trim(), "2");
}

#[test]
fn who_asks_for_what_is_not_there_is_told_so() {
    let admin = Admin::new();
    let said = transcript(&admin.run(&["db", "harden", "--database", "nowhere"]));
    assert_eq!(
        said,
        "Error: there is no such database in the configuration\nhint: databases: production, \
         staging\nexit 1"
    );
    let (_postgres, admin) = installed("postgres");
    let said = admin.transcript(&["db", "harden", "--role", "postgres"]);
    assert!(
        said.starts_with("Error: postgres is a superuser: nothing is refused to it\n"),
        "{said}"
    );
}
