//! One statement, one flight.

use std::time::Duration;

use mcp_connect::{
    Completed, Connection, SessionSettings, Target, Transaction, WireError, type_name,
};
use mcp_testdb::Postgres;

use crate::support::{
    Proxy, cancelled, connect, connect_with, connected, rows, run, sqlstate, tags, value,
};

const READ: Transaction = Transaction::ReadOnly;
const WRITE: Transaction = Transaction::ReadWrite;

#[tokio::test]
async fn a_statement_is_one_write_with_one_end() {
    let server = Postgres::for_tests().unwrap();
    let proxy = Proxy::new(&server);
    let mut connection =
        Connection::connect(&proxy.target(), &SessionSettings::default()).await.unwrap();
    let said = proxy.take();
    assert_eq!(said.len(), 2, "a startup packet and one flight of preparation");
    assert_eq!(tags(&said[1]), "PBES");

    for transaction in [READ, WRITE] {
        let sql = "SELECT $1::int + n FROM generate_series(1, 500) AS n";
        assert_eq!(run(&mut connection, transaction, sql, &[Some("1")]).await.unwrap().len(), 500);
        let said = proxy.take();
        assert_eq!(said.len(), 1, "one round trip");
        assert_eq!(tags(&said[0]), "PBEPBDEPBEF");
    }
}

#[tokio::test]
async fn an_error_costs_one_more_flight_with_a_rollback() {
    let server = Postgres::for_tests().unwrap();
    let proxy = Proxy::new(&server);
    let mut connection =
        Connection::connect(&proxy.target(), &SessionSettings::default()).await.unwrap();
    proxy.take();
    rows(&mut connection, "SELECT 1/0").await.unwrap_err();
    let flights: Vec<_> = proxy.take().iter().map(|flight| tags(flight)).collect();
    assert_eq!(flights, ["PBEPBDEPBEF", "SPBEF"]);
}

#[tokio::test]
async fn values_come_in_the_text_form_of_their_type() {
    let (server, mut connection) = connected().await;
    server.execute("postgres", "CREATE TYPE mood AS ENUM ('sad', 'ok')").unwrap();
    let sql = "SELECT 1::int4, 'x'::text, NULL::text, '', 12345678901234567890.123456789::numeric, \
               'ok'::mood, ARRAY[1, NULL, 3], '{\"a\": 1}'::jsonb, '\\x00ff'::bytea, true, \
               int4range(1, 5), ROW(1, 'two words'), '10.0.0.0/8'::inet, '1 day 2:03'::interval";
    let mut running = connection.start(READ, sql, &[]).await.unwrap();
    let types: Vec<_> = running.columns().iter().map(|column| type_name(column.type_oid)).collect();
    assert_eq!(types[..3], [Some("int4"), Some("text"), Some("text")]);
    assert_eq!(types[5], None, "an enum is nobody's built-in type");
    assert_eq!(types[6], Some("_int4"));
    let row = running.next().await.unwrap().unwrap();
    let values: Vec<_> = row.iter().collect();
    let expected = [
        Some("1"),
        Some("x"),
        None,
        Some(""),
        Some("12345678901234567890.123456789"),
        Some("ok"),
        Some("{1,NULL,3}"),
        Some("{\"a\": 1}"),
        Some("\\x00ff"),
        Some("t"),
        Some("[1,5)"),
        Some("(1,\"two words\")"),
        Some("10.0.0.0/8"),
        Some("1 day 02:03:00"),
    ];
    assert_eq!(values, expected);
    assert_eq!((row.len(), row.get(99)), (14, None));
    running.finish().await.unwrap();
}

#[tokio::test]
async fn an_enum_column_of_a_thousand_rows_comes_through() {
    let (server, mut connection) = connected().await;
    let setup = "CREATE TYPE mood AS ENUM ('sad', 'ok');
                 CREATE TABLE moods AS SELECT 'ok'::mood AS mood FROM generate_series(1, 1000)";
    server.execute("postgres", setup).unwrap();
    let rows = rows(&mut connection, "SELECT mood FROM moods").await.unwrap();
    assert_eq!(rows.len(), 1000);
    assert!(rows.iter().all(|row| row == &["ok"]));
}

