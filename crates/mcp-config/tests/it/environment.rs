use mcp_config::{Fault, Loaded};

use crate::Setup;

/// What `config show` says about a key.
fn shown(loaded: &Loaded, key: &str) -> String {
    let lines = mcp_config::show(loaded);
    lines.into_iter().find(|line| line.key == key).unwrap_or_else(|| panic!("{key}")).value
}

#[test]
fn every_name_works_as_printed() {
    for (name, value, key, in_force) in [
        ("MCP_HTTP_ENABLED", "yes", "http.enabled", "true"),
        ("MCP_HTTP_ADDRESS", ":9000", "http.address", ":9000"),
        ("APP_URL", "https://mcp.example.com", "http.public_url", "https://mcp.example.com"),
        (
            "MCP_HTTP_PUBLIC_URL",
            "http://localhost:3000",
            "http.public_url",
            "http://localhost:3000",
        ),
        (
            "MCP_HTTP_ALLOWED_ORIGINS",
            "https://a.b, https://c.d:1",
            "http.allowed_origins",
            "https://a.b,https://c.d:1",
        ),
        ("MCP_HTTP_ALLOWED_HOSTS", "a.b,c.d:80", "http.allowed_hosts", "a.b,c.d:80"),
        ("MCP_HTTP_TRUSTED_PROXIES", "10.0.0.0/8,::1", "http.trusted_proxies", "10.0.0.0/8,::1"),
        ("MCP_HTTP_TLS_CERT_FILE", "c.pem", "http.tls.cert_file", "c.pem"),
        ("MCP_HTTP_LIMITS_MAX_BODY_BYTES", "2MiB", "http.limits.max_body_bytes", "2MiB"),
        ("MCP_HTTP_LIMITS_DRAIN_TIMEOUT", "0", "http.limits.drain_timeout", "0s"),
        ("MCP_HTTP_LIMITS_DRAIN_LEAD", "5", "http.limits.drain_lead", "5s"),
        ("PGEDGE_AUTH_ENABLED", "false", "http.auth.enabled", "false"),
        ("MCP_HTTP_AUTH_ENABLED", "false", "http.auth.enabled", "false"),
        ("MCP_HTTP_AUTH_TOKEN_FILE", "t.yaml", "http.auth.token_file", "t.yaml"),
        ("PGEDGE_AUTH_RATE_LIMIT_WINDOW_MINUTES", "7", "http.auth.rate_limit_window_minutes", "7"),
        ("PGEDGE_AUTH_RATE_LIMIT_MAX_ATTEMPTS", "7", "http.auth.rate_limit_max_attempts", "7"),
        ("MCP_HTTP_AUTH_RATE_LIMIT_MAX_ATTEMPTS", "7", "http.auth.rate_limit_max_attempts", "7"),
        (
            "PGEDGE_AUTH_MAX_FAILED_ATTEMPTS_BEFORE_LOCKOUT",
            "7",
            "http.auth.max_failed_attempts_before_lockout",
            "7",
        ),
        ("MAX_FAILED_LOGIN_ATTEMPTS", "7", "http.auth.max_failed_attempts_before_lockout", "7"),
        ("MCP_DATABASES_0_NAME", "sales", "databases[0].name", "sales"),
        ("MCP_DATABASES_0_AVAILABLE_TO_USERS", "a,b", "databases[0].available_to_users", "a,b"),
        ("PGHOST", "db.internal", "databases[0].host", "db.internal"),
        ("PGPORT", "6432", "databases[0].port", "6432"),
        ("PGDATABASE", "sales", "databases[0].database", "sales"),
        ("PGUSER", "reader", "databases[0].user", "reader"),
        ("PGPASSWORD", "s3cret", "databases[0].password", "********"),
        ("PGPASSFILE", "/p", "databases[0].passfile", "/p"),
        ("HOME", "/home/op", "databases[0].passfile", "/home/op/.pgpass"),
        ("PGSSLMODE", "verify-full", "databases[0].sslmode", "verify-full"),
        ("PGSSLROOTCERT", "r.pem", "databases[0].sslrootcert", "r.pem"),
        ("PGSSLCERT", "c.pem", "databases[0].sslcert", "c.pem"),
        ("PGSSLKEY", "k.pem", "databases[0].sslkey", "k.pem"),
        ("STATE_DIRECTORY", "/var/lib/mcp", "state.directory", "/var/lib/mcp"),
        ("MCP_STATE_DIRECTORY", "/srv/mcp", "state.directory", "/srv/mcp"),
        ("MCP_LOG_FORMAT", "json", "log.format", "json"),
        ("MCP_LOG_LEVEL", "trace", "log.level", "trace"),
    ] {
        let loaded = Setup::environment(&[(name, value)]).load();
        assert_eq!(shown(&loaded, key), in_force, "{name}");
    }
}

