//! Every SQL statement of the set-up instructions that this store replaces, as printed there.

use support::{Installation, eventually};

use super::{PASSWORD, QUICK, by_hand, closes, installed, logs_in, opens, session};

const SET_UP: [&str; 3] = [
    "CREATE DATABASE sharding_users;",
    "CREATE USER sharding_user WITH PASSWORD 'secure_password';",
    "GRANT ALL PRIVILEGES ON DATABASE sharding_users TO sharding_user;",
];

pub(crate) const TABLE: &str = "
CREATE TABLE users (
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
CREATE INDEX idx_users_locked ON users(locked_until) WHERE locked_until IS NOT NULL;
";

const INSERT: &str = "INSERT INTO users (username, password_hash, roles, active)
   VALUES ('admin', '$2a$10$...', '[\"admin\"]'::jsonb, true);";

const STATE: &str = "SELECT username, active, failed_login_attempts, locked_until, last_login_at
FROM users
WHERE username = 'admin';";

const RECENT: &str = "SELECT username, last_login_at, failed_login_attempts
FROM users
WHERE last_login_at IS NOT NULL
ORDER BY last_login_at DESC
LIMIT 10;";

const LOCKED: &str = "SELECT username, locked_until, failed_login_attempts
FROM users
WHERE locked_until IS NOT NULL AND locked_until > NOW();";

const PLAN: &str = "EXPLAIN ANALYZE SELECT * FROM users WHERE username = 'admin';";

const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'sharding_users';";

/// A cluster on which the printed set-up was run, and no more.
fn set_up() -> Installation {
    let installation = Installation::new("SELECT 1");
    for statement in SET_UP {
        installation.postgres().execute("postgres", statement).unwrap();
    }
    installation
}

fn keep_users_as(installation: &Installation, login: &str) {
    let dsn = installation.postgres().dsn_as(login, "sharding_users");
    let security = format!("security:\n  user_database_dsn: \"{dsn}\"\n");
    installation.write_config(&format!("{QUICK}{security}"));
}

fn ask(installation: &Installation, sql: &str) -> String {
    installation.postgres().execute("sharding_users", sql).unwrap()
}

fn hash(installation: &Installation, password: &str) -> String {
    let arguments = ["hash-password", "--algorithm", "bcrypt"];
    let hashed = installation.admin_reading(&arguments, &format!("{password}\n"));
    String::from_utf8(hashed.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_printed_grants_lack_one_line_which_the_start_names_and_db_init_runs() {
    let installation = set_up();
    keep_users_as(&installation, "sharding_user");
    ask(&installation, "GRANT CREATE ON DATABASE sharding_users TO sharding_user;");
    let mut server = installation.start();
    assert_eq!(server.wait().code(), Some(1));
    server.wait_for_line(r#"hint: GRANT USAGE, CREATE ON SCHEMA public TO "sharding_user";"#);

    let superuser = installation.postgres().dsn("sharding_users");
    let made = installation.admin(&["db", "init", "--as-superuser", &superuser]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let server = installation.start();
    let to = server.address();
    for (name, password) in
        [("admin", "admin123"), ("operator", "operator123"), ("viewer", "viewer123")]
    {
        assert!(!logs_in(to, name, password), "nobody is there whom nobody made");
    }
    ask(&installation, INSERT);
    assert!(!logs_in(to, "admin", PASSWORD), "the printed hash is none");
}

#[test]
fn the_printed_table_is_migrated_with_its_rows_and_every_printed_statement_has_its_effect() {
    let installation = set_up();
    ask(&installation, TABLE);
    ask(&installation, INSERT);
    let set = format!("UPDATE users SET password_hash = '{}'", hash(&installation, PASSWORD));
    ask(&installation, &set);
    keep_users_as(&installation, "postgres");
    let server = installation.start();
    let to = server.address();
    let first = session(to, "admin", PASSWORD);
    assert!(opens(to, &first));

    assert!(ask(&installation, STATE).starts_with("admin|t|0||20"));
    assert!(ask(&installation, RECENT).starts_with("admin|20"));
    assert_eq!(ask(&installation, LOCKED), "");
    for attempt in 0..5 {
        assert!(!logs_in(to, "admin", &format!("Wrong{attempt}Password")));
    }
    assert!(!logs_in(to, "admin", PASSWORD), "it is locked");
    let locked = ask(&installation, LOCKED);
    assert!(locked.starts_with("admin|20") && locked.ends_with("|5\n"), "{locked}");
    ask(&installation, "UPDATE users SET locked_until = NULL WHERE username = 'admin'");
    assert!(logs_in(to, "admin", PASSWORD));

    assert!(ask(&installation, "\\d users").contains("locked_until|timestamp with time zone"));
    let indexes = ask(&installation, "SELECT indexname FROM pg_indexes WHERE tablename = 'users'");
    for index in ["idx_users_active", "idx_users_locked", "users_pkey"] {
        assert!(indexes.lines().any(|name| name == index), "{indexes}");
    }
    assert!(ask(&installation, PLAN).contains("Execution Time"));
    let connections: u32 = ask(&installation, CONNECTIONS).trim().parse().unwrap();
    assert!((2..=27).contains(&connections), "one that listens, and the pool: {connections}");

    let other = hash(&installation, "NewPassword456!");
    // The way back in that docs/operating.md prints.
    let break_glass = format!(
        "UPDATE users SET password_hash = '{other}', locked_until = NULL, \
         failed_login_attempts = 0, active = true WHERE username = 'admin';"
    );
    ask(&installation, &break_glass);
    assert!(closes(to, &first));
    assert!(logs_in(to, "admin", "NewPassword456!"));
}

#[test]
fn a_password_that_was_logged_in_with_is_hashed_anew_and_ends_no_session() {
    let installation = installed("");
    let server = installation.start();
    let to = server.address();
    by_hand(
        &installation,
        &format!(
            "INSERT INTO users (username, password_hash, roles, active) \
             VALUES ('alice', '{}', '[]'::jsonb, true)",
            hash(&installation, PASSWORD)
        ),
    );
    let first = session(to, "alice", PASSWORD);
    let hashed = || by_hand(&installation, "SELECT password_hash FROM users");
    assert!(eventually(|| hashed().starts_with("$argon2id$")), "{}", hashed());
    assert!(opens(to, &first) && logs_in(to, "alice", PASSWORD));
}
