//! A hundred thousand people and a million sessions in PostgreSQL, and servers that know them.

use std::error::Error;

use mcp_testdb::{Options, Postgres};
use serde_json::json;
use support::{Installation, ServerProcess};

pub(super) const PASSWORD: &str = "Measured Password 7";

/// As a database is that keeps what it was given, and has some memory: what the throwaway server
/// leaves out for speed is part of what a login takes.
const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("autovacuum", "on"),
    ("shared_buffers", "256MB"),
    ("max_wal_size", "1GB"),
];

/// The cheapest hash that can be configured, and no floor under the time of an answer: what is
/// looked at is the rest of a login.
pub(super) const CHEAP: &str =
    "passwords:\n  algorithm: bcrypt\n  bcrypt_cost: 4\n  min_response_ms: 0\n";

/// Everybody is one address here, and its failures are not what this is about.
const LIMITS: [(&str, &str); 2] = [
    ("MCP_HTTP_AUTH_RATE_LIMIT_MAX_ATTEMPTS", "10000"),
    ("MCP_HTTP_AUTH_BEARER_FAILURES", "100000"),
];

pub(super) struct Crowd {
    pub(super) installation: Installation,
    sessions: u32,
    /// A token of the kind that agents have.
    pub(super) token: String,
}

impl Crowd {
    /// So many sessions, of a tenth as many people.
    pub(super) fn gather(sessions: u32) -> Result<Self, Box<dyn Error>> {
        let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = Options { settings: settings.into(), ..Options::default() };
        let installation = Installation::on(Postgres::for_tests_with(options)?, "");
        let dsn = prepare(&installation)?;
        installation.write_config(&configuration(&dsn));
        // The first of them, by whom the tables are made, and whose hash is everybody's.
        installation.add_user("user-0", PASSWORD);
        let token = installation.add_token(&[]);
        let crowd = Self { installation, sessions, token };
        crowd.run(&crowd.everybody())?;
        Ok(crowd)
    }

    pub(super) fn sessions(&self) -> u32 {
        self.sessions
    }

    pub(super) fn people(&self) -> u32 {
        self.sessions / 10
    }

    /// The token of a session.
    pub(super) fn session(number: u32) -> String {
        format!("session-{number}")
    }

    pub(super) fn dsn(&self) -> String {
        self.installation.postgres().dsn_as("keeper", "people")
    }

    /// Runs SQL beside the servers.
    pub(super) fn run(&self, sql: &str) -> Result<String, Box<dyn Error>> {
        Ok(self.installation.postgres().execute("people", sql)?)
    }

    /// A server that listens. It has read everybody then, and another may begin to.
    pub(super) fn start(&self) -> ServerProcess {
        let config = self.installation.config();
        let server = ServerProcess::start(&["--config", &config.to_string_lossy()], &LIMITS);
        let _ = server.address();
        server
    }

    /// What makes them all, without the triggers that would tell of each. The tokens are hashed
    /// as the server does it.
    fn everybody(&self) -> String {
        let (people, sessions) = (self.people(), self.sessions);
        format!(
            "SET session_replication_role = 'replica';
             INSERT INTO users (username, name_key, email, email_key, password_hash)
             SELECT name, name, address, address, (SELECT password_hash FROM users LIMIT 1)
             FROM (SELECT 'user-' || n AS name, 'user-' || n || '@example.com' AS address
                   FROM generate_series(1, {people} - 1) AS n) AS made;
             INSERT INTO user_sessions
               (user_id, token_jti, public_id, expires_at, created_at, last_used_at, ip_address, user_agent)
             SELECT (SELECT min(id) FROM users) + n % {people},
                    encode(sha256(('session-' || n)::bytea), 'hex'), lpad(to_hex(n), 16, '0'),
                    now() + interval '12 hours' + n * interval '10 milliseconds',
                    now(), now(), '192.0.2.1', 'agent/1.0'
             FROM generate_series(0, {sessions} - 1) AS n;
             ANALYZE users; ANALYZE user_sessions; CHECKPOINT;"
        )
    }
}

/// A database for credentials. How its owner reaches it.
pub(super) fn prepare(installation: &Installation) -> Result<String, Box<dyn Error>> {
    let postgres = installation.postgres();
    postgres.execute("postgres", "CREATE ROLE keeper LOGIN")?;
    postgres.execute("postgres", "CREATE DATABASE people")?;
    postgres.execute("people", "GRANT USAGE, CREATE ON SCHEMA public TO keeper")?;
    Ok(postgres.dsn_as("keeper", "people"))
}

pub(super) fn configuration(dsn: &str) -> String {
    format!("{CHEAP}users:\n  database_dsn: \"{dsn}\"\n")
}

/// The message that logs somebody in, by name or by address.
pub(super) fn login(name: &str) -> String {
    let arguments = json!({ "username": name, "password": PASSWORD });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()
}

/// Does an answer let somebody in?
pub(super) fn is_let_in(body: &[u8]) -> bool {
    body.windows(13).any(|at| at == b"session_token")
}
