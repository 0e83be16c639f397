//! The operator's tool on credentials in PostgreSQL.

use std::process::Output;

use serde_json::Value;
use support::Installation;

use super::{PASSWORD, by_hand, closes, installed, logs_in, opens, session};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(installation: &Installation, arguments: &[&str]) -> Value {
    let output = installation.admin(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", err(&output)))
}

#[test]
fn accounts_are_made_shown_changed_and_removed() {
    let installation = installed("");
    let add = ["users", "add", "alice", "--note", "Alice", "--email", "a@example.com"];
    let more = ["--role", "operator", "--database", "shop", "--read-only", "--password-stdin"];
    let added = installation.admin_reading(&[&add[..], &more[..]].concat(), PASSWORD);
    assert_eq!(out(&added), "User added: alice\n", "{}", err(&added));
    let again =
        installation.admin_reading(&["users", "add", "ALICE", "--password-stdin"], PASSWORD);
    assert_eq!(err(&again).lines().next(), Some("Error: the name is taken"));
    let shown = out(&installation.admin(&["users", "show", "alice"]));
    for line in [
        "Email: a@example.com",
        "Note: Alice",
        "Status: Enabled",
        "Roles: operator",
        "Databases: shop",
        "Read-only: yes",
        "Password: argon2id, m=8192 t=1 p=1",
        "Sessions: 0",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no {line:?} in {shown}");
    }
    let updated = installation.admin(&["users", "update", "alice", "--note", ""]);
    assert_eq!(out(&updated), "User updated: alice\n");
    assert_eq!(json(&installation, &["users", "list"])["users"][0]["note"], "");
    for (verb, said) in [
        ("disable", "User disabled: alice\n"),
        ("enable", "User enabled: alice\n"),
        ("unlock", "User was not locked: alice\n"),
    ] {
        assert_eq!(out(&installation.admin(&["users", verb, "alice"])), said);
    }
    let deleted = installation.admin(&["users", "delete", "alice", "--yes"]);
    assert_eq!(out(&deleted), "User deleted: alice\n");
    let gone = installation.admin(&["users", "show", "alice"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(err(&gone).starts_with("Error: User not found\n"), "{}", err(&gone));
}

#[test]
fn tokens_are_made_listed_rotated_and_removed_while_a_server_runs() {
    let installation = installed("");
    let server = installation.start();
    let to = server.address();
    let token = installation.add_token(&["--expiry", "30d", "--database", "shop"]);
    assert!(opens(to, &token));
    let listed = out(&installation.admin(&["tokens", "list"]));
    assert!(listed.starts_with("API Tokens:\n===========\n\nID: token-"), "{listed}");
    assert!(listed.contains("Status: Valid") && listed.ends_with("Total tokens: 1\n"), "{listed}");
    let id = installation.newest_id();
    assert!(out(&installation.admin(&["tokens", "show", &id])).contains("Reaches: shop"));
    let rotated = installation.admin(&["tokens", "rotate", &id, "--overlap", "0"]);
    assert!(out(&rotated).starts_with("Token rotated successfully:\nToken: "));
    assert!(closes(to, &token));
    let prefix = &json(&installation, &["tokens", "list"])["tokens"];
    let prefix = prefix.as_array().unwrap().iter().find(|token| token["status"] == "valid");
    let prefix = prefix.unwrap()["hash_prefix"].as_str().unwrap();
    let removed = installation.admin(&["tokens", "remove", &prefix[..8]]);
    assert!(out(&removed).starts_with("Token removed: token-"), "{}", err(&removed));
}

#[test]
fn sessions_are_listed_and_ended_while_a_server_runs() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let server = installation.start();
    let to = server.address();
    let (one, two) = (session(to, "alice", PASSWORD), session(to, "alice", PASSWORD));
    let listed = json(&installation, &["sessions", "list", "alice"]);
    assert_eq!(listed["total"], 2);
    let id = listed["sessions"][0]["id"].as_str().unwrap();
    assert_eq!(out(&installation.admin(&["sessions", "revoke", id])), "Sessions ended: 1\n");
    assert!(closes(to, &one) && opens(to, &two));
    let all = installation.admin(&["sessions", "revoke", "--user", "alice"]);
    assert_eq!(out(&all), "Sessions ended: 1\n");
    assert!(closes(to, &two));
}

#[test]
fn a_file_store_is_brought_over_and_back() {
    let installation = installed("");
    let file = installation.path().join("users.yaml");
    let named = file.to_str().unwrap();
    for name in ["alice", "bob"] {
        let add = ["--user-file", named, "users", "add", name, "--note", "n", "--password-stdin"];
        let added = installation.admin_reading(&add, PASSWORD);
        assert!(added.status.success(), "{}", err(&added));
    }
    let disabled = installation.admin(&["--user-file", named, "users", "disable", "bob"]);
    assert!(disabled.status.success(), "a file that is named is meant");
    let imported = installation.admin(&["users", "import", named]);
    assert_eq!(out(&imported), "Users imported: 2\n", "{}", err(&imported));
    let again = installation.admin(&["users", "import", named]);
    assert_eq!(out(&again), "Users imported: 0\nAlready there: 2\n");
    let server = installation.start();
    assert!(logs_in(server.address(), "alice", PASSWORD));
    assert!(!logs_in(server.address(), "bob", PASSWORD));

    let exported = installation.admin(&["users", "export"]);
    let back = installation.path().join("back.yaml");
    std::fs::write(&back, &exported.stdout).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&back, private).unwrap();
    let listed = |file: &str| {
        let users = json(&installation, &["--user-file", file, "users", "list"]);
        let users = users["users"].as_array().unwrap().clone();
        let told = |user: &Value| (user["username"].clone(), user["status"].clone());
        users.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(listed(back.to_str().unwrap()), listed(named));
}

#[test]
fn the_tables_are_made_looked_at_and_checked() {
    let installation = installed("");
    let status = installation.admin(&["db", "status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(out(&status).contains("Tables: absent\n"), "{}", out(&status));
    assert!(err(&status).contains("hint: mcp-admin db init"));
    assert_eq!(by_hand(&installation, "SELECT to_regclass('public.users') IS NULL"), "t\n");
    let made = installation.admin(&["db", "init"]);
    assert!(out(&made).starts_with("Made the tables of users and tokens: postgresql://keeper@"));
    assert!(err(&made).contains("there is no user yet"), "nobody read a password");
    let again = installation.admin(&["db", "init"]);
    assert!(out(&again).starts_with("The tables were there already: "), "{}", err(&again));
    let status = json(&installation, &["db", "status"]);
    assert_eq!((&status["tables"], &status["users"]), (&"ready".into(), &0.into()));
    let checked = out(&installation.admin(&["check"]));
    assert!(checked.contains("ok    user database    postgresql://keeper@"), "{checked}");
    assert!(checked.contains("warn  user tables      nobody is admin"), "{checked}");
}

#[test]
fn what_a_login_lacks_is_granted_through_a_superuser() {
    let installation = installed("");
    by_hand(&installation, "REVOKE CREATE ON SCHEMA public FROM keeper");
    let refused = installation.admin(&["db", "init"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains(r#"GRANT USAGE, CREATE ON SCHEMA public TO "keeper";"#));
    let superuser = installation.postgres().dsn("postgres");
    let made = installation.admin(&["db", "init", "--as-superuser", &superuser]);
    assert!(out(&made).starts_with("Made the tables"), "{}", err(&made));
}

#[test]
fn a_login_that_may_only_read_is_found_by_check() {
    let installation = installed("");
    assert!(installation.admin(&["db", "init"]).status.success());
    by_hand(
        &installation,
        "CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
    );
    let dsn = installation.postgres().dsn_as("reader", "people");
    installation.write_config(&format!("users:\n  database_dsn: \"{dsn}\"\n"));
    let checked = installation.admin(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    let said = out(&checked);
    assert!(said.contains("the login may not read and write mcp_tokens, user_sessions, users"));
    assert!(said.contains("GRANT SELECT, INSERT, UPDATE, DELETE ON mcp_tokens"), "{said}");
}

#[test]
fn a_database_that_is_down_is_our_failure_with_a_hint_and_no_password() {
    let mut installation = installed("");
    let (host, port) = (installation.postgres().socket_dir(), installation.postgres().port());
    let dsn =
        format!("host={} port={port} user=keeper password=sesame dbname=people", host.display());
    installation.write_config(&format!("users:\n  database_dsn: \"{dsn}\"\n"));
    installation.postgres_mut().stop();
    for command in [["users", "list"], ["tokens", "list"], ["sessions", "list"], ["db", "status"]] {
        let output = installation.admin(&command);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {}", err(&output));
        assert!(err(&output).contains("hint: is the database running"), "{}", err(&output));
        assert!(!err(&output).contains("sesame"));
    }
}

#[test]
fn who_has_a_hash_that_no_server_looks_at_is_named_by_a_list_and_a_check() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let digest = "c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    let bcrypt = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";
    for (name, hash) in [
        ("bounded", format!("$argon2id$v=19$m=262144,t=10,p=8${digest}")),
        ("costly", format!("$2b$31${bcrypt}")),
        ("greedy", format!("$argon2id$v=19$m=1048576,t=3,p=1${digest}")),
        ("pasted", "hunter2".to_owned()),
    ] {
        let sql =
            format!("INSERT INTO users (username, password_hash) VALUES ('{name}', '{hash}')");
        by_hand(&installation, &sql);
    }
    let listed = installation.admin(&["users", "list"]);
    assert!(listed.status.success() && out(&listed).contains("greedy"), "{}", err(&listed));
    let checked = out(&installation.admin(&["check"]));
    for said in [&err(&listed), &checked] {
        for name in ["costly", "greedy", "pasted"] {
            let warned = format!("{name} cannot log in: the password hash ");
            assert!(said.contains(&warned), "{said}");
            let hint = format!("set the password anew: mcp-admin users update {name}");
            assert!(said.contains(&hint), "{said}");
        }
        assert_eq!(said.matches("cannot log in").count(), 3, "{said}");
        assert!(said.contains("bcrypt cost is 31, and must be 4 to 15"), "{said}");
        assert!(!said.contains("hunter2") && !said.contains(&bcrypt[..8]), "{said}");
    }
    installation.set_password("greedy", PASSWORD, &[]);
    let server = installation.start();
    assert!(logs_in(server.address(), "greedy", PASSWORD));
    assert!(!err(&installation.admin(&["users", "list"])).contains("greedy"));
    // Of very many the first are named, and the others counted.
    by_hand(
        &installation,
        "INSERT INTO users (username, password_hash) SELECT 'odd ' || n, 'x' \
         FROM generate_series(1, 30) AS n",
    );
    let checked = out(&installation.admin(&["check"]));
    assert_eq!(checked.matches("cannot log in: the").count(), 10, "{checked}");
    assert!(checked.contains("22 more cannot log in either"), "{checked}");
    let said = err(&installation.admin(&["users", "list"]));
    assert_eq!(said.matches("cannot log in: the").count(), 10, "{said}");
    assert!(said.contains("22 more cannot log in either"), "{said}");
}
