//! Several databases, and every way to one: hosts, TLS, certificates, password files; who is
//! admitted, and which logins are not used.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mcp_testdb::{Options, Postgres, Tcp, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use support::{Installation, Request, ServerProcess, eventually, query};

const PASSWORD: &str = "SecurePassword123!";
const UNREACHABLE: &str = "Error: the database cannot be reached at the moment; try again later";

/// An authority, a stranger, and a key pair signed by the authority for each end.
pub(crate) fn certificates(folder: &Path) {
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        fs::write(folder.join(format!("{name}.pem")), pem).unwrap();
        Issuer::new(params, key)
    };
    let (signer, _) = (authority("authority"), authority("stranger"));
    for (name, subject) in [("server", "127.0.0.1"), ("client", "agent")] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, subject);
        let pem = params.signed_by(&key, &signer).unwrap().pem();
        fs::write(folder.join(format!("{name}.pem")), pem).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A PostgreSQL on TCP with a role `agent` that has a password.
pub(crate) fn on_tcp(tls: Option<TlsFiles>) -> Postgres {
    let tcp = Tcp { password: "of the superuser".into(), tls };
    let postgres =
        Postgres::for_tests_with(Options { tcp: Some(tcp), settings: Vec::new() }).unwrap();
    let role = "SET password_encryption = 'scram-sha-256';
        CREATE ROLE agent LOGIN PASSWORD 'let me: in'";
    postgres.execute("postgres", role).unwrap();
    postgres
}

fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_database_is_reached_by_verified_tls_a_client_certificate_and_a_password_file() {
    let installation = Installation::new("");
    let folder = installation.path();
    certificates(folder);
    let path = |name: &str| folder.join(name);
    let files = TlsFiles {
        certificate: path("server.pem"),
        key: path("server.key"),
        client_ca: Some(path("authority.pem")),
    };
    let vault = on_tcp(Some(files));
    // What PostgreSQL says of every line is not for agents; of their own they are told here.
    let line = "CREATE VIEW my_line AS
            SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid();
        GRANT SELECT ON my_line TO agent";
    vault.execute("postgres", line).unwrap();
    let line = format!("127.0.0.1:{}:*:agent:let me\\: in\n", vault.port());
    private(&path("passwords"), &line);
    let entry = |name: &str, root: &str, certificate: &str| {
        format!(
            "  - name: {name}\n    host: 127.0.0.1\n    port: {}\n    database: postgres\n    \
             user: agent\n    passfile: passwords\n    sslmode: verify-full\n    \
             sslrootcert: {root}.pem\n{certificate}",
            vault.port()
        )
    };
    let certificate = "    sslcert: client.pem\n    sslkey: client.key\n";
    installation.write_config(&format!(
        "{}{}{}",
        entry("vault", "authority", certificate),
        entry("impostor", "stranger", certificate),
        entry("unproven", "authority", "")
    ));
    let server = installation.start();
    let ask = |database: &str| {
        let token = installation.add_token(&["--database", database]);
        let sql = "SELECT ssl, client_dn FROM my_line";
        assert!(support::eventually(|| opens(&server, &token)));
        query(server.address(), &token, &json!({ "query": sql })).0
    };
    let answer = ask("vault");
    assert!(answer.starts_with("ssl\tclient_dn\nt\t/CN="), "{answer}");
    assert_eq!(ask("impostor"), UNREACHABLE);
    assert_eq!(ask("unproven"), UNREACHABLE);
    assert!(!server.log().contains("let me"), "{}", server.log());
}

fn opens(server: &ServerProcess, token: &str) -> bool {
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
    Request::raw_mcp(list).bearer(token).send(server.address()).status == 200
}

