//! Hosts, passwords, roles.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use mcp_connect::{ConnectError, Connection, Host, HostAddress, Secret, SessionSettings, Target};
use mcp_connect::{TargetSessionAttrs, Transaction};
use mcp_testdb::{Options, Postgres};
use tokio::net::TcpListener;

use crate::support::{PASSWORD, run, tcp_server, tcp_target, value};

async fn refused(target: &Target, session: &SessionSettings) -> ConnectError {
    let error = Connection::connect(target, session).await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(!told.contains(PASSWORD), "{told}");
    error
}

fn loopback(port: u16) -> Host {
    Host { address: HostAddress::Tcp("127.0.0.1".into()), port }
}

fn sqlstate(error: &ConnectError) -> &str {
    &error.database_error().unwrap_or_else(|| panic!("{error}")).sqlstate
}

#[tokio::test]
async fn a_password_opens_a_tcp_connection_by_scram() {
    let server = tcp_server();
    let mut connection =
        Connection::connect(&tcp_target(&server), &SessionSettings::default()).await.unwrap();
    assert!(!connection.is_tls());
    assert_eq!(value(&mut connection, "SELECT host(inet_server_addr())").await, "127.0.0.1");
    assert!(connection.is_usable());
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_a_missing_one_is_named() {
    let server = tcp_server();
    let mut target = tcp_target(&server);
    target.password = Some(Secret::new(format!("{PASSWORD}!")));
    assert_eq!(sqlstate(&refused(&target, &SessionSettings::default()).await), "28P01");
    target.password = None;
    let error = refused(&target, &SessionSettings::default()).await;
    assert!(matches!(error, ConnectError::Authentication { .. }), "{error}");
    assert!(error.to_string().contains("password missing"), "{error}");
}

#[tokio::test]
async fn a_password_is_found_in_a_private_file_only() {
    let server = tcp_server();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pgpass");
    let mut target = tcp_target(&server);
    target.password = None;
    target.passfile = Some(path.clone());
    let line = format!("127.0.0.1:{}:*:postgres:{PASSWORD}\n", server.port());

    let error = refused(&target, &SessionSettings::default()).await;
    assert!(error.to_string().contains("password missing"), "no file is no error: {error}");
    fs::write(&path, line).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = refused(&target, &SessionSettings::default()).await;
    assert!(matches!(error, ConnectError::PassFile(_)), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Connection::connect(&target, &SessionSettings::default()).await.unwrap();
}

#[tokio::test]
async fn a_role_that_is_not_there_or_means_the_login_is_refused() {
    let server = Postgres::for_tests().unwrap();
    let target = Target::parse(&server.dsn("postgres")).unwrap();
    let role =
        |role: &str| SessionSettings { role: Some(role.into()), ..SessionSettings::default() };
    assert_eq!(sqlstate(&refused(&target, &role("nobody_here")).await), "22023");
    for disguise in ["none", ""] {
        let error = refused(&target, &role(disguise)).await;
        assert!(matches!(error, ConnectError::SessionSettings(_)), "{error}");
    }
    let odd = vec![("a=b -c x".to_owned(), String::new())];
    let error =
        refused(&target, &SessionSettings { settings: odd, ..SessionSettings::default() }).await;
    assert!(matches!(error, ConnectError::SessionSettings(_)), "{error}");
}

#[tokio::test]
async fn hosts_are_tried_in_order_until_one_answers() {
    let server = tcp_server();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = free.local_addr().unwrap().port();
    drop(free);
    // Takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut target = tcp_target(&server);
    target.hosts = vec![
        loopback(dead),
        loopback(silent.local_addr().unwrap().port()),
        loopback(server.port()),
    ];
    target.connect_timeout = Duration::from_millis(300);
    let mut connection = Connection::connect(&target, &SessionSettings::default()).await.unwrap();
    let port = value(&mut connection, "SELECT inet_server_port()").await;
    assert_eq!(port, server.port().to_string());

    target.hosts.pop();
    let error = refused(&target, &SessionSettings::default()).await;
    let ConnectError::NoHost(errors) = &error else { panic!("{error}") };
    assert!(matches!(errors[0], ConnectError::Io { .. }), "{error}");
    assert!(matches!(errors[1], ConnectError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_refused_password_is_not_tried_on_the_next_host() {
    let server = tcp_server();
    let never = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut target = tcp_target(&server);
    target.password = Some(Secret::new("wrong".into()));
    target.hosts.push(loopback(never.local_addr().unwrap().port()));
    assert_eq!(sqlstate(&refused(&target, &SessionSettings::default()).await), "28P01");
}

#[tokio::test]
async fn a_server_of_the_wrong_kind_is_passed_over() {
    let writable = Postgres::for_tests().unwrap();
    let settings = vec![("default_transaction_read_only".to_owned(), "on".to_owned())];
    let read_only = Postgres::for_tests_with(Options { tcp: None, settings }).unwrap();
    let host = |server: &Postgres| Host {
        address: HostAddress::Unix(server.socket_dir()),
        port: server.port(),
    };
    let mut target = Target::parse(&writable.dsn("postgres")).unwrap();
    target.hosts = vec![host(&read_only), host(&writable)];
    let shown = "SHOW default_transaction_read_only";
    for (wanted, expected) in [
        (TargetSessionAttrs::Any, "on"),
        (TargetSessionAttrs::ReadOnly, "on"),
        (TargetSessionAttrs::ReadWrite, "off"),
        (TargetSessionAttrs::Primary, "on"),
        (TargetSessionAttrs::PreferStandby, "on"),
    ] {
        target.target_session_attrs = wanted;
        let mut connection =
            Connection::connect(&target, &SessionSettings::default()).await.unwrap();
        assert_eq!(value(&mut connection, shown).await, expected, "{wanted:?}");
    }
    target.target_session_attrs = TargetSessionAttrs::Standby;
    let error = refused(&target, &SessionSettings::default()).await;
    assert!(error.to_string().contains("not standby"), "{error}");

    // Our own read-only sessions still find the primary.
    target.target_session_attrs = TargetSessionAttrs::ReadWrite;
    let settings = vec![("default_transaction_read_only".to_owned(), "on".to_owned())];
    let session = SessionSettings { settings, ..SessionSettings::default() };
    let mut connection = Connection::connect(&target, &session).await.unwrap();
    let error = run(&mut connection, Transaction::ReadWrite, "CREATE TABLE t (n int)", &[]).await;
    assert_eq!(crate::support::sqlstate(&error.unwrap_err()), "25006");
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error_until_it_returns() {
    let mut server = Postgres::for_tests().unwrap();
    let target = Target::parse(&server.dsn("postgres")).unwrap();
    server.stop();
    let error = refused(&target, &SessionSettings::default()).await;
    assert!(matches!(error, ConnectError::Io { .. }), "{error}");
    server.resume().unwrap();
    Connection::connect(&target, &SessionSettings::default()).await.unwrap();
}

#[tokio::test]
async fn the_options_of_a_target_stand_behind_those_of_the_session() {
    let server = Postgres::for_tests().unwrap();
    let dsn = format!("{}&options=-c%20geqo%3Doff%20-c%20work_mem%3D1MB", server.dsn("postgres"));
    let target = Target::parse(&format!("{dsn}&application_name=psql")).unwrap();
    let settings = vec![("work_mem".to_owned(), "2MB".to_owned())];
    let session = SessionSettings { settings, ..SessionSettings::default() };
    let mut connection = Connection::connect(&target, &session).await.unwrap();
    assert_eq!(value(&mut connection, "SHOW geqo").await, "off");
    assert_eq!(value(&mut connection, "SHOW work_mem").await, "2MB");
    assert_eq!(value(&mut connection, "SHOW application_name").await, "psql");
}
