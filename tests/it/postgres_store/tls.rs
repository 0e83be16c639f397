//! The line to the database of the users: verified, or said to be open; and never told with its
//! password.

use mcp_testdb::{Postgres, TlsFiles};
use support::{Installation, ServerProcess};

use super::{PASSWORD, QUICK, installed, logs_in};
use crate::databases::{certificates, on_tcp};

/// Of `agent`, the role that has one.
const LINE_PASSWORD: &str = "let me: in";

/// An installation whose users are behind TLS: the certificate is for 127.0.0.1, and clients show
/// one of the authority, too.
struct Vault {
    installation: Installation,
    postgres: Postgres,
}

impl Vault {
    fn new() -> Self {
        let installation = Installation::new("");
        let folder = installation.path();
        certificates(folder);
        let files = TlsFiles {
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
            client_ca: Some(folder.join("authority.pem")),
        };
        let postgres = on_tcp(Some(files));
        postgres.execute("postgres", "CREATE DATABASE people OWNER agent").unwrap();
        Self { installation, postgres }
    }

    /// Settings of a DSN that work, in their order; each may be changed.
    fn line(&self) -> [(&'static str, String); 9] {
        let file = |name: &str| self.installation.path().join(name).display().to_string();
        [
            ("host", "127.0.0.1".to_owned()),
            ("port", self.postgres.port().to_string()),
            ("user", "agent".to_owned()),
            ("password", LINE_PASSWORD.to_owned()),
            ("dbname", "people".to_owned()),
            ("sslmode", "verify-full".to_owned()),
            ("sslrootcert", file("authority.pem")),
            ("sslcert", file("client.pem")),
            ("sslkey", file("client.key")),
        ]
    }

    /// Configures the line as it is, but for these settings; an empty one is left out.
    fn configure(&self, but: &[(&str, &str)]) {
        let changed = |key: &str| but.iter().find(|(name, _)| *name == key).map(|(_, to)| *to);
        let settings = self.line().into_iter().map(|(key, value)| {
            let value = changed(key).map_or(value, str::to_owned);
            if value.is_empty() { String::new() } else { format!("{key}='{value}' ") }
        });
        configure(&self.installation, &settings.collect::<String>());
    }

    fn said(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.installation.admin(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains(LINE_PASSWORD), "{said}");
        (output.status.code(), said)
    }
}

fn configure(installation: &Installation, dsn: &str) {
    let users = format!("users:\n  database_dsn: \"{}\"\n", dsn.trim_end());
    installation.write_config(&format!("{QUICK}{users}"));
}

fn refused(installation: &Installation) -> String {
    let mut server: ServerProcess = installation.start();
    assert!(!server.wait().success(), "{}", server.log());
    server.wait_for_line("ERROR: postgresql://agent:***@");
    assert!(!server.log().contains(LINE_PASSWORD), "{}", server.log());
    server.log()
}

#[test]
fn users_behind_verified_tls_and_a_client_certificate_are_reached_by_server_and_operator() {
    let vault = Vault::new();
    vault.configure(&[]);
    vault.installation.add_user("alice", PASSWORD);
    let server = vault.installation.start();
    assert!(logs_in(server.address(), "alice", PASSWORD), "{}", server.log());
    let open = "SELECT count(*), bool_and(ssl), count(client_dn) > 0, \
                bool_and(client_dn LIKE '/CN=%') \
                FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'agent'";
    let lines = vault.postgres.execute("postgres", open).unwrap();
    assert!(lines.trim_end().ends_with("|t|t|t") && !lines.starts_with('0'), "{lines}");
    let (code, said) = vault.said(&["check"]);
    assert!(code != Some(2) && said.contains("answers"), "{said}");
    assert!(!said.contains("unencrypted") && !server.log().contains("unencrypted"), "{said}");
    assert!(!server.log().contains(LINE_PASSWORD), "{}", server.log());
}

#[test]
fn a_database_of_users_that_cannot_prove_who_it_is_is_refused_by_server_and_operator() {
    let vault = Vault::new();
    let stranger = vault.installation.path().join("stranger.pem").display().to_string();
    for (what, but) in [
        ("another name than that of the certificate", vec![("host", "localhost")]),
        ("an authority that did not sign it", vec![("sslrootcert", stranger.as_str())]),
        ("no certificate of the client's", vec![("sslcert", ""), ("sslkey", "")]),
    ] {
        vault.configure(&but);
        let log = refused(&vault.installation);
        let (code, said) = vault.said(&["users", "list"]);
        assert!(matches!(code, Some(1 | 2)), "{what}: {said}");
        for said in [&log, &said] {
            assert!(said.contains("certificate"), "{what}: {said}");
        }
    }
    // Nobody was asked for the tables in the clear instead.
    let made = "SELECT count(*) FROM pg_class WHERE relname = 'mcp_schema'";
    assert_eq!(vault.postgres.execute("people", made).unwrap(), "0\n");
}

#[test]
fn a_line_to_elsewhere_without_tls_is_said_once_by_the_server_and_by_a_check() {
    let installation = installed("");
    let postgres = installation.postgres();
    let (socket, port) = (postgres.socket_dir(), postgres.port());
    // No such host: the one behind it answers.
    let hosts = format!("host=db.invalid,{} port={port},{port}", socket.display());
    configure(&installation, &format!("{hosts} user=keeper dbname=people sslmode=disable"));
    let server = installation.start();
    let _ = server.address();
    let warned = server.log().matches("unencrypted: sslmode=disable").count();
    assert_eq!(warned, 1, "{}", server.log());
    server.wait_for_line("Users and tokens travel to db.invalid");
    let checked = installation.admin(&["check"]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains("users and tokens travel to db.invalid"), "{said}");
    // On this machine nobody is in between.
    let here = format!("host={} port={port} user=keeper dbname=people", socket.display());
    configure(&installation, &format!("{here} sslmode=disable"));
    let server = installation.start();
    let _ = server.address();
    assert!(!server.log().contains("unencrypted"), "{}", server.log());
}

#[test]
fn the_password_of_the_line_is_masked_in_every_form() {
    let vault = Vault::new();
    let path = |name: &str| vault.installation.path().join(name).display().to_string();
    let port = vault.postgres.port();
    let files = format!(
        "sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
        path("authority.pem"),
        path("client.pem"),
        path("client.key")
    );
    let pairs = files.replace('&', " ");
    let host = format!("127.0.0.1:{port}");
    let forms = |last: &str| {
        let url = format!("let%20me%3A%20{last}");
        let here = format!("host=127.0.0.1 port={port} user=agent dbname=people");
        [
            format!("postgresql://agent:{url}@{host}/people?{files}"),
            format!("postgres://agent@{host}/people?password={url}&{files}"),
            format!("postgres://agent@{host}/people?{files}&password={url}"),
            format!("password='let me: {last}' {here} {pairs}"),
            // As it stands in double quotes, where each backslash is two.
            format!("{here} {pairs} password = let\\\\ me:\\\\ {last}"),
        ]
    };
    let shows = |said: &str| {
        ["let me", "let%20me", "let\\ me", "me%3"].iter().any(|part| said.contains(part))
    };
    for dsn in &forms("in") {
        configure(&vault.installation, dsn);
        let server = vault.installation.start();
        let _ = server.address();
        server.wait_for_line("API token(s) from postgresql://agent:***@");
        assert!(!shows(&server.log()), "{dsn}: {}", server.log());
        for asked in [&["check"][..], &["db", "status"], &["users", "list"]] {
            let (_, said) = vault.said(asked);
            assert!(!shows(&said), "{dsn}: {said}");
        }
    }
    // Nor where it is wrong, or cannot be read at all.
    let garbled = forms("in").map(|dsn| format!("{dsn} 'nonsense"));
    for dsn in forms("vain").into_iter().chain(garbled) {
        configure(&vault.installation, &dsn);
        let mut server = vault.installation.start();
        assert!(!server.wait().success());
        assert!(!shows(&server.log()), "{dsn}: {}", server.log());
        let (code, said) = vault.said(&["users", "list"]);
        assert!(code != Some(0) && !shows(&said), "{dsn}: {said}");
    }
}
