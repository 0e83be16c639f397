//! Two documents about accounts (a guide to password recovery, and a user management system), each
//! walked from top to bottom on PostgreSQL: every request and every SQL statement that it prints,
//! in its order and as it stands there, and every setting that it names.
//!
//! What is replaced: hosts, credentials, and the two command lines that are others here
//! (`mcp-admin hash-password`, and an environment in place of Helm). The pages under `/admin` but
//! one and the workflow answer 404. `UPDATE run_metadata` runs on a table that the test makes.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use support::{Installation, MailServer, Request, Response, ServerProcess, eventually};

use crate::accounts_sources::{LOGIN, LOGOUT, ME, REGISTER, VERIFY, send};
use crate::many_servers::BY_ID;
use crate::postgres_store::{by_hand, installed, opens};

const FIRST: &str = "FirstAdminPassword1!";

/// All failures come from one address here, more than people have in a quarter of an hour.
const MANY_FAILURES: (&str, &str) = ("MCP_HTTP_AUTH_RATE_LIMIT_MAX_ATTEMPTS", "1000");

fn start(installation: &Installation, environment: &[(&str, &str)]) -> ServerProcess {
    let config = installation.config();
    ServerProcess::start(&["--config", &config.to_string_lossy()], environment)
}

fn stop(mut server: ServerProcess) {
    server.signal("TERM");
    assert!(server.wait().success());
}

fn ask(to: SocketAddr, line: &str, body: &Value) -> Response {
    let (method, path) = line.split_once(' ').unwrap();
    let request = Request::new(method, path).header("Content-Type", "application/json");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request.body(&body).send(to)
}

fn log_in(to: SocketAddr, name: &str, password: &str) -> Response {
    ask(to, "POST /auth/login", &json!({ "username": name, "password": password }))
}

fn token(login: &Response) -> String {
    assert_eq!(login.status, 200, "{}", login.text());
    login.json()["access_token"].as_str().unwrap().to_owned()
}

/// The one-time secret in the next letter that has one.
fn secret_in(mail: &MailServer) -> String {
    loop {
        let letter = mail.letter();
        let text = letter["text"].as_str().unwrap();
        if let Some((_, rest)) = text.split_once("/admin/reset-password/") {
            return rest.split_whitespace().next().unwrap().to_owned();
        }
    }
}

// The guide to recovery.

const RESET_BY_ADMIN: &str = r#"curl -X PUT "http://localhost:4444/auth/email/admin/users/user%40example.com" \
  -H "Authorization: Bearer $ADMIN_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{
    "password": "NewUserPassword123!",
    "password_change_required": false
  }'"#;

const UNLOCK: &str = r#"curl -X POST "http://localhost:4444/auth/email/admin/users/user%40example.com/unlock" \
  -H "Authorization: Bearer $ADMIN_TOKEN""#;

const BREAK_GLASS: &str = "UPDATE email_users
SET password_hash = 'PASTE_HASH_HERE',
    password_change_required = false,
    failed_login_attempts = 0,
    locked_until = NULL,
    password_changed_at = CURRENT_TIMESTAMP
WHERE email = 'admin@example.com';";

const ADMINS: &str = "SELECT email, is_admin, failed_login_attempts, locked_until
FROM email_users
WHERE is_admin = true;";

/// Every setting that the guide names, but for where letters go.
const SETTINGS: [(&str, &str); 14] = [
    ("PASSWORD_RESET_ENABLED", "true"),
    ("PASSWORD_RESET_TOKEN_EXPIRY_MINUTES", "60"),
    ("PASSWORD_RESET_RATE_LIMIT", "5"),
    ("PASSWORD_RESET_RATE_WINDOW_MINUTES", "15"),
    ("PASSWORD_RESET_INVALIDATE_SESSIONS", "true"),
    ("PASSWORD_RESET_MIN_RESPONSE_MS", "0"),
    ("SMTP_FROM_EMAIL", "noreply@example.com"),
    ("SMTP_FROM_NAME", "MCP Gateway"),
    ("SMTP_USE_TLS", "false"),
    ("SMTP_USE_SSL", "false"),
    ("SMTP_TIMEOUT_SECONDS", "15"),
    ("MAX_FAILED_LOGIN_ATTEMPTS", "5"),
    ("ACCOUNT_LOCKOUT_DURATION_MINUTES", "15"),
    ("ACCOUNT_LOCKOUT_NOTIFICATION_ENABLED", "true"),
];

