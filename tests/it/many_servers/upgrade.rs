//! An upgrade, one server after the other: a newer release adds to the tables while servers of this
//! one run on them, and servers find tables of an older system.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use support::{Installation, MailServer, Request, Response, ServerProcess, eventually};

use super::cluster::Cluster;
use super::load::under_load;
use super::{admin, clients, token};
use crate::postgres_store::printed::TABLE as BY_NAME;
use crate::postgres_store::{PASSWORD, by_hand, closes, installed, logs_in, opens, session};

/// What a newer release may do while servers of this one run: it adds columns, to every table that
/// there is, a column of the view, a table, an index, and says that it did.
const ADDITIONS: &str = "
BEGIN;
SET ROLE keeper;
DO $$
DECLARE
  kept name;
BEGIN
  FOR kept IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
  LOOP
    EXECUTE format('ALTER TABLE %I ADD COLUMN added_later TEXT, '
                   'ADD COLUMN counted_later BIGINT NOT NULL DEFAULT 0', kept);
  END LOOP;
END $$;
DO $$
BEGIN
  EXECUTE 'CREATE OR REPLACE VIEW email_users AS '
    || rtrim(replace(pg_get_viewdef('email_users'::regclass), E'\\n   FROM', E', added_later\\n   FROM'));
END $$;
CREATE TABLE mcp_passkeys (
  id BIGSERIAL PRIMARY KEY,
  user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  public_key BYTEA NOT NULL
);
CREATE INDEX idx_users_later ON users (added_later) WHERE added_later IS NOT NULL;
UPDATE mcp_schema SET version = version + 1;
COMMIT";

const NEW: &str = "NewSecurePassword456!";
const OTHER: &str = "OtherPassword789!";

/// One server, and an admin's session.
struct At<'a> {
    to: SocketAddr,
    root: &'a str,
    mail: &'a MailServer,
}

impl At<'_> {
    fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> Response {
        let request = Request::new(method, path);
        let request = if token.is_empty() { request } else { request.bearer(token) };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        request.header("Content-Type", "application/json").body(&body).send(self.to)
    }

    /// The body of an answer with this status.
    fn ask(&self, wanted: u16, line: &str, token: &str, body: &Value) -> Value {
        let (method, path) = line.split_once(' ').unwrap();
        let answer = self.send(method, path, token, body);
        assert_eq!(answer.status, wanted, "{line}: {}", answer.text());
        answer.json()
    }

    fn log_in(&self, wanted: u16, name: &str, password: &str) -> String {
        let body = json!({ "username": name, "password": password });
        let answer = self.ask(wanted, "POST /auth/login", "", &body);
        answer["access_token"].as_str().unwrap_or_default().to_owned()
    }

    /// All that can be done to an account over HTTP, with an account of this name.
    fn everything(&self, name: &str) {
        let email = format!("{name}@example.com");
        let user = format!("/auth/email/admin/users/{name}");
        let made = json!({ "username": name, "email": email, "password": PASSWORD });
        self.ask(201, "POST /auth/email/admin/users", self.root, &made);
        let listed = self.ask(200, "GET /auth/email/admin/users", self.root, &Value::Null);
        assert!(listed.to_string().contains(&email), "{listed}");
        self.sessions(name);
        self.passwords(name, &user);
        self.recovery(name, &email, &user);
        let events = "GET /auth/email/admin/events?limit=5";
        self.ask(200, events, self.root, &Value::Null);
        let last = self.log_in(200, name, OTHER);
        self.ask(200, &format!("PATCH {user}"), self.root, &json!({ "is_active": false }));
        assert!(!opens(self.to, &last));
        self.log_in(401, name, OTHER);
        self.ask(200, &format!("DELETE {user}"), self.root, &Value::Null);
        self.ask(404, &format!("GET {user}"), self.root, &Value::Null);
    }

    fn sessions(&self, name: &str) {
        let (one, two) = (self.log_in(200, name, PASSWORD), session(self.to, name, PASSWORD));
        for path in ["GET /auth/me", "POST /auth/verify-token", "GET /auth/email/me"] {
            assert_eq!(self.ask(200, path, &one, &Value::Null)["username"], name);
        }
        let listed = self.ask(200, "GET /auth/sessions", &one, &Value::Null);
        let listed = listed["sessions"].as_array().unwrap();
        assert_eq!(listed.len(), 2);
        let other = listed.iter().find(|listed| listed["current"] == false).unwrap();
        let path = format!("DELETE /auth/sessions/{}", other["id"].as_str().unwrap());
        self.ask(200, &path, &one, &Value::Null);
        assert!(!opens(self.to, &two) && opens(self.to, &one));
        self.ask(200, "GET /auth/email/events?limit=5", &one, &Value::Null);
        self.ask(200, "POST /auth/logout", &one, &Value::Null);
        assert!(!opens(self.to, &one));
    }

    fn passwords(&self, name: &str, user: &str) {
        let change = |token: &str, old: &str, new: &str| {
            let body = json!({ "old_password": old, "new_password": new });
            self.ask(200, "POST /auth/email/change-password", token, &body);
        };
        change(&self.log_in(200, name, PASSWORD), PASSWORD, NEW);
        let given = json!({ "password": PASSWORD, "password_change_required": true });
        self.ask(200, &format!("PUT {user}"), self.root, &given);
        change(&self.log_in(403, name, PASSWORD), PASSWORD, NEW);
        for attempt in 0..5 {
            self.log_in(401, name, &format!("Wrong{attempt}Password"));
        }
        self.log_in(401, name, NEW);
        let shown = self.ask(200, &format!("GET {user}"), self.root, &Value::Null);
        assert_eq!(
            (&shown["is_locked"], &shown["failed_login_attempts"]),
            (&json!(true), &json!(5))
        );
        self.ask(200, &format!("POST {user}/unlock"), self.root, &Value::Null);
        self.log_in(200, name, NEW);
    }

    fn recovery(&self, name: &str, email: &str, user: &str) {
        let minted = self.ask(200, &format!("POST {user}/reset-link"), self.root, &Value::Null);
        let link = minted["reset_link"].as_str().unwrap();
        let reset = |link: &str, password: &str| {
            let path = format!("/auth/email/reset-password/{}", link.rsplit('/').next().unwrap());
            let looked = self.ask(200, &format!("GET {path}"), "", &Value::Null);
            assert_eq!(looked["valid"], true);
            let body = json!({ "new_password": password, "confirm_password": password });
            self.ask(200, &format!("POST {path}"), "", &body);
            self.ask(400, &format!("POST {path}"), "", &body);
        };
        reset(link, PASSWORD);
        let held = self.log_in(200, name, PASSWORD);
        let asked = json!({ "email": email });
        self.ask(200, "POST /auth/email/forgot-password", "", &asked);
        reset(&link_in(self.mail), OTHER);
        assert!(!opens(self.to, &held));
        let held = self.log_in(200, name, OTHER);
        let of = format!("{user}/sessions");
        let listed = self.ask(200, &format!("GET {of}"), self.root, &Value::Null);
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
        self.ask(200, &format!("DELETE {of}"), self.root, &Value::Null);
        assert!(!opens(self.to, &held));
    }
}