#[tokio::test]
async fn rows_of_any_size_come_whole_and_in_order() {
    let (_server, mut connection) = connected().await;
    let sql = "SELECT n, repeat('ä', n) FROM unnest(ARRAY[1, 40000, 2, 3000000, 3, 16000]) AS n";
    for _ in 0..2 {
        let rows = rows(&mut connection, sql).await.unwrap();
        let sizes: Vec<_> = rows.iter().map(|row| row[1].chars().count().to_string()).collect();
        assert_eq!(sizes, rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>());
    }
    let many = rows(&mut connection, "SELECT generate_series(1, 50000)").await.unwrap();
    assert!(many.iter().zip(1..).all(|(row, n): (_, u32)| row[0] == n.to_string()));
}

#[tokio::test]
async fn parameters_are_text_or_null() {
    let (_server, mut connection) = connected().await;
    let sql = "SELECT $1::int + 1, $2 || '!', $3::text IS NULL";
    let params = [Some("41"), Some("it's; \\ ok"), None];
    let found = run(&mut connection, READ, sql, &params).await.unwrap();
    assert_eq!(found, [["42", "it's; \\ ok!", "t"]]);
}

#[tokio::test]
async fn statements_without_rows_or_columns_or_text_come_to_an_end() {
    let (_server, mut connection) = connected().await;
    for (sql, tag, rows) in [
        ("SELECT FROM generate_series(1, 3)", "SELECT 3", 3),
        ("SELECT 1 WHERE false", "SELECT 0", 0),
        ("SET LOCAL work_mem = '1MB'", "SET", 0),
        ("", "", 0),
    ] {
        let running = connection.start(READ, sql, &[]).await.unwrap();
        let expected = Completed { tag: tag.into(), rows };
        assert_eq!(running.finish().await.unwrap(), expected, "{sql}");
        assert!(connection.is_usable(), "{sql}");
    }
}

#[tokio::test]
async fn two_statements_in_one_text_are_refused() {
    let (_server, mut connection) = connected().await;
    let error = rows(&mut connection, "COMMIT; CREATE TABLE t (n int)").await.unwrap_err();
    assert_eq!(sqlstate(&error), "42601");
    assert!(connection.is_usable());
}

#[tokio::test]
async fn an_error_is_told_in_full_and_leaves_the_connection_usable() {
    let (_server, mut connection) = connected().await;
    let error = rows(&mut connection, "SELECT nam FROM pg_am AS a(name)").await.unwrap_err();
    let WireError::Database(error) = error else { panic!("{error}") };
    assert_eq!((error.sqlstate.as_str(), error.severity.as_str()), ("42703", "ERROR"));
    assert_eq!(error.message, "column \"nam\" does not exist");
    assert_eq!(error.position, Some(8));
    assert!(error.hint.unwrap().contains("a.name"));
    assert!(connection.is_usable());
    assert_eq!(value(&mut connection, "SELECT 1").await, "1");
}