/// Runs a printed command line in a shell.
fn run(printed: &str, to: SocketAddr, admin: &str) -> Value {
    let line = printed.replace("http://localhost:4444", &format!("http://{to}"));
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{line} --silent --fail")]).env("ADMIN_TOKEN", admin);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The guide's reader: an admin and a user, whose letters arrive.
struct Gateway {
    installation: Installation,
    mail: MailServer,
}

impl Gateway {
    fn new() -> Self {
        let gateway = Self { installation: installed(""), mail: MailServer::start(&[]) };
        let add = ["users", "add", "user", "--email", "user@example.com", "--note", "User"];
        let add = [&add[..], &["--password-stdin"]].concat();
        // The admin is the first account, or nobody makes it.
        stop(gateway.start(FIRST));
        assert!(gateway.installation.admin_reading(&add, "UsersPassword123!").status.success());
        gateway
    }

    /// As the secret of a deployment has the admin's password.
    fn start(&self, password: &str) -> ServerProcess {
        let port = self.mail.port().to_string();
        let mut environment = SETTINGS.to_vec();
        environment.push(MANY_FAILURES);
        environment.extend([("SMTP_ENABLED", "true"), ("SMTP_HOST", "127.0.0.1")]);
        environment.extend([("SMTP_PORT", port.as_str())]);
        environment.extend([("PLATFORM_ADMIN_EMAIL", "admin@example.com")]);
        environment.extend([("PLATFORM_ADMIN_PASSWORD", password)]);
        let server = start(&self.installation, &environment);
        let _ = server.address();
        server
    }

    fn forgot(to: SocketAddr, email: &str) -> Response {
        ask(to, "POST /auth/email/forgot-password", &json!({ "email": email }))
    }

    /// "User flow", "API endpoints" and "Behavior".
    fn self_service(&self, to: SocketAddr) {
        for page in
            ["GET /admin/login", "GET /admin/forgot-password", "POST /admin/forgot-password"]
        {
            assert_eq!(ask(to, page, &Value::Null).status, 404, "{page}");
        }
        let asked = Self::forgot(to, "user@example.com");
        let generic = Self::forgot(to, "nobody@example.com");
        assert_eq!((asked.status, asked.text()), (200, generic.text()), "a generic response");
        let secret = secret_in(&self.mail);
        assert_eq!(
            by_hand(
                &self.installation,
                &format!(
                    "SELECT token = encode(sha256('{secret}'), 'hex'), \
                     round(extract(epoch FROM expires_at - created_at) / 60) \
                     FROM password_reset_tokens"
                )
            ),
            "t|60\n",
            "hashed in the database, for 60 minutes"
        );
        let page = format!("/admin/reset-password/{secret}");
        assert_eq!(ask(to, &format!("GET {page}"), &Value::Null).status, 200);
        let form = "new_password=FormPassword123%21&confirm_password=FormPassword123%21";
        let kind = "application/x-www-form-urlencoded";
        let post = Request::new("POST", &page).header("Content-Type", kind).body(form);
        assert_eq!(post.send(to).status, 200);
        assert_eq!(post.send(to).status, 400, "one time");
        token(&log_in(to, "user@example.com", "FormPassword123!"));

        assert_eq!(Self::forgot(to, "user@example.com").status, 200);
        let path = format!("/auth/email/reset-password/{}", secret_in(&self.mail));
        let looked = ask(to, &format!("GET {path}"), &Value::Null);
        assert_eq!((looked.status, &looked.json()["valid"]), (200, &json!(true)));
        let new = "ThirdPassword123!";
        let body = json!({ "new_password": new, "confirm_password": new });
        assert_eq!(ask(to, &format!("POST {path}"), &body).status, 200);
        assert_eq!(ask(to, &format!("POST {path}"), &body).status, 400, "one time");
        token(&log_in(to, "user", new));
        let more = [(); 4].map(|()| Self::forgot(to, "user@example.com").status);
        assert_eq!(more, [200, 200, 200, 429], "5 requests in 15 minutes");
    }

    /// "If SMTP/email is not configured".
    fn without_mail(&self) {
        let server = start(&self.installation, &[("SMTP_ENABLED", "false")]);
        let to = server.address();
        assert_eq!(Self::forgot(to, "admin@example.com").status, 200);
        stop(server);
    }

    /// "API-Based Admin Reset & Unlock".
    fn by_an_admin(to: SocketAddr) {
        let admin = token(&log_in(to, "admin@example.com", FIRST));
        let held = token(&log_in(to, "user", "ThirdPassword123!"));
        run(RESET_BY_ADMIN, to, &admin);
        assert!(!opens(to, &held));
        for attempt in 0..5 {
            assert_eq!(log_in(to, "user", &format!("Wrong{attempt}Password")).status, 401);
        }
        assert_eq!(log_in(to, "user", "NewUserPassword123!").status, 401, "it is locked");
        let unlocked = run(UNLOCK, to, &admin);
        assert_eq!(unlocked["failed_login_attempts"], 0);
        token(&log_in(to, "user@example.com", "NewUserPassword123!"));
    }

    /// "Direct DB update" and "Emergency Full Lockout Procedure".
    fn break_glass(&self, to: SocketAddr, known: &str) {
        let held = token(&log_in(to, "admin@example.com", known));
        let must = "UPDATE email_users SET password_change_required = true WHERE is_admin";
        by_hand(&self.installation, must);
        for attempt in 0..5 {
            assert_eq!(log_in(to, "admin", &format!("Wrong{attempt}Password")).status, 401);
        }
        let admins = by_hand(&self.installation, ADMINS);
        assert!(admins.starts_with("admin@example.com|t|5|20"), "{admins}");
        let new = "EmergencyPassword123!";
        let hash = self.installation.admin_reading(&["hash-password"], &format!("{new}\n"));
        let hash = String::from_utf8(hash.stdout).unwrap();
        assert!(hash.starts_with("$argon2id$"), "password hashes use Argon2id: {hash}");
        by_hand(&self.installation, &BREAK_GLASS.replace("PASTE_HASH_HERE", hash.trim()));
        assert_eq!(by_hand(&self.installation, ADMINS), "admin@example.com|t|0|\n");
        assert_eq!(log_in(to, "admin@example.com", known).status, 401);
        token(&log_in(to, "admin@example.com", new));
        assert!(eventually(|| !opens(to, &held)), "old sessions end");
    }
}

#[test]
fn the_guide_to_password_recovery_holds_from_top_to_bottom() {
    let gateway = Gateway::new();
    let server = gateway.start(FIRST);
    let to = server.address();
    gateway.self_service(to);
    gateway.without_mail();
    assert_eq!(ask(to, "GET /admin/", &Value::Null).status, 404);
    Gateway::by_an_admin(to);
    stop(server);
    // "Helm bootstrap password update".
    let new = "NewSecurePassword123!";
    let server = gateway.start(new);
    let to = server.address();
    assert_eq!(log_in(to, "admin@example.com", FIRST).status, 401);
    gateway.break_glass(to, new);
}

// The user management system.

const ASK_RESET: &str = r#"POST /auth/password-reset-request
Content-Type: application/json

{
  "email": "john@example.com"
}"#;

const RESET: &str = r#"POST /auth/password-reset
Content-Type: application/json

{
  "token": "token_from_email",
  "new_password": "NewSecurePass456"
}"#;

const WORKFLOW: [&str; 5] = [
    r#"POST /start
Authorization: Bearer eyJ0eXAiOiJKV1...
Content-Type: application/json

{
  "thread_id": "thread_abc123",
  "sop": "Process customer order",
  "initial_data": {
    "order_id": "12345"
  },
  "run_name": "Customer Order Processing"
}"#,
    "GET /status/thread_abc123\nAuthorization: Bearer eyJ0eXAiOiJKV1...",
    r#"POST /approve/thread_abc123
Authorization: Bearer eyJ0eXAiOiJKV1...
Content-Type: application/json

{
  "approved": true
}"#,
    "GET /admin/runs?limit=50\nAuthorization: Bearer eyJ0eXAiOiJKV1...",
    "POST /rerun/thread_abc123\nAuthorization: Bearer eyJ0eXAiOiJKV1...",
];

const MAKE_ADMIN: &str = "UPDATE users SET is_admin = TRUE WHERE username = 'johndoe';";

const ASSIGN_RUNS: &str = "-- Assign all existing runs to system user
UPDATE run_metadata 
SET user_id = (SELECT id FROM users WHERE username = 'system')
WHERE user_id IS NULL;";

/// The printed tables, each with its printed columns.
const TABLES: [(&str, &str); 3] = [
    (
        "users",
        "id username email password_hash is_active is_admin created_at updated_at last_login_at \
         metadata",
    ),
    ("password_reset_tokens", "id user_id token expires_at used created_at"),
    (
        "user_sessions",
        "id user_id token_jti expires_at created_at last_used_at ip_address user_agent",
    ),
];

/// The printed environment, with another secret and another place for letters.
fn framework(port: &str) -> Vec<(&'static str, &str)> {
    vec![
        ("JWT_SECRET", "Zm9ydHktdHdvLXJhbmRvbS1ieXRlcy1mb3ItYS10ZXN0"),
        ("JWT_EXPIRY_HOURS", "24"),
        ("SMTP_HOST", "127.0.0.1"),
        ("SMTP_PORT", port),
        ("SMTP_USE_TLS", "false"),
        ("SMTP_FROM_EMAIL", "noreply@yourdomain.com"),
        ("SMTP_FROM_NAME", "AgentSkills Framework"),
        ("APP_URL", "http://localhost:3000"),
        ("PUBLIC_REGISTRATION_ENABLED", "true"),
        ("PASSWORD_RESET_MIN_RESPONSE_MS", "0"),
    ]
}

/// The printed tables with the account of the system alone.
fn old_system() -> Installation {
    let installation = installed("");
    let tables = BY_ID.replace("johndoe", "system").replace("john@", "system@");
    by_hand(
        &installation,
        &format!("SET ROLE keeper; {}", tables.replace("true, false", "true, true")),
    );
    installation
}

/// "Configure Environment Variables" and "Troubleshooting": what is printed is no secret.
fn refuses_the_printed_secrets(installation: &Installation) {
    for printed in ["your_secure_random_secret_here_min_32_chars", "your_secure_random_secret_here"]
    {
        let mut refused = start(installation, &[("JWT_SECRET", printed)]);
        assert_eq!(refused.wait().code(), Some(1));
        refused.wait_for_line("JWT_SECRET");
    }
}

/// "Apply Database Schema" and "Database Schema".
fn has_every_printed_column(installation: &Installation) {
    for (table, columns) in TABLES {
        for column in columns.split(' ') {
            by_hand(installation, &format!("SELECT {column} FROM {table}"));
        }
    }
}

/// "Authentication Endpoints", and "Frontend Integration Example". Gives the token of the last login.
fn authenticates(to: SocketAddr, mail: &MailServer) -> String {
    let registered = send(to, REGISTER, "");
    assert_eq!(registered.status, 201, "{}", registered.text());
    let bearer = token(&send(to, LOGIN, ""));
    assert_eq!(bearer.split('.').count(), 3, "a JSON Web Token");
    for own in [ME, VERIFY] {
        let answer = send(to, own, &bearer);
        assert_eq!((answer.status, &answer.json()["username"]), (200, &json!("johndoe")));
    }
    assert_eq!(send(to, LOGOUT, &bearer).text(), r#"{"message":"Logged out successfully"}"#);
    for own in [ME, VERIFY, LOGOUT] {
        assert_eq!(send(to, own, &bearer).status, 401);
    }
    let held = token(&send(to, LOGIN, ""));
    let asked = send(to, ASK_RESET, "");
    let said = r#"{"message":"If the email exists, a password reset link has been sent."}"#;
    assert_eq!((asked.status, asked.text()), (200, said));
    let secret = secret_in(mail);
    let reset = send(to, &RESET.replace("token_from_email", &secret), "");
    let said =
        r#"{"message":"Password reset successfully. Please log in with your new password."}"#;
    assert_eq!((reset.status, reset.text()), (200, said));
    let refused = send(to, ME, &held);
    let said = r#"{"detail":"Invalid or expired token"}"#;
    assert_eq!((refused.status, refused.text()), (401, said), "all sessions end");
    // As `JSON.stringify` writes it.
    let body = json!({ "username": "johndoe", "password": "NewSecurePass456" });
    let data = ask(to, "POST /auth/login", &body);
    assert_eq!(data.json()["user"]["username"], "johndoe");
    token(&data)
}

#[test]
fn the_user_management_system_holds_from_top_to_bottom() {
    let (installation, mail) = (old_system(), MailServer::start(&[]));
    refuses_the_printed_secrets(&installation);
    let port = mail.port().to_string();
    let server = start(&installation, &framework(&port));
    let to = server.address();
    has_every_printed_column(&installation);
    let bearer = authenticates(to, &mail);
    for printed in WORKFLOW {
        assert_eq!(send(to, printed, &bearer).status, 404, "{printed}");
    }
    // "Creating Admin Users": at once, and for the session that is open.
    let users = "GET /auth/email/admin/users\nAuthorization: Bearer eyJ0eXAiOiJKV1...";
    assert_eq!(send(to, users, &bearer).status, 403);
    by_hand(&installation, MAKE_ADMIN);
    assert!(eventually(|| send(to, users, &bearer).status == 200));
    assert_eq!(send(to, ME, &bearer).json()["is_admin"], true);
    // "Email service not configured".
    let silent = start(&installation, &[]);
    let unsent = send(silent.address(), ASK_RESET, "");
    let said = r#"{"detail":"Email service not configured"}"#;
    assert_eq!((unsent.status, unsent.text()), (503, said));
    // "Migration from Old System": the accounts are here, the runs are not.
    by_hand(&installation, "CREATE TABLE run_metadata (thread_id TEXT, user_id BIGINT)");
    by_hand(&installation, "INSERT INTO run_metadata VALUES ('old', NULL), ('own', 2)");
    by_hand(&installation, ASSIGN_RUNS);
    let of_whom = "SELECT thread_id, username FROM run_metadata JOIN users ON users.id = user_id \
                   ORDER BY thread_id";
    assert_eq!(by_hand(&installation, of_whom), "old|system\nown|johndoe\n");
    assert!(!server.log().contains("NewSecurePass456"));
}