#[test]
fn the_password_file_of_the_home_directory_serves_where_no_file_names_a_database() {
    let installation = Installation::new("");
    let postgres = on_tcp(None);
    private(&installation.path().join(".pgpass"), "*:*:*:agent:let me\\: in\n");
    let token_file = installation.token_file();
    let arguments =
        ["--http", "--addr", "127.0.0.1:0", "--token-file", &token_file.to_string_lossy()];
    let port = postgres.port().to_string();
    let environment = [
        ("HOME", &*installation.path().to_string_lossy()),
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", &port),
        ("PGUSER", "agent"),
        ("PGDATABASE", "postgres"),
    ];
    let server = ServerProcess::start(&arguments, &environment);
    let (text, failed) = installation.query(server.address(), "SELECT current_user AS me");
    assert!(!failed && text.starts_with("me\nagent\n"), "{text}");
}

#[test]
fn hosts_are_tried_in_order_and_the_kind_of_server_counts() {
    let installation = Installation::new("");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = free.local_addr().unwrap();
    drop(free);
    let postgres = on_tcp(None);
    let entry = |name: &str, wanted: &str| {
        format!(
            "  - name: {name}\n    url: \"postgresql://agent@{dead},127.0.0.1:{}/postgres\"\n    \
             password: \"let me: in\"\n    target_session_attrs: {wanted}\n",
            postgres.port()
        )
    };
    installation.write_config(&format!(
        "{}{}",
        entry("first", "primary"),
        entry("second", "standby")
    ));
    let (first, second) = (
        installation.add_token(&["--database", "first"]),
        installation.add_token(&["--database", "second"]),
    );
    let server = installation.start();
    let port = json!({ "query": "SELECT inet_server_port() AS port" });
    let (text, _) = query(server.address(), &first, &port);
    assert!(text.starts_with(&format!("port\n{}\n", postgres.port())), "{text}");
    assert_eq!(query(server.address(), &second, &port), (UNREACHABLE.to_owned(), true));
    server.wait_for_line("not standby, which target_session_attrs asks for");
}

