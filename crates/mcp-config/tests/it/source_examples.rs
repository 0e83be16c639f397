//! The configuration examples that the compatible servers document load unchanged.

use std::path::Path;

use crate::Setup;

#[test]
fn the_example_with_rate_limit_and_lockout_loads() {
    let setup = Setup::yaml(
        r#"http:
    auth:
        enabled: true
        token_file: "./pgedge-mcp-server-tokens.yaml"
        # Rate limiting settings
        rate_limit_window_minutes: 15  # Time window for rate limiting
        rate_limit_max_attempts: 10  # Max attempts per IP per window
        # Account lockout settings
        max_failed_attempts_before_lockout: 5  # 0 = disabled
"#,
    );
    let auth = setup.load().config.http.auth;
    assert!(auth.enabled);
    assert_eq!(auth.token_file, setup.folder.path().join("pgedge-mcp-server-tokens.yaml"));
    assert_eq!((auth.rate_limit_window_minutes, auth.rate_limit_max_attempts), (15, 10));
    assert_eq!(auth.max_failed_attempts_before_lockout, 5);
}

#[test]
fn the_example_that_enables_account_lockout_loads() {
    let setup = Setup::yaml(
        r#"http:
    auth:
        enabled: true
        token_file: "./pgedge-mcp-server-tokens.yaml"
        max_failed_attempts_before_lockout: 5
        rate_limit_window_minutes: 15
        rate_limit_max_attempts: 10
"#,
    );
    assert_eq!(setup.load().config.http.auth.max_failed_attempts_before_lockout, 5);
}

#[test]
fn the_example_that_enables_http_loads_and_listens_everywhere() {
    let setup = Setup::yaml(
        r#"http:
  enabled: true
  address: ":8080"
  auth:
    enabled: true
    token_file: "/path/to/pgedge-mcp-server-tokens.yaml"
"#,
    );
    let http = setup.load().config.http;
    assert!(http.enabled && http.auth.enabled);
    assert_eq!(
        http.listen_address().map(|address| (address.host, address.port)),
        Some((None, 8080))
    );
    assert_eq!(http.auth.token_file, Path::new("/path/to/pgedge-mcp-server-tokens.yaml"));
}

#[test]
fn the_example_environment_loads() {
    let setup = Setup::environment(&[
        ("PGEDGE_AUTH_MAX_FAILED_ATTEMPTS_BEFORE_LOCKOUT", "5"),
        ("PGEDGE_AUTH_RATE_LIMIT_WINDOW_MINUTES", "15"),
        ("PGEDGE_AUTH_RATE_LIMIT_MAX_ATTEMPTS", "10"),
    ]);
    assert_eq!(setup.load().config.http.auth.max_failed_attempts_before_lockout, 5);
}
