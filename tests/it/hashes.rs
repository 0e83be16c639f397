//! Hashes of passwords: made on the command line and pasted into the database, and made stronger by
//! a login.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use mcp_auth::{Accounts, Attempt, Auth, LoginRejection, LoginSettings, OpenedSession};
use mcp_connect::Target;
use mcp_identity::{
    Caller, Clock as _, CredentialFault, Password, RequestId, SystemClock, SystemEntropy,
};
use mcp_password::{Algorithm, Hasher, Settings};
use mcp_store_postgres::{PostgresSettings, PostgresStore};
use mcp_testdb::Postgres;
use support::Installation;
use tokio::task::JoinHandle;

use crate::accounts::{PASSWORD, QUICK, opens, session};
use crate::admin_folder::Admin;

/// What a server of this store writes: cheap, and Argon2id.
const WRITTEN: Algorithm = Algorithm::Argon2id { memory_kib: 8_192, time: 1, parallelism: 1 };

const WRONG: LoginRejection = LoginRejection::Refused(CredentialFault::WrongPassword);

/// A server's accounts in PostgreSQL.
struct House {
    postgres: Postgres,
    auth: Auth,
    keepers: [JoinHandle<()>; 2],
}

impl House {
    async fn new() -> Self {
        let postgres = Postgres::for_tests().unwrap();
        let target = Target::parse(&postgres.dsn("postgres")).unwrap();
        let opening = PostgresStore::open(target, PostgresSettings::default());
        let (store, channel) = Box::pin(opening).await.unwrap();
        let store = Arc::new(store);
        let hashing = Settings { workers: NonZeroUsize::MIN, ..Settings::new(WRITTEN) };
        let hasher = Arc::new(Hasher::start(&hashing, Arc::new(SystemEntropy)).unwrap());
        let settings = LoginSettings { min_response: Duration::ZERO, ..LoginSettings::default() };
        let accounts = Accounts { store: store.clone(), hasher, settings };
        let (auth, keeper) = Auth::builder(store).accounts(accounts).open().await.unwrap();
        let keepers = [
            tokio::spawn(channel.run(std::future::pending())),
            tokio::spawn(keeper.run(std::future::pending())),
        ];
        Self { postgres, auth, keepers }
    }

    fn sql(&self, sql: &str) -> String {
        self.postgres.execute("postgres", sql).unwrap().trim_end().to_owned()
    }

    fn hash_of(&self, name: &str) -> String {
        self.sql(&format!("SELECT password_hash FROM users WHERE username = '{name}'"))
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<OpenedSession, LoginRejection> {
        let request_id = RequestId::from_bytes([0; 16]);
        let caller = Caller { address: [127, 0, 0, 1].into(), agent: None, request_id };
        let password = Password::presented(password.to_owned());
        self.auth.log_in(&Attempt { name: name.to_owned(), password, caller }).await
    }

    fn lets_in(&self, session: &OpenedSession) -> bool {
        self.auth.bearer(session.token.expose().as_bytes(), SystemClock.now()).is_ok()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.keepers.iter().for_each(JoinHandle::abort);
    }
}

/// What `mcp-admin hash-password` prints for a password on its standard input.
fn hashed(admin: &Admin, password: &str, algorithm: &str) -> String {
    let output = admin.feed(password, &["hash-password", "--algorithm", algorithm]);
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_from_the_command_line_that_is_pasted_by_hand_logs_in() {
    let (house, admin) = (House::new().await, Admin::new());
    house.sql(
        "INSERT INTO users (username, email, password_hash, is_admin, failed_login_attempts,
           locked_until, password_change_required)
         VALUES ('admin', 'admin@example.com', 'lost', true, 5, 'infinity', true)",
    );
    for (algorithm, begin) in [("bcrypt", "$2b$"), ("argon2id", "$argon2id$v=19$m=8192,t=3,p=1$")] {
        let password = format!("Emergency-{algorithm}-1!");
        let hash = hashed(&admin, &password, algorithm);
        assert!(hash.starts_with(begin), "{hash}");
        house.sql(&format!(
            "UPDATE email_users
             SET password_hash = '{hash}',
                 password_change_required = false,
                 failed_login_attempts = 0,
                 locked_until = NULL,
                 password_changed_at = CURRENT_TIMESTAMP
             WHERE email = 'admin@example.com';"
        ));
        let opened = house.log_in("admin", &password).await.unwrap();
        assert!(house.lets_in(&opened));
        assert_eq!(house.log_in("admin", "Emergency-other-1!").await.unwrap_err(), WRONG);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weaker_hash_is_made_anew_by_the_login_that_it_lets_in() {
    let (house, admin) = (House::new().await, Admin::new());
    let bcrypt = hashed(&admin, PASSWORD, "bcrypt");
    house.sql(&format!(
        "INSERT INTO users (username, password_hash, roles, active)
         VALUES ('alice', '{bcrypt}', '[\"viewer\"]'::jsonb, true)"
    ));
    house.log_in("alice", "Wrong1Password").await.unwrap_err();
    assert_eq!(house.hash_of("alice"), bcrypt, "a wrong password changes nothing");
    let changed = || house.sql("SELECT password_changed_at FROM users");
    let before = changed();
    let first = house.log_in("alice", PASSWORD).await.unwrap();
    let written = house.hash_of("alice");
    assert!(written.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"), "{written}");
    assert_eq!(changed(), before, "the password is the same");
    let second = house.log_in("alice", PASSWORD).await.unwrap();
    assert_eq!(house.hash_of("alice"), written, "once is enough");
    assert!(house.lets_in(&first) && house.lets_in(&second));
    assert_eq!(house.log_in("alice", "Wrong1Password").await.unwrap_err(), WRONG);
}

#[test]
fn a_users_file_of_bcrypt_hashes_becomes_one_of_argon2id_by_logins() {
    let installation = Installation::new("");
    installation.write_config_with_users("", QUICK);
    installation.add_user("alice", PASSWORD);
    installation.add_user("bob", PASSWORD);
    let server = installation.start();
    let before = session(server.address(), "alice", PASSWORD);
    drop(server);
    let argon2id = "  algorithm: argon2id\n  argon2_memory_kib: 8192\n  argon2_time: 1\n";
    installation.write_config_with_users("", &format!("{QUICK}{argon2id}"));
    let server = installation.start();
    let to = server.address();
    let file = || std::fs::read_to_string(installation.path().join("users.yaml")).unwrap();
    let count = |begin: &str| file().matches(begin).count();
    assert_eq!((count("$2b$04$"), count("$argon2id$")), (2, 0));
    let after = session(to, "alice", PASSWORD);
    assert_eq!((count("$2b$04$"), count("$argon2id$v=19$m=8192,t=1,p=1$")), (1, 1));
    let kept = file();
    assert!(opens(to, &before) && opens(to, &after), "no session ends for it");
    assert!(opens(to, &session(to, "alice", PASSWORD)));
    assert_eq!(file(), kept, "once is enough");
}