#[test]
fn a_standby_is_read_a_primary_is_written_and_a_promoted_standby_takes_its_place() {
    let settings = [("wal_level", "replica"), ("max_wal_senders", "4")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut primary = Postgres::for_tests_with(Options { tcp: None, settings }).unwrap();
    let ledger =
        "CREATE ROLE agent LOGIN; CREATE TABLE ledger (id int); GRANT ALL ON ledger TO agent";
    primary.execute("postgres", ledger).unwrap();
    let standby = primary.standby().unwrap();
    let host = |one: &Postgres| one.socket_dir().display().to_string().replace('/', "%2F");
    let hosts =
        format!("{}:{},{}:{}", host(&standby), standby.port(), host(&primary), primary.port());
    let entry = |wanted: &str| {
        format!(
            "  - name: {wanted}\n    url: \"postgresql://agent@{hosts}/postgres\"\n    \
             allow_writes: true\n    target_session_attrs: {wanted}\n"
        )
    };
    let installation = Installation::new("");
    let kinds = ["primary", "read-write", "standby", "read-only", "prefer-standby", "any"];
    installation.write_config(&kinds.map(entry).concat());
    let tokens = kinds.map(|kind| installation.add_token(&["--database", kind]));
    let server = installation.start();
    let ask = |kind: &str, text: &str| {
        let token = &tokens[kinds.iter().position(|one| *one == kind).unwrap()];
        query(server.address(), token, &json!({ "query": text })).0
    };
    let is_standby = |kind: &str| {
        let said = ask(kind, "SELECT pg_is_in_recovery() AS standby");
        said.strip_prefix("standby\n").and_then(|rest| rest.chars().next())
    };
    // The standby stands first: who takes any gets it.
    let found = kinds.map(is_standby);
    assert_eq!(found, ['f', 'f', 't', 't', 't', 't'].map(Some));
    let insert = "INSERT INTO ledger VALUES (1)";
    assert_eq!(ask("primary", insert), "-- INSERT: 1 row changed in database primary");
    let refused = ask("standby", insert);
    assert!(refused.starts_with("Error 25006: cannot execute INSERT"), "{refused}");
    assert!(eventually(|| ask("standby", "TABLE ledger").starts_with("id\n1\n")));
    primary.crash();
    assert_eq!(standby.execute("postgres", "SELECT pg_promote()").unwrap(), "t\n");
    // What was connected to the old one costs one answer at most, and then finds the new one.
    assert!(eventually(|| is_standby("primary") == Some('f')));
    assert!(ask("primary", insert).starts_with("-- INSERT: 1 row changed"));
    assert!(ask("read-write", "TABLE ledger").starts_with("id\n1\n1\n"));
}

fn session(server: &ServerProcess, user: &str) -> String {
    let arguments = json!({ "username": user, "password": PASSWORD });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = Request::mcp(&message).send(server.address()).json();
    let said = answer["result"]["content"][0]["text"].as_str().unwrap();
    let said: Value = serde_json::from_str(said).unwrap();
    said["session_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_user_reaches_the_databases_that_admit_the_user_and_a_token_its_own() {
    let installation = Installation::new("");
    let private = format!(
        "  - name: private\n    host: {}\n    database: shop\n    user: agent\n    \
         available_to_users: [Alice]\npasswords:\n  bcrypt_cost: 4\n  min_response_ms: 0\n",
        installation.postgres().socket_dir().display()
    );
    installation.write_config_with_users("", &private);
    installation.add_user("alice", PASSWORD);
    installation.add_user("bob", PASSWORD);
    let token = installation.add_token(&["--database", "private"]);
    let server = installation.start();
    let ask = |token: &str, database: Option<&str>| {
        let mut arguments = json!({ "query": "SELECT current_setting('mcp.username') AS who" });
        if let Some(database) = database {
            arguments["database"] = database.into();
        }
        query(server.address(), token, &arguments).0
    };
    let (alice, bob) = (session(&server, "alice"), session(&server, "bob"));
    assert_eq!(ask(&alice, None), "who\nalice\n-- 1 row of database shop");
    assert_eq!(ask(&alice, Some("private")), "who\nalice\n-- 1 row of database private");
    assert_eq!(ask(&bob, Some("shop")), "who\nbob\n-- 1 row of database shop");
    let unknown = ask(&bob, Some("nowhere"));
    assert!(unknown.starts_with("Error: unknown database"), "{unknown}");
    assert_eq!(ask(&bob, Some("private")), unknown);
    assert_eq!(ask(&token, None), "who\n\n-- 1 row of database private");
    assert_eq!(ask(installation.token(), Some("private")), unknown);
}

#[test]
fn a_login_that_may_do_too_much_stops_the_start_unless_that_is_meant() {
    let accounts = [
        include_str!("../../crates/mcp-store-postgres/src/schema/users.sql"),
        include_str!("../../crates/mcp-store-postgres/src/schema/sessions.sql"),
        include_str!("../../crates/mcp-store-postgres/src/schema/rest.sql"),
    ];
    let accounts = accounts.concat().replace("@COLLATION@", "\"default\"");
    let installation = Installation::new(&accounts);
    let refused = |reason: &str, key: &str| {
        let mut server = installation.start();
        assert_eq!(server.wait().code(), Some(1), "{}", server.log());
        server.wait_for_line(reason);
        assert!(server.wait_for_line("hint: ").contains(key));
        let checked = installation.admin(&["check", "--databases"]);
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(said.contains(&format!("fail  database role    {reason}")), "{said}");
    };
    refused("shop: its login can read the accounts", "allow_shared_auth_database");
    let config = fs::read_to_string(installation.config()).unwrap();
    let meant = format!("{config}users:\n  allow_shared_auth_database: true\n");
    fs::write(installation.config(), &meant).unwrap();
    let server = installation.start();
    server.wait_for_line("WARN");
    assert!(!installation.query(server.address(), "SELECT username FROM users").1);

    let superuser = meant.replace("user: agent", "user: postgres");
    fs::write(installation.config(), &superuser).unwrap();
    refused("shop: its login or role is superuser", "allow_superuser");
    let meant = superuser.replace("user: postgres", "user: postgres\n    allow_superuser: true");
    fs::write(installation.config(), meant).unwrap();
    assert!(!installation.query(installation.start().address(), "SELECT 1").1);
}