/// The link in the next letter that has one.
fn link_in(mail: &MailServer) -> String {
    loop {
        let letter = mail.letter();
        let text = letter["text"].as_str().unwrap();
        if let Some(line) = text.lines().find(|line| line.contains("/admin/reset-password/")) {
            return line.trim().to_owned();
        }
    }
}

/// All that the operator's tool does with what is kept in these tables.
fn with_the_tool(installation: &Installation, name: &str) {
    installation.add_user(name, PASSWORD);
    for verb in ["show", "disable", "enable", "unlock", "reset-link"] {
        admin(installation, &["users", verb, name]);
    }
    admin(installation, &["users", "update", name, "--email", &format!("{name}@example.org")]);
    let kept = installation.path().join(format!("{name}.yaml"));
    let exported = installation.admin(&["users", "export"]);
    assert!(exported.status.success());
    let text = String::from_utf8(exported.stdout).unwrap();
    assert!(text.contains(name), "{text}");
    admin(installation, &["users", "delete", name, "--yes"]);
    std::fs::write(&kept, format!("users:\n{}", section(&text, name))).unwrap();
    std::fs::set_permissions(&kept, Permissions::from_mode(0o600)).unwrap();
    admin(installation, &["users", "import", &kept.to_string_lossy()]);
    admin(installation, &["sessions", "revoke", "--user", name]);
    admin(installation, &["users", "delete", name, "--yes"]);
    let (_, id) = token(installation);
    admin(installation, &["tokens", "rotate", &id]);
    admin(installation, &["tokens", "remove", &id]);
    for look in [["users", "list"], ["tokens", "list"], ["sessions", "list"], ["db", "status"]] {
        admin(installation, &look);
    }
    admin(installation, &["audit", "--since", "1h"]);
}

