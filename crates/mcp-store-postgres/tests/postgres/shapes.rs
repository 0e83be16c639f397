//! What a store finds in its database at the start.

use std::time::SystemTime;

use mcp_connect::Target;
use mcp_identity::{RoleName, TokenHash};
use mcp_store::{AccountStore as _, RecoveryStore as _, ResetLook, StoreError, StoreErrorKind};
use mcp_store_postgres::{PostgresSettings, PostgresStore};

use crate::people::log_in;
use crate::support::House;

const BY_NAME: &str = "CREATE TABLE users (
    username VARCHAR(255) PRIMARY KEY,
    password_hash VARCHAR(255) NOT NULL,
    roles JSONB NOT NULL DEFAULT '[]'::jsonb,
    active BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_login_at TIMESTAMP,
    failed_login_attempts INTEGER NOT NULL DEFAULT 0,
    locked_until TIMESTAMP
);
CREATE INDEX idx_users_active ON users(active) WHERE active = true;
CREATE INDEX idx_users_locked ON users(locked_until) WHERE locked_until IS NOT NULL;";

const BY_ID: &str = "CREATE TABLE users (
    id BIGSERIAL PRIMARY KEY, username VARCHAR(255) NOT NULL UNIQUE,
    email VARCHAR(255) NOT NULL UNIQUE, password_hash VARCHAR(255) NOT NULL,
    is_active BOOLEAN DEFAULT true, is_admin BOOLEAN DEFAULT false,
    created_at TIMESTAMP DEFAULT now(), updated_at TIMESTAMP DEFAULT now(),
    last_login_at TIMESTAMP, metadata JSONB);
CREATE TABLE password_reset_tokens (
    id BIGSERIAL PRIMARY KEY, user_id BIGINT REFERENCES users(id), token VARCHAR(255) UNIQUE,
    expires_at TIMESTAMP, used BOOLEAN, created_at TIMESTAMP);
CREATE TABLE user_sessions (
    id BIGSERIAL PRIMARY KEY, user_id BIGINT REFERENCES users(id), token_jti VARCHAR(255) UNIQUE,
    expires_at TIMESTAMP NOT NULL, created_at TIMESTAMP DEFAULT now(),
    last_used_at TIMESTAMP, ip_address VARCHAR(45), user_agent TEXT);";

/// What says where each thing of a database stands, to see that nothing was changed.
const EVERYTHING: &str = "SELECT table_name, column_name, data_type, is_nullable
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2;
    SELECT * FROM users ORDER BY username;
    SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace;";

