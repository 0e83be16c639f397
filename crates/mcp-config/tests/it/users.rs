//! Where credentials are kept: in files unless a database is named.

use std::time::Duration;

use mcp_config::{Origin, UserStore, UsersFallback};

use crate::Setup;

const DSN: &str = "postgres://user:sesame@localhost:5432/sharding_users?sslmode=disable";

/// The attempts that lock, and the minutes that a lock lasts.
fn lockout(setup: &Setup) -> (u32, u32) {
    let auth = setup.load().config.http.auth;
    (auth.max_failed_attempts_before_lockout, auth.lockout_duration_minutes)
}

#[test]
fn without_a_dsn_the_files_keep_credentials_and_nothing_locks() {
    let setup = Setup::new();
    let users = setup.load().config.users;
    assert_eq!((users.store, users.database_dsn), (UserStore::File, None));
    assert_eq!(lockout(&setup), (0, 0));
}

#[test]
fn a_dsn_moves_credentials_into_postgresql_with_its_own_defaults() {
    let setup = Setup::environment(&[("USER_DATABASE_DSN", DSN)]);
    let users = setup.load().config.users;
    assert_eq!(users.store, UserStore::Postgres);
    assert_eq!(users.database_dsn.unwrap().expose(), DSN);
    assert_eq!((users.pool.max.get(), users.pool.idle), (25, 5));
    assert_eq!(users.pool.lifetime, Duration::from_mins(5));
    assert_eq!(users.pool.idle_time, Duration::from_mins(1));
    assert_eq!(users.fallback, UsersFallback::Cached);
    assert_eq!(users.cache_ttl, Duration::from_mins(1));
    assert_eq!(users.cache_max_stale, Duration::from_mins(5));
    assert_eq!(lockout(&setup), (5, 15));
}

#[test]
fn the_documented_json_file_names_the_database_too() {
    let text = format!(r#"{{ "security": {{ "user_database_dsn": "{DSN}" }} }}"#);
    let setup = Setup::with_file("manager.json", &text);
    let loaded = setup.load();
    assert_eq!(loaded.config.users.store, UserStore::Postgres);
    assert_eq!(loaded.config.users.database_dsn.unwrap().expose(), DSN);
    let origin = loaded.origins.get("users.database_dsn");
    assert!(matches!(origin, Some(Origin::File { .. })), "{origin:?}");
}

#[test]
fn the_dsn_can_lie_in_a_file_of_its_own() {
    let mut setup = Setup::yaml("users:\n  database_dsn_file: dsn\n");
    let path = setup.write("dsn", &format!("{DSN}\n"));
    assert_eq!(setup.load().config.users.database_dsn.unwrap().expose(), DSN);
    setup.sources.file = None;
    setup.set(&[("USER_DATABASE_DSN_FILE", path.to_str().unwrap())]);
    assert_eq!(setup.load().config.users.database_dsn.unwrap().expose(), DSN);
}

#[test]
fn what_is_said_of_the_lockout_wins_over_the_store() {
    let mut setup = Setup::environment(&[("USER_DATABASE_DSN", DSN)]);
    setup.set(&[("MAX_FAILED_LOGIN_ATTEMPTS", "3"), ("ACCOUNT_LOCKOUT_DURATION_MINUTES", "0")]);
    assert_eq!(lockout(&setup), (3, 0));
}

#[test]
fn the_files_can_be_chosen_beside_a_dsn() {
    let mut setup = Setup::environment(&[("USER_DATABASE_DSN", DSN)]);
    setup.flag("users.store", "file");
    assert_eq!(setup.load().config.users.store, UserStore::File);
    assert_eq!(lockout(&setup), (0, 0));
}

#[test]
fn postgresql_without_a_dsn_is_refused_with_a_way_out() {
    let setup = Setup::yaml("users:\n  store: postgres\n");
    assert_eq!(setup.message(), "mcp-server.yaml:2: users.store: needs users.database_dsn");
    assert!(setup.hint().contains("USER_DATABASE_DSN"), "{}", setup.hint());
}

#[test]
fn two_different_dsns_are_refused_and_neither_is_shown() {
    let text = format!("users:\n  database_dsn: {DSN}\nsecurity:\n  user_database_dsn: other\n");
    let message = Setup::yaml(&text).message();
    assert!(message.contains("users.database_dsn"), "{message}");
    assert!(!message.contains("sesame"), "{message}");
}

#[test]
fn each_fallback_is_called_by_its_name() {
    for (name, meant) in [
        ("fail", UsersFallback::Fail),
        ("cached", UsersFallback::Cached),
        ("memory", UsersFallback::Memory),
    ] {
        let setup = Setup::yaml(&format!("users:\n  fallback: {name}\n"));
        assert_eq!(setup.load().config.users.fallback, meant);
    }
    let message = Setup::yaml("users:\n  fallback: admin\n").message();
    assert!(message.contains("expected one of fail, cached, memory"), "{message}");
}