#[test]
fn the_names_of_accounts_and_recovery_work_as_printed() {
    for (name, value, key) in [
        ("JWT_EXPIRY_HOURS", "7", "http.auth.session_ttl_hours"),
        ("ACCOUNT_LOCKOUT_DURATION_MINUTES", "7", "http.auth.lockout_duration_minutes"),
        ("ACCOUNT_LOCKOUT_NOTIFICATION_ENABLED", "false", "http.auth.lockout_notification"),
        ("PUBLIC_REGISTRATION_ENABLED", "true", "http.auth.public_registration"),
        ("PASSWORD_RESET_ENABLED", "false", "password_reset.enabled"),
        ("PASSWORD_RESET_TOKEN_EXPIRY_MINUTES", "7", "password_reset.token_expiry_minutes"),
        ("PASSWORD_RESET_RATE_LIMIT", "7", "password_reset.rate_limit"),
        ("PASSWORD_RESET_RATE_WINDOW_MINUTES", "7", "password_reset.rate_window_minutes"),
        ("PASSWORD_RESET_INVALIDATE_SESSIONS", "false", "password_reset.invalidate_sessions"),
        ("PASSWORD_RESET_MIN_RESPONSE_MS", "7", "password_reset.min_response_ms"),
    ] {
        let loaded = Setup::environment(&[(name, value)]).load();
        assert_eq!(shown(&loaded, key), value, "{name}");
    }
}

#[test]
fn two_names_of_one_key_must_agree() {
    let mut setup =
        Setup::environment(&[("MCP_HTTP_AUTH_ENABLED", "true"), ("PGEDGE_AUTH_ENABLED", "yes")]);
    assert!(setup.load().config.http.auth.enabled, "two spellings of one value agree");

    setup.set(&[("PGEDGE_AUTH_ENABLED", "false")]);
    assert_eq!(
        setup.message(),
        "environment PGEDGE_AUTH_ENABLED: http.auth.enabled: \
         says something else than environment MCP_HTTP_AUTH_ENABLED"
    );
    assert!(setup.hint().contains("keep one"));
}

#[test]
fn a_misspelt_name_of_ours_is_refused_and_the_names_of_others_are_not() {
    let setup = Setup::environment(&[("MCP_HTTP_AUTH_ENABLD", "true")]);
    assert_eq!(setup.message(), "environment MCP_HTTP_AUTH_ENABLD: unknown key");
    assert_eq!(setup.hint(), "did you mean MCP_HTTP_AUTH_ENABLED?");
    Setup::environment(&[("MCP_TIMEOUT", "5"), ("MCPX", "1"), ("PGAPPNAME", "x")]).load();
}

#[test]
fn a_bad_value_names_the_variable_the_key_and_what_is_accepted() {
    let setup = Setup::environment(&[("PGEDGE_AUTH_ENABLED", "maybe")]);
    assert_eq!(
        setup.message(),
        "environment PGEDGE_AUTH_ENABLED: http.auth.enabled: expected true or false, not \"maybe\""
    );
}

#[test]
fn a_secret_can_be_read_from_a_file_and_loses_one_newline() {
    for (content, secret) in [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("a \n\n", "a \n")]
    {
        let mut setup = Setup::new();
        let file = setup.write("password", content);
        setup.set(&[("MCP_DATABASES_0_PASSWORD_FILE", file.to_str().unwrap())]);
        let password = setup.load().config.databases[0].password.clone().unwrap();
        assert_eq!(password.expose(), secret);
    }
}

#[test]
fn a_secret_file_that_is_missing_or_empty_stops_the_start() {
    let mut setup = Setup::environment(&[("MCP_DATABASES_0_PASSWORD_FILE", "/no/such/file")]);
    assert_eq!(
        setup.message(),
        "environment MCP_DATABASES_0_PASSWORD_FILE: databases[0].password: \
         cannot use /no/such/file: there is no such file"
    );
    let empty = setup.write("empty", "\n");
    setup.set(&[("MCP_DATABASES_0_PASSWORD_FILE", empty.to_str().unwrap())]);
    assert!(matches!(setup.refused().fault(), Fault::SecretFile { .. }));
}

#[test]
fn a_secret_and_its_file_are_two_names_of_one_key() {
    let mut setup = Setup::environment(&[("MCP_DATABASES_0_PASSWORD", "one")]);
    let other = setup.write("other", "two\n");
    setup.set(&[("MCP_DATABASES_0_PASSWORD_FILE", other.to_str().unwrap())]);
    assert!(matches!(setup.refused().fault(), Fault::Conflict { .. }));
    assert!(!setup.message().contains("one") && !setup.message().contains("two"));
}