async fn refused(target: Target) -> StoreError {
    Box::pin(PostgresStore::open(target, PostgresSettings::default())).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_by_name_is_migrated_with_its_rows() {
    let house = House::new();
    let database = house.database();
    house.sql("postgres", &format!("ALTER DATABASE {database} SET TimeZone = 'Asia/Tokyo'"));
    house.sql(&database, BY_NAME);
    house.sql(
        &database,
        "INSERT INTO users VALUES
           ('Admin', '$2a$10$hash', '[\"admin\"]', true, '2026-01-02 09:00', '2026-01-02 09:00',
            '2026-01-03 09:00', 2, NULL),
           ('viewer', '$2a$10$other', '[\"viewer\"]', false, '2026-01-02 09:00', now(), NULL, 0,
            'infinity')",
    );
    let (store, _) = house.open(&database).await;
    let accounts = store.accounts().await.unwrap();
    let [admin, viewer] = &accounts[..] else { panic!("two accounts: {accounts:?}") };
    assert_eq!(admin.record.name.as_str(), "Admin");
    assert_eq!(admin.lockout.failures, 2);
    assert!(admin.record.enabled && admin.record.email.is_none());
    assert!(!viewer.record.enabled && viewer.lockout.lock.is_some());
    // Nine in the morning in Tokyo.
    let utc = "SELECT created_at AT TIME ZONE 'UTC', is_admin FROM users WHERE username = 'Admin'";
    assert_eq!(house.sql(&database, utc), "2026-01-02 00:00:00|t");
    let key = "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
        AND a.attnum = ANY (i.indkey) WHERE i.indrelid = 'users'::regclass AND i.indisprimary";
    assert_eq!(house.sql(&database, key), "username");
    log_in(&store, "ADMIN", 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_by_id_is_migrated_with_its_rows() {
    let house = House::new();
    let database = house.database();
    house.sql(&database, BY_ID);
    house.sql(
        &database,
        "INSERT INTO users (username, email, password_hash, is_admin, is_active)
           VALUES ('johndoe', 'John@Example.com', '$2b$12$hash', true, true),
                  ('jane', 'jane@example.com', '$2b$12$other', NULL, NULL);
         INSERT INTO user_sessions (user_id, token_jti, expires_at)
           VALUES (1, 'jti-of-another-system', now() + interval '1 day');
         INSERT INTO password_reset_tokens (user_id, token) VALUES (1, 'a-token')",
    );
    let (store, _) = house.open(&database).await;
    let accounts = store.accounts().await.unwrap();
    let [john, jane] = &accounts[..] else { panic!("two accounts: {accounts:?}") };
    assert_eq!(john.record.email.as_deref(), Some("John@Example.com"));
    assert_eq!(john.record.roles, [RoleName::parse("admin").unwrap()].into());
    assert!(john.record.enabled);
    assert!(
        !jane.record.enabled && jane.record.roles.is_empty(),
        "what is not said is not granted"
    );
    assert_eq!(store.sessions().await.unwrap(), [], "sessions of another system open nothing");
    log_in(&store, "johndoe", 1).await.unwrap();
    // Nor do its links.
    let theirs = "UPDATE password_reset_tokens SET used = false, expires_at = 'infinity',
        token = encode(sha256('a-token'), 'hex')";
    house.sql(&database, theirs);
    let look =
        store.look_at_reset(TokenHash::of_presented(b"a-token"), SystemTime::UNIX_EPOCH).await;
    assert_eq!(look, Ok(ResetLook::Invalid));
    // An address is wanted of nobody, and goes with its account.
    house.sql(&database, "INSERT INTO users (username, password_hash) VALUES ('new', 'x')");
    house.sql(&database, "DELETE FROM users WHERE username = 'johndoe'");
    assert_eq!(house.sql(&database, "SELECT count(*) FROM user_sessions"), "0");
    assert_eq!(house.sql(&database, "SELECT count(*) FROM password_reset_tokens"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_table_stops_the_start_and_is_never_altered() {
    let house = House::new();
    let tables = [
        "CREATE TABLE users (id INT PRIMARY KEY, username TEXT, shoe_size INT)",
        // One column more than the printed shape has.
        &BY_NAME.replace("locked_until TIMESTAMP\n", "locked_until TIMESTAMP, tenant INT\n"),
        "CREATE TABLE email_users (email TEXT); CREATE TABLE users (username TEXT)",
        "CREATE TABLE auth_events (what TEXT); CREATE TABLE users (username TEXT)",
    ];
    for table in tables {
        let database = house.database();
        house.sql(&database, table);
        let before = house.sql(&database, EVERYTHING);
        let error = refused(house.target(&database)).await;
        assert_eq!(error.kind, StoreErrorKind::Refused);
        assert!(error.fault.contains("did not make and does not know"), "{error}");
        assert_eq!(house.sql(&database, EVERYTHING), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_collide_are_reported_and_nothing_is_changed() {
    let house = House::new();
    let database = house.database();
    house.sql(&database, BY_NAME);
    house.sql(
        &database,
        "INSERT INTO users (username, password_hash) VALUES ('Bob', 'x'), ('bob', 'y'), ('eve', 'z')",
    );
    let before = house.sql(&database, EVERYTHING);
    let error = refused(house.target(&database)).await;
    assert!(error.fault.contains("Bob and bob"), "{error}");
    assert!(!error.fault.contains("eve"), "{error}");
    assert_eq!(house.sql(&database, EVERYTHING), before);
    house.sql(&database, "UPDATE users SET username = 'b@b' WHERE username = 'bob'");
    let error = refused(house.target(&database)).await;
    assert!(error.fault.contains("\"b@b\" cannot be kept"), "{error}");
    house.sql(&database, "DELETE FROM users WHERE username = 'b@b'");
    let (store, _) = house.open(&database).await;
    assert_eq!(store.accounts().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_servers_start_at_once_and_again() {
    let house = House::new();
    let database = house.database();
    let starting: Vec<_> = (0..8)
        .map(|_| {
            let opening = PostgresStore::open(house.target(&database), PostgresSettings::default());
            tokio::spawn(Box::pin(opening))
        })
        .collect();
    for started in starting {
        assert!(started.await.unwrap().is_ok());
    }
    let (store, _) = house.open(&database).await;
    assert_eq!(store.accounts().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_a_later_release_is_read_if_it_says_so() {
    let house = House::new();
    let database = house.database();
    drop(house.open(&database).await);
    house.sql(&database, "UPDATE mcp_schema SET version = 7");
    drop(house.open(&database).await);
    house.sql(&database, "UPDATE mcp_schema SET min_reader = 7");
    let error = refused(house.target(&database)).await;
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert!(error.fault.contains("version 7"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_may_not_make_tables_is_told_what_to_grant() {
    let house = House::new();
    let database = house.database();
    house.sql("postgres", "CREATE USER sharding_user WITH PASSWORD 'secure_password'");
    let grant = format!("GRANT ALL PRIVILEGES ON DATABASE {database} TO sharding_user");
    house.sql("postgres", &grant);
    let target = || Target::parse(&house.server.dsn_as("sharding_user", &database)).unwrap();
    let error = refused(target()).await;
    let hint = "GRANT USAGE, CREATE ON SCHEMA public TO \"sharding_user\";";
    assert_eq!(error.hint.as_deref(), Some(hint));
    house.sql(&database, hint);
    let opening = PostgresStore::open(target(), PostgresSettings::default());
    let (store, _) = Box::pin(opening).await.unwrap();
    // Once the tables are there, that grant is not needed any more.
    house.sql(&database, "REVOKE CREATE ON SCHEMA public FROM sharding_user");
    drop(store);
    let opening = PostgresStore::open(target(), PostgresSettings::default());
    assert!(Box::pin(opening).await.is_ok());
}