#[tokio::test]
async fn an_error_behind_the_first_rows_comes_after_them() {
    let (_server, mut connection) = connected().await;
    let sql = "SELECT 10 / (3 - n) FROM generate_series(1, 5) AS n";
    let mut running = connection.start(READ, sql, &[]).await.unwrap();
    assert_eq!(running.next().await.unwrap().unwrap().get(0), Some("5"));
    assert_eq!(running.next().await.unwrap().unwrap().get(0), Some("10"));
    assert_eq!(sqlstate(&running.next().await.unwrap_err()), "22012");
    assert!(matches!(running.next().await, Err(WireError::Closed)), "it has ended");
    drop(running);
    assert_eq!(value(&mut connection, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_read_cannot_write_whatever_ran_before_it() {
    let (server, mut connection) = connected().await;
    server.execute("postgres", "CREATE TABLE t (n int)").unwrap();
    let escapes = ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "SET TRANSACTION READ WRITE", "BEGIN"];
    for escape in escapes {
        let _ = rows(&mut connection, escape).await;
        assert!(connection.is_usable(), "{escape}");
        let error = rows(&mut connection, "INSERT INTO t VALUES (1)").await.unwrap_err();
        assert_eq!(sqlstate(&error), "25006", "after {escape}");
    }
    assert_eq!(server.execute("postgres", "SELECT count(*) FROM t").unwrap(), "0\n");
}

#[tokio::test]
async fn what_a_read_sets_is_gone_after_it() {
    let (_server, mut connection) = connected().await;
    rows(&mut connection, "SELECT set_config('statement_timeout', '7', false)").await.unwrap();
    assert_eq!(value(&mut connection, "SHOW statement_timeout").await, "0");
    rows(&mut connection, "SET ROLE pg_monitor").await.unwrap();
    assert_eq!(value(&mut connection, "SELECT current_user").await, "postgres");
}

#[tokio::test]
async fn a_write_commits_and_one_that_fails_does_not() {
    let (server, mut connection) = connected().await;
    run(&mut connection, WRITE, "CREATE TABLE t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)", &[])
        .await
        .unwrap();
    let insert = "INSERT INTO t SELECT generate_series(1, $1::int) RETURNING n";
    let mut running = connection.start(WRITE, insert, &[Some("2")]).await.unwrap();
    assert_eq!(running.completed(), None);
    while running.next().await.unwrap().is_some() {}
    assert_eq!(running.completed(), Some(&Completed { tag: "INSERT 0 2".into(), rows: 2 }));
    drop(running);
    assert!(connection.is_usable(), "nothing is left to read");

    // The constraint is checked by the COMMIT, long after the rows.
    let error = run(&mut connection, WRITE, insert, &[Some("1")]).await.unwrap_err();
    assert_eq!(sqlstate(&error), "23505");
    let error = run(&mut connection, WRITE, "INSERT INTO t SELECT 1/0", &[]).await.unwrap_err();
    assert_eq!(sqlstate(&error), "22012");
    assert!(connection.is_usable());
    assert_eq!(server.execute("postgres", "SELECT count(*) FROM t").unwrap(), "2\n");
}

#[tokio::test]
async fn a_statement_dropped_midway_leaves_the_connection_unusable() {
    let (server, mut connection) = connected().await;
    let mut running =
        connection.start(READ, "SELECT generate_series(1, 100000)", &[]).await.unwrap();
    running.next().await.unwrap();
    drop(running);
    assert!(!connection.is_usable());
    assert!(matches!(rows(&mut connection, "SELECT 1").await, Err(WireError::Closed)));

    let mut connection = connect(&server).await;
    tokio::select! {
        biased;
        _ = connection.start(READ, "SELECT pg_sleep(60)", &[]) => panic!("it slept too fast"),
        () = async {} => {}
    }
    let sleeping = connection.start(READ, "SELECT pg_sleep(60)", &[]);
    let dropped = tokio::time::timeout(Duration::from_millis(1), sleeping).await;
    assert!(!matches!(dropped, Ok(Ok(_))));
    drop(dropped);
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_cancelled_statement_ends_and_its_connection_is_never_used_again() {
    let (server, mut connection) = connected().await;
    let error = cancelled(&server, &mut connection).await;
    assert_eq!(sqlstate(&error), "57014");
    assert!(!connection.is_usable());
    assert!(matches!(rows(&mut connection, "SELECT 1").await, Err(WireError::Closed)));
}

#[tokio::test]
async fn a_cancel_of_an_idle_connection_makes_it_unusable_too() {
    let (_server, mut connection) = connected().await;
    assert_eq!(value(&mut connection, "SELECT 1").await, "1");
    connection.cancel_handle().cancel().await.unwrap();
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn the_backend_is_the_one_that_it_says() {
    let (server, mut connection) = connected().await;
    let pid = connection.backend_pid().to_string();
    assert_eq!(value(&mut connection, "SELECT pg_backend_pid()").await, pid);

    // Terminated while idle: the socket says so, and the statement that is not asked says why.
    server.execute("postgres", &format!("SELECT pg_terminate_backend({pid}, 5000)")).unwrap();
    assert!(!connection.is_usable());
    let error = rows(&mut connection, "SELECT 1").await.unwrap_err();
    assert!(matches!(&error, WireError::Protocol(_) | WireError::Io(_) | WireError::Database(_)));
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_server_that_stops_makes_its_connections_unusable() {
    let (mut server, connection) = connected().await;
    assert!(connection.is_usable());
    server.stop();
    assert!(!connection.is_usable());
    server.resume().unwrap();
    assert!(connect(&server).await.is_usable());
}

#[tokio::test]
async fn copy_is_refused_and_ends_the_connection() {
    let server = Postgres::for_tests().unwrap();
    server.execute("postgres", "CREATE TABLE t (n int)").unwrap();
    for copy in ["COPY t TO STDOUT", "COPY t FROM STDIN"] {
        let mut connection = connect(&server).await;
        let error = run(&mut connection, WRITE, copy, &[]).await.unwrap_err();
        assert!(matches!(error, WireError::Protocol(_)), "{copy}: {error}");
        assert!(!connection.is_usable(), "{copy}");
    }
}

#[tokio::test]
async fn a_function_that_runs_sql_cannot_replace_what_stands_around_a_statement() {
    let (server, mut connection) = connected().await;
    let fixture = "CREATE TABLE victim (a int);
        CREATE FUNCTION run(text) RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE $1; RETURN 'done'; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$";
    server.execute("postgres", fixture).unwrap();
    let names = "SELECT count(*) FROM pg_prepared_statements";
    assert_eq!(value(&mut connection, names).await, "0", "there is nothing to replace");
    for attempt in [
        "SELECT run('DEALLOCATE ALL')",
        "SELECT run('PREPARE \"\" AS SELECT 1')",
        "SELECT run('PREPARE mcp_begin_read AS SELECT 1 WHERE false')",
        "SELECT run('SET transaction_read_only = off')",
        "SELECT run('INSERT INTO victim VALUES (1)')",
    ] {
        let _ = rows(&mut connection, attempt).await;
    }
    assert_eq!(value(&mut connection, "SHOW transaction_read_only").await, "on");
    assert_eq!(server.execute("postgres", "SELECT count(*) FROM victim").unwrap(), "0\n");
}

#[tokio::test]
async fn advisory_locks_that_a_function_takes_are_given_back_with_the_statement() {
    let (server, mut connection) = connected().await;
    let fixture = "CREATE FUNCTION hold(n int) RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_lock(n); PERFORM pg_advisory_lock_shared(n, n); RETURN 1/n; END $$";
    server.execute("postgres", fixture).unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    for transaction in [READ, WRITE] {
        run(&mut connection, transaction, "SELECT hold(7)", &[]).await.unwrap();
        assert_eq!(server.execute("postgres", held).unwrap(), "0\n", "{transaction:?}");
        // In a statement that fails, too.
        let failed = run(&mut connection, transaction, "SELECT hold(0)", &[]).await;
        assert_eq!(sqlstate(&failed.unwrap_err()), "22012");
        assert!(connection.is_usable());
        assert_eq!(server.execute("postgres", held).unwrap(), "0\n", "{transaction:?}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_give_locks_back_still_reads() {
    let server = Postgres::for_tests().unwrap();
    let harden = "CREATE ROLE plain LOGIN;
        REVOKE EXECUTE ON FUNCTION pg_advisory_unlock_all() FROM PUBLIC";
    server.execute("postgres", harden).unwrap();
    let target = Target::parse(&server.dsn_as("plain", "postgres")).unwrap();
    let mut connection = Connection::connect(&target, &SessionSettings::default()).await.unwrap();
    assert_eq!(value(&mut connection, "SELECT 1").await, "1");
    rows(&mut connection, "SELECT 1/0").await.unwrap_err();
    assert_eq!(value(&mut connection, "SELECT 1").await, "1");
    assert!(connection.is_usable());
}

#[tokio::test]
async fn a_login_that_may_do_more_than_sql_is_known_as_such() {
    let (server, connection) = connected().await;
    assert!(connection.is_privileged(), "the superuser");
    server.execute("postgres", "CREATE ROLE plain LOGIN; CREATE ROLE reads LOGIN").unwrap();
    server.execute("postgres", "GRANT pg_read_server_files TO reads").unwrap();
    for (user, privileged) in [("plain", false), ("reads", true)] {
        let target = Target::parse(&server.dsn_as(user, "postgres")).unwrap();
        let connection = Connection::connect(&target, &SessionSettings::default()).await.unwrap();
        assert_eq!(connection.is_privileged(), privileged, "{user}");
    }
}

#[tokio::test]
async fn what_the_server_says_by_itself_is_skipped() {
    let (_server, mut connection) = connected().await;
    let noise = "DO $$ BEGIN
        FOR n IN 1..100 LOOP RAISE NOTICE 'notice %', n; END LOOP;
        PERFORM set_config('TimeZone', 'Asia/Tokyo', false);
        PERFORM pg_notify('here', 'now');
    END $$";
    run(&mut connection, WRITE, "LISTEN here", &[]).await.unwrap();
    run(&mut connection, WRITE, noise, &[]).await.unwrap();
    assert_eq!(value(&mut connection, "SHOW TimeZone").await, "Asia/Tokyo");
}

#[tokio::test]
async fn a_connection_on_which_texts_are_read_otherwise_is_not_used_again() {
    let server = Postgres::for_tests().unwrap();
    for (setting, value) in [("standard_conforming_strings", "off"), ("client_encoding", "SJIS")] {
        let mut connection = connect(&server).await;
        let sql = format!("SELECT set_config('{setting}', '{value}', false)");
        // A ROLLBACK takes it back, a COMMIT keeps it.
        run(&mut connection, READ, &sql, &[]).await.unwrap();
        assert!(connection.is_usable(), "{setting}");
        run(&mut connection, WRITE, &sql, &[]).await.unwrap();
        assert!(!connection.is_usable(), "{setting}");
        let refused = rows(&mut connection, "SELECT 1").await.unwrap_err();
        assert!(matches!(refused, WireError::Closed), "{setting}: {refused}");
    }
}

#[tokio::test]
async fn a_row_over_the_cap_is_refused_before_it_is_read() {
    let (_server, mut connection) = connected().await;
    connection.set_max_message_bytes(10_000);
    assert_eq!(value(&mut connection, "SELECT repeat('x', 9000)").await.len(), 9000);
    let error = rows(&mut connection, "SELECT repeat('x', 20000)").await.unwrap_err();
    assert!(matches!(error, WireError::TooLarge { bytes: 20011, limit: 10_000 }), "{error}");
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let (_server, mut connection) = connected().await;
    let error = rows(&mut connection, "SELECT 1\0, 2").await.unwrap_err();
    assert!(matches!(error, WireError::Unsendable(_)), "{error}");
    let many = vec![None; 70_000];
    let error = run(&mut connection, READ, "SELECT 1", &many).await.unwrap_err();
    assert!(matches!(error, WireError::Unsendable(_)), "{error}");
    assert!(connection.is_usable());
    assert_eq!(value(&mut connection, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_session_is_pinned_with_every_character_of_its_values() {
    let server = Postgres::for_tests().unwrap();
    server.execute("postgres", "CREATE ROLE \"rea der\"; GRANT \"rea der\" TO postgres").unwrap();
    let settings = [
        ("statement_timeout", "12345"),
        ("DateStyle", "ISO, YMD"),
        ("mcp.hostile", "x -c role=boss\\ \t\n'\"; --=$"),
        ("mcp.empty", ""),
        ("mcp.username", "Zoë 🦀"),
    ];
    let session = SessionSettings {
        application_name: "mcp-server/token:one two".into(),
        settings: settings.map(|(name, value)| (name.into(), value.into())).to_vec(),
        role: Some("rea der".into()),
    };
    let mut connection = connect_with(&server, &session).await;
    for (name, wanted) in settings {
        let sql = format!("SELECT current_setting('{name}')");
        let wanted = if name == "statement_timeout" { "12345ms" } else { wanted };
        assert_eq!(value(&mut connection, &sql).await, wanted, "{name}");
    }
    let name = value(&mut connection, "SHOW application_name").await;
    assert_eq!(name, "mcp-server/token:one two");
    assert_eq!(value(&mut connection, "SELECT current_user").await, "rea der");
    assert_eq!(value(&mut connection, "SELECT session_user").await, "postgres");
    // They are the session's defaults, so that even RESET comes back to them.
    let sql = "SELECT reset_val FROM pg_settings WHERE name = 'statement_timeout'";
    assert_eq!(value(&mut connection, sql).await, "12345");
}
