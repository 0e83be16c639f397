//! The statements that operators know by heart have their effect, at once.

use mcp_identity::RoleName;
use mcp_store::{AccountStore as _, Change, OpenRejection, StoreErrorKind};
use mcp_throttle::{Failure, Lock};

use crate::people::{HASH, add, log_in, name, now, opening, place, policy, session};
use crate::support::House;

#[tokio::test(flavor = "multi_thread")]
async fn every_printed_statement_runs() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    let statements = [
        r#"INSERT INTO users (username, password_hash, roles, active)
           VALUES ('admin', '$2a$10$...', '["admin"]'::jsonb, true)"#,
        "SELECT username, active, failed_login_attempts, locked_until, last_login_at
           FROM users WHERE username = 'admin'",
        "SELECT username, last_login_at, failed_login_attempts FROM users
           WHERE last_login_at IS NOT NULL ORDER BY last_login_at DESC LIMIT 10",
        "SELECT username, locked_until, failed_login_attempts FROM users
           WHERE locked_until IS NOT NULL AND locked_until > NOW()",
        "EXPLAIN ANALYZE SELECT * FROM users WHERE username = 'admin'",
        "\\d users",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
        "UPDATE email_users SET password_hash = 'PASTE_HASH_HERE', password_change_required = false,
           failed_login_attempts = 0, locked_until = NULL, password_changed_at = CURRENT_TIMESTAMP
           WHERE email = 'admin@example.com'",
        "SELECT email, is_admin, failed_login_attempts, locked_until FROM email_users
           WHERE is_admin = true",
        "UPDATE users SET is_admin = TRUE WHERE username = 'johndoe'",
    ];
    for statement in statements {
        house.sql(&database, statement);
    }
    let admin = store.find_account(&name("ADMIN")).await.unwrap().unwrap().record;
    assert_eq!(admin.password.expose(), "$2a$10$...");
    assert_eq!(admin.roles, [RoleName::parse("admin").unwrap()].into());
    assert_eq!(house.sql(&database, "SELECT username FROM email_users WHERE is_admin"), "admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_is_pasted_logs_in_and_ends_old_sessions() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    store.channel().until(true).await;
    add(&store, "alice").await;
    house.sql(&database, "UPDATE users SET email = 'alice@example.com' WHERE username = 'alice'");
    let old = log_in(&store, "alice", 1).await.unwrap();
    for _ in 0..5 {
        let (found, ticket) = place(&store, "alice").await.unwrap();
        let made = found.created_at;
        store.fail_login(&name("alice"), made, ticket, policy(5), now()).await.unwrap();
    }
    assert!(place(&store, "alice").await.is_none(), "the account is locked");
    let mut changes = store.changes();
    house.sql(
        &database,
        "UPDATE email_users SET password_hash = 'pasted', password_change_required = false,
           failed_login_attempts = 0, locked_until = NULL, password_changed_at = CURRENT_TIMESTAMP
           WHERE email = 'alice@example.com'",
    );
    assert_eq!(store.sessions().await.unwrap(), []);
    let mut told = [changes.next().await.unwrap(), changes.next().await.unwrap()];
    told.sort_by_key(|change| matches!(change, Change::User(_)));
    assert_eq!(told, [Change::Session(old.id), Change::User(name("alice"))]);
    let (account, ticket) = place(&store, "alice").await.unwrap();
    assert_eq!(account.password.expose(), "pasted");
    let opening = opening(&account, session("alice", 2), ticket);
    store.open_session(opening).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_name_is_taken_away_is_told_by_that_name() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    store.channel().until(true).await;
    add(&store, "alice").await;
    let (one, two) =
        (log_in(&store, "alice", 1).await.unwrap(), log_in(&store, "alice", 2).await.unwrap());
    for (session, change) in [(one, "public_id = NULL"), (two, "public_id = 'fedcba9876543210'")] {
        let mut changes = store.changes();
        let id = session.id.as_str();
        let sql = format!("UPDATE user_sessions SET {change} WHERE public_id = '{id}'");
        house.sql(&database, &sql);
        while changes.next().await.unwrap() != Change::Session(session.id.clone()) {}
        assert_eq!(store.find_session(&session.id).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_set_to_null_is_lifted() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    add(&store, "alice").await;
    let endless = mcp_throttle::LockoutPolicy { duration: None, ..policy(1) };
    let (found, ticket) = place(&store, "alice").await.unwrap();
    let made = found.created_at;
    let failed = store.fail_login(&name("alice"), made, ticket, endless, now()).await.unwrap();
    assert_eq!(failed, Failure::Locks(Lock::UntilUnlocked));
    let locked =
        "SELECT username FROM users WHERE locked_until IS NOT NULL AND locked_until > NOW()";
    assert_eq!(house.sql(&database, locked), "alice");
    house.sql(&database, "UPDATE users SET locked_until = NULL WHERE username = 'alice'");
    log_in(&store, "alice", 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_spellings_stay_in_step() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    add(&store, "johndoe").await;
    let _ = log_in(&store, "johndoe", 1).await.unwrap();
    let record = async || store.find_account(&name("johndoe")).await.unwrap().unwrap().record;
    house.sql(&database, "UPDATE users SET is_admin = TRUE WHERE username = 'johndoe'");
    assert_eq!(record().await.roles, [RoleName::parse("admin").unwrap()].into());
    assert_eq!(store.sessions().await.unwrap().len(), 1, "other rights end no session here");
    house.sql(&database, "UPDATE users SET roles = '[\"viewer\"]' WHERE username = 'johndoe'");
    assert_eq!(house.sql(&database, "SELECT is_admin FROM users"), "f");
    house.sql(&database, "UPDATE users SET is_active = false WHERE username = 'johndoe'");
    assert!(!record().await.enabled);
    assert_eq!(store.sessions().await.unwrap(), [], "who is disabled is put out");
    let kept = "SELECT active, is_active FROM users";
    assert_eq!(house.sql(&database, kept), "f|f");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_written_by_hand_is_found_in_any_spelling() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    house.sql(&database, "INSERT INTO users (username, password_hash) VALUES ('Étienne', 'x')");
    let found = store.find_account(&name("éTIENNE")).await.unwrap().unwrap();
    assert_eq!(found.record.name.as_str(), "Étienne");
    let twin = "INSERT INTO users (username, password_hash) VALUES ('ÉTIENNE', 'x')";
    assert!(house.server.execute(&database, twin).is_err(), "one name, one account");
    house.sql(&database, "UPDATE users SET username = 'Zoë' WHERE username = 'Étienne'");
    assert!(store.find_account(&name("étienne")).await.unwrap().is_none());
    assert!(store.find_account(&name("ZOË")).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_folds_names_as_the_server_does() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    for spelled in ["ΟΔΟΣ", "İstanbul", "STRAẞE", "Ǆorđe", "ﬁnn", "Ｚｏë", "e\u{301}TIENNE", "Ⅷ"]
    {
        let sql = format!("INSERT INTO users (username, password_hash) VALUES ('{spelled}', 'x')");
        house.sql(&database, &sql);
        let key = house.sql(&database, "SELECT name_key FROM users ORDER BY id DESC LIMIT 1");
        assert_eq!(key, name(spelled).key(), "{spelled}");
        assert!(store.find_account(&name(spelled)).await.unwrap().is_some(), "{spelled}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_back_is_not_taken() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    add(&store, "alice").await;
    for (column, value) in [
        ("username", "'a@b'"),
        ("username", "' alice'"),
        ("username", "E'a\\nb'"),
        ("roles", "'{}'"),
        ("roles", "'[1]'"),
        ("roles", "'[\"a b\"]'"),
        ("databases", "'\"sales\"'"),
    ] {
        let sql = format!("UPDATE users SET {column} = {value}");
        assert!(house.server.execute(&database, &sql).is_err(), "{sql}");
    }
    // Behind the back of the trigger: nobody is shown half a list.
    let sql = "SET session_replication_role = 'replica'; UPDATE users SET roles = '[1]'";
    house.sql(&database, sql);
    let error = store.accounts().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert!(error.fault.contains("roles of the row with username \"alice\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_with_a_hash_that_was_replaced_by_hand_meanwhile() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    add(&store, "alice").await;
    let (account, ticket) = place(&store, "alice").await.unwrap();
    assert_eq!(account.password.expose(), HASH);
    house.sql(&database, "UPDATE users SET password_hash = 'pasted'");
    let opened = store.open_session(opening(&account, session("alice", 1), ticket)).await;
    assert_eq!(opened, Err(OpenRejection::Changed));
}