/// What a file of users says of one.
fn section(text: &str, name: &str) -> String {
    let begins = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let of_one = |line: &&str| line.trim_start().trim_matches(['"', ':']).starts_with(name);
    let mut lines = text.lines().skip_while(|line| !(begins(line) && of_one(line)));
    let first = lines.next().unwrap();
    let rest = lines.take_while(|line| !begins(line) && line.starts_with(' '));
    std::iter::once(first).chain(rest).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_newer_release_adds_to_the_tables_under_load_and_servers_of_this_one_go_on_and_start() {
    let mail = MailServer::start(&[]);
    let mut cluster = Cluster::start_with_mail(mail.port());
    let clients = clients(&cluster);
    let role = ["users", "add", "root", "--role", "admin", "--note", "Root", "--password-stdin"];
    assert!(cluster.installation.admin_reading(&role, PASSWORD).status.success());
    let root = session(cluster.door(), "root", PASSWORD);
    let all = |cluster: &Cluster, when: &str| {
        for (index, to) in cluster.places().into_iter().enumerate() {
            assert!(eventually(|| opens(to, &root)));
            At { to, root: &root, mail: &mail }.everything(&format!("{when}{index}"));
        }
        with_the_tool(&cluster.installation, &format!("{when}tool"));
    };
    all(&cluster, "before");
    let written = under_load(cluster.door(), &clients, "dora", |tally| {
        by_hand(&cluster.installation, ADDITIONS);
        assert!(tally.goes_on(), "on connections that were open before");
        assert_eq!((tally.failed(), tally.unwritten()), (0, 0));
    });
    written.assert_holds(&cluster.places());
    all(&cluster, "after");
    let written = under_load(cluster.door(), &clients, "dora", |tally| {
        cluster.stop(1);
        cluster.start_again(1);
        assert!(tally.goes_on(), "all serve");
        assert_eq!((tally.failed(), tally.unwritten()), (0, 0));
    });
    written.assert_holds(&cluster.places());
    At { to: cluster.places()[1], root: &root, mail: &mail }.everything("anew");
    let version = by_hand(&cluster.installation, "SELECT version, min_reader FROM mcp_schema");
    assert_eq!(version, "2|1\n", "nobody who starts takes it back");
}

#[test]
fn tables_that_a_newer_release_has_for_itself_stop_the_start_with_a_sentence() {
    let installation = installed("");
    installation.add_user("alice", PASSWORD);
    let running = installation.start();
    let to = running.address();
    by_hand(&installation, "UPDATE mcp_schema SET version = 3, min_reader = 2");
    let mut late = installation.start();
    assert_eq!(late.wait().code(), Some(1));
    let sentence =
        "the tables are of version 3 and for releases that know 2 or later; this one knows 1";
    late.wait_for_line(sentence);
    late.wait_for_line("hint: run the release that wrote them, or a later one");
    for arguments in [&["users", "list"][..], &["users", "disable", "alice"], &["check"]] {
        let refused = installation.admin(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        let said = [refused.stdout, refused.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
    assert!(logs_in(to, "alice", PASSWORD), "whoever runs already is not put out of the door");
}

/// The account of the tables that are told by names.
const JOHN: &str =
    "INSERT INTO users (username, password_hash) VALUES ('johndoe', 'PASTE_HASH_HERE');";

/// Tables that are told by numbers, with the account of `johndoe`.
pub(crate) const BY_ID: &str = "
CREATE TABLE users (
    id BIGSERIAL PRIMARY KEY,
    username VARCHAR(255) UNIQUE,
    email VARCHAR(255) UNIQUE,
    password_hash VARCHAR(255),
    is_active BOOLEAN,
    is_admin BOOLEAN,
    created_at TIMESTAMP,
    updated_at TIMESTAMP,
    last_login_at TIMESTAMP,
    metadata JSONB
);
CREATE TABLE password_reset_tokens (
    id BIGSERIAL PRIMARY KEY,
    user_id BIGINT,
    token VARCHAR(255) UNIQUE,
    expires_at TIMESTAMP,
    used BOOLEAN,
    created_at TIMESTAMP
);
CREATE TABLE user_sessions (
    id BIGSERIAL PRIMARY KEY,
    user_id BIGINT,
    token_jti VARCHAR(255),
    expires_at TIMESTAMP,
    created_at TIMESTAMP,
    last_used_at TIMESTAMP,
    ip_address VARCHAR(45),
    user_agent TEXT
);
INSERT INTO users (username, email, password_hash, is_active, is_admin)
    VALUES ('johndoe', 'john@example.com', 'PASTE_HASH_HERE', true, false);";

#[test]
fn tables_of_an_older_system_are_migrated_once_while_another_server_runs_and_all_serve_them() {
    for tables in [format!("{BY_NAME}{JOHN}"), BY_ID.to_owned()] {
        let mut installation = installed("  fallback: memory\n");
        let hash = installation.admin_reading(&["hash-password"], &format!("{PASSWORD}\n"));
        let hash = String::from_utf8(hash.stdout).unwrap();
        let tables = tables.replace("PASTE_HASH_HERE", hash.trim());
        by_hand(&installation, &format!("SET ROLE keeper; {tables}"));
        installation.postgres_mut().stop();
        let running = installation.start();
        running.wait_for_line("Starting without the user store");
        installation.postgres_mut().resume().unwrap();
        let servers = [running, installation.start(), installation.start()];
        let places = servers.each_ref().map(ServerProcess::address);
        for to in places {
            assert!(eventually(|| logs_in(to, "johndoe", PASSWORD)), "at {to}");
        }
        let migrated = |log: String| log.matches("Migrated the table of users").count();
        let by_each = servers.each_ref().map(|server| migrated(server.log()));
        assert_eq!(by_each.iter().sum::<usize>(), 1, "{by_each:?}");
        let opened = session(places[0], "johndoe", PASSWORD);
        assert!(places.into_iter().all(|to| eventually(|| opens(to, &opened))));
        by_hand(&installation, "UPDATE users SET active = false WHERE username = 'johndoe'");
        assert!(places.into_iter().all(|to| closes(to, &opened)));
    }
}
