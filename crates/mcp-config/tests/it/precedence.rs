use std::path::Path;
use std::time::Duration;

use mcp_config::{LogFormat, LogLevel, Origin, SslMode};

use crate::Setup;

#[test]
fn a_flag_wins_over_the_environment_the_environment_over_the_file_the_file_over_the_default() {
    let mut setup = Setup::new();
    let level = |setup: &Setup| {
        let loaded = setup.load();
        (loaded.config.log.level, loaded.origins.get("log.level").unwrap().clone())
    };
    assert_eq!(level(&setup), (LogLevel::Info, Origin::Default));

    let path = setup.write("mcp-server.yaml", "\nlog:\n  level: warn\n");
    setup.sources.file = Some(path.clone());
    assert_eq!(level(&setup), (LogLevel::Warn, Origin::File { path, line: Some(3) }));

    setup.set(&[("MCP_LOG_LEVEL", "error")]);
    assert_eq!(level(&setup), (LogLevel::Error, Origin::Environment("MCP_LOG_LEVEL".into())));

    setup.flag("log.level", "debug");
    assert_eq!(level(&setup), (LogLevel::Debug, Origin::Flag("--log-level")));
}

#[test]
fn authentication_is_on_unless_somebody_turns_it_off() {
    for text in ["", "http:\n", "http:\n  auth:\n", "http:\n  auth:\n    enabled:\n", "http: {}\n"]
    {
        assert!(Setup::yaml(text).load().config.http.auth.enabled, "{text:?}");
    }
    assert!(Setup::environment(&[("PGEDGE_AUTH_ENABLED", "")]).load().config.http.auth.enabled);
    assert!(!Setup::yaml("http: {auth: {enabled: false}}\n").load().config.http.auth.enabled);
    let mut no_auth = Setup::yaml("http: {auth: {enabled: true}}\n");
    no_auth.flag("http.auth.enabled", "false");
    assert!(!no_auth.load().config.http.auth.enabled);
}

#[test]
fn without_any_source_the_documented_defaults_hold() {
    let config = Setup::new().load().config;
    assert!(!config.http.enabled);
    assert_eq!(config.http.address, "127.0.0.1:8080");
    assert!(config.http.listen_address().unwrap().is_loopback());
    assert_eq!(config.http.public_url, "http://localhost:8080");
    assert_eq!(config.http.auth.token_file, Path::new("/opt/mcp/mcp-server-tokens.yaml"));
    assert_eq!(config.http.auth.user_file, Path::new("/opt/mcp/mcp-server-users.yaml"));
    assert_eq!(config.http.auth.max_failed_attempts_before_lockout, 0);
    let limits = config.http.limits;
    assert_eq!((limits.max_connections, limits.max_body_bytes), (1024, 1 << 20));
    assert_eq!(limits.header_timeout, Duration::from_secs(10));
    assert_eq!(limits.idle_timeout, Duration::from_mins(2));
    assert_eq!(config.state.directory, Path::new("/opt/mcp"));
    assert_eq!(config.log.format, LogFormat::Auto);

    let [database] = &config.databases[..] else { panic!("one database") };
    assert_eq!(database.name.as_str(), "default");
    assert_eq!(database.host.as_deref(), Some("localhost"));
    assert_eq!(database.port, Some(5432));
    assert_eq!(database.database.as_deref(), Some("postgres"));
    assert_eq!(database.user.as_deref(), Some("postgres"));
    assert_eq!(database.sslmode, Some(SslMode::Prefer));
    assert!(!database.allow_writes && !database.allow_superuser);
    assert_eq!(database.available_to_users, None);
    assert_eq!((database.max_rows, database.max_result_bytes), (1000, 1 << 20));
    assert_eq!((database.connections_per_principal, database.connections_total), (4, 50));
    assert_eq!(database.pool_idle, Duration::from_mins(30));
}

#[test]
fn values_that_follow_from_others_follow_what_was_said() {
    let mut setup = Setup::yaml("http:\n  auth:\n    user_file: users/u.yaml\n");
    setup.flag("http.address", ":9443");
    setup.flag("http.tls.enabled", "true");
    setup.flag("http.tls.cert_file", "c.pem");
    setup.flag("http.tls.key_file", "k.pem");
    let config = setup.load().config;
    assert_eq!(config.http.public_url, "https://localhost:9443");
    assert_eq!(config.state.directory, setup.folder.path().join("users"));
    assert_eq!(config.http.listen_address().unwrap().host, None);
}

#[test]
fn the_state_directory_of_systemd_is_weaker_than_the_file() {
    let mut setup = Setup::environment(&[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")]);
    let loaded = setup.load();
    assert_eq!(loaded.config.state.directory, Path::new("/var/lib/a"));
    let origin = Origin::Environment("STATE_DIRECTORY".into());
    assert_eq!(loaded.origins.get("state.directory"), Some(&origin));

    setup.sources.file = Some(setup.write("mcp-server.yaml", "state: {directory: /srv/state}\n"));
    assert_eq!(setup.load().config.state.directory, Path::new("/srv/state"));
}
