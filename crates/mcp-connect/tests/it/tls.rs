//! Each `sslmode`, on a server that refuses connections without TLS.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_connect::{ChannelBinding, ConnectError, Connection, HostAddress, RootCertificates};
use mcp_connect::{SessionSettings, SslMode, Target};
use mcp_testdb::{Options, Postgres, Tcp, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::support::{PASSWORD, cancelled, sqlstate, tcp_server, tcp_target, value};

/// Certificates of one test: an authority, a stranger, and a key pair for each end.
struct Certificates {
    dir: tempfile::TempDir,
}

impl Certificates {
    fn new(server_name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, pem: String| fs::write(dir.path().join(name), pem).unwrap();
        let (authority, pem) = authority("authority");
        write("authority.pem", pem);
        write("stranger.pem", crate::tls::authority("stranger").1);
        for (name, subject) in [("server", server_name), ("client", "postgres")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, subject);
            let certificate = params.signed_by(&key, &authority).unwrap();
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn server(&self, client_ca: Option<&Path>) -> Postgres {
        let tls = TlsFiles {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
            client_ca: client_ca.map(Path::to_owned),
        };
        let tcp = Tcp { password: PASSWORD.to_owned(), tls: Some(tls) };
        Postgres::for_tests_with(Options { tcp: Some(tcp), settings: Vec::new() }).unwrap()
    }

    fn target(&self, server: &Postgres, sslmode: SslMode, roots: Option<&str>) -> Target {
        let sslrootcert = roots.map(|name| RootCertificates::File(self.path(name)));
        Target { sslmode, sslrootcert, ..tcp_target(server) }
    }
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    (Issuer::new(params, key), pem)
}

async fn connect(target: &Target) -> Result<Connection, ConnectError> {
    Connection::connect(target, &SessionSettings::default()).await
}

#[tokio::test]
async fn a_connection_is_taken_back_from_the_handshake_inside_tls_with_channel_binding() {
    let certificates = Certificates::new("127.0.0.1");
    let server = certificates.server(None);
    let mut target = certificates.target(&server, SslMode::VerifyFull, Some("authority.pem"));
    target.channel_binding = ChannelBinding::Require;
    let mut connection = connect(&target).await.unwrap();
    assert!(connection.is_tls());
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(value(&mut connection, sql).await, "t");
    let long = value(&mut connection, "SELECT repeat('x', 1000000)").await;
    assert_eq!(long.len(), 1_000_000);
    assert!(connection.is_usable());
}

#[tokio::test]
async fn channel_binding_that_is_required_is_not_done_without() {
    let server = tcp_server();
    let mut target = tcp_target(&server);
    target.channel_binding = ChannelBinding::Require;
    let error = connect(&target).await.unwrap_err();
    assert!(matches!(error, ConnectError::Authentication { .. }), "{error}");
}

#[tokio::test]
async fn each_mode_verifies_what_it_promises() {
    let certificates = Certificates::new("db.example");
    let server = certificates.server(None);
    for (sslmode, roots, accepted) in [
        (SslMode::Prefer, None, true),
        (SslMode::Require, None, true),
        (SslMode::Require, Some("authority.pem"), true),
        (SslMode::Require, Some("stranger.pem"), false),
        (SslMode::VerifyCa, Some("authority.pem"), true),
        (SslMode::VerifyCa, Some("stranger.pem"), false),
        (SslMode::VerifyCa, None, false),
        // The certificate bears another name than the host that we connect to.
        (SslMode::VerifyFull, Some("authority.pem"), false),
        (SslMode::VerifyFull, Some("stranger.pem"), false),
        (SslMode::VerifyFull, None, false),
        (SslMode::Disable, None, false),
    ] {
        let target = certificates.target(&server, sslmode, roots);
        match connect(&target).await {
            Ok(connection) => assert!(accepted && connection.is_tls(), "{sslmode:?} {roots:?}"),
            Err(error) => assert!(!accepted, "{sslmode:?} {roots:?}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_name_is_verified_as_well_as_an_address() {
    let certificates = Certificates::new("localhost");
    let server = certificates.server(None);
    let mut target = certificates.target(&server, SslMode::VerifyFull, Some("authority.pem"));
    let error = connect(&target).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "127.0.0.1 is not localhost: {error}");
    target.hosts[0].address = HostAddress::Tcp("localhost".into());
    assert!(connect(&target).await.unwrap().is_tls());
}

#[tokio::test]
async fn a_server_without_tls_will_do_for_prefer_and_not_for_require() {
    let server = tcp_server();
    let mut target = tcp_target(&server);
    target.sslmode = SslMode::Prefer;
    assert!(!connect(&target).await.unwrap().is_tls());
    target.sslmode = SslMode::Require;
    let error = connect(&target).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let certificates = Certificates::new("127.0.0.1");
    let server = certificates.server(Some(&certificates.path("authority.pem")));
    let mut target = certificates.target(&server, SslMode::VerifyFull, Some("authority.pem"));
    connect(&target).await.unwrap_err();
    target.sslcert = Some(certificates.path("client.pem"));
    target.sslkey = Some(certificates.path("client.key"));
    let mut connection = connect(&target).await.unwrap();
    let sql = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(value(&mut connection, sql).await.contains("/CN=postgres"));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let certificates = Certificates::new("127.0.0.1");
    let server = tcp_server();
    for name in ["absent.pem", "server.key"] {
        let target = certificates.target(&server, SslMode::VerifyFull, Some(name));
        let error = connect(&target).await.unwrap_err();
        assert!(matches!(&error, ConnectError::TlsFile { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_cancel_request_goes_through_tls_too() {
    let certificates = Certificates::new("127.0.0.1");
    let server = certificates.server(None);
    let target = certificates.target(&server, SslMode::VerifyFull, Some("authority.pem"));
    let mut connection = connect(&target).await.unwrap();
    let error = cancelled(&server, &mut connection).await;
    assert_eq!(sqlstate(&error), "57014");
}

#[tokio::test]
async fn an_unusable_tls_connection_is_noticed_when_its_server_stops() {
    let certificates = Certificates::new("127.0.0.1");
    let mut server = certificates.server(None);
    let target = certificates.target(&server, SslMode::Require, None);
    let connection = connect(&target).await.unwrap();
    assert!(connection.is_usable());
    server.stop();
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_client_is_held_to_the_same_certificates() {
    let certificates = Certificates::new("127.0.0.1");
    let server = certificates.server(None);
    let session = SessionSettings::default();
    let roots = Some("authority.pem");
    let bound = Target {
        channel_binding: ChannelBinding::Require,
        ..certificates.target(&server, SslMode::VerifyFull, roots)
    };
    let (client, driver) = mcp_connect::connect_client(&bound, &session).await.unwrap();
    let driving = tokio::spawn(driver.run());
    let ask = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(client.query_typed_one(ask, &[]).await.unwrap().get::<_, bool>(0));
    drop(client);
    driving.await.unwrap().unwrap();
    for (sslmode, roots) in [(SslMode::VerifyFull, Some("stranger.pem")), (SslMode::Disable, None)]
    {
        let target = certificates.target(&server, sslmode, roots);
        let refused = mcp_connect::connect_client(&target, &session).await;
        assert!(refused.is_err(), "{sslmode:?} {roots:?}");
    }
}
