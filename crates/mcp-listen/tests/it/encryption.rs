//! Handshakes by a real client, with certificates made for the test.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_listen::{DrainOutcome, Pem, Settings, TlsError, TlsIdentity, TlsPair};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{PATIENCE, Running, SOON, any_port, patient, take};

/// A throwaway certificate for `localhost`, and its key.
struct Paper {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Paper {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            der: made.cert.der().clone(),
        }
    }

    fn pair(&self) -> TlsPair {
        parse(&self.certificate, &self.key).unwrap()
    }
}

fn parse(certificate: &str, key: &str) -> Result<TlsPair, TlsError> {
    let certificate = Pem { path: Path::new("server.pem"), text: certificate.as_bytes() };
    let key = Pem { path: Path::new("server.key"), text: key.as_bytes() };
    TlsPair::parse(certificate, key, None)
}

fn start(paper: &Paper, settings: Settings) -> (Running, TlsIdentity) {
    let identity = TlsIdentity::new(paper.pair()).unwrap();
    let listener = any_port().with_tls(identity.clone());
    (Running::start_on(listener, settings), identity)
}

/// A handshake of a client that trusts these papers alone.
async fn shake(
    server: &Running,
    papers: &[&Paper],
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for paper in papers {
        roots.add(paper.der.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn get(stream: &mut TlsStream<TcpStream>) -> String {
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

type Http2Client = http2::SendRequest<Empty<Bytes>>;

async fn connect_http2(server: &Running, paper: &Paper) -> Http2Client {
    let stream = shake(server, &[paper], &[&TLS13], &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("https://localhost{path}")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, patient());
    for version in [&TLS12, &TLS13] {
        let mut stream = shake(&server, &[&paper], &[version], &[b"http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        assert!(get(&mut stream).await.ends_with("hello"));
    }
}

#[tokio::test]
async fn a_client_that_names_no_protocol_gets_http_1() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, patient());
    let mut stream = shake(&server, &[&paper], &[&TLS13], &[]).await.unwrap();
    assert!(get(&mut stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn http_2_is_served_where_the_client_asks_for_it() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, patient());
    let mut client = connect_http2(&server, &paper).await;
    for _ in 0..3 {
        let answer = client.send_request(request("/")).await.unwrap();
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "hello");
    }
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused_with_431_on_http_2_too() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, patient());
    let mut client = connect_http2(&server, &paper).await;
    let mut large = request("/");
    large.headers_mut().insert("x", "y".repeat(20 * 1024).parse().unwrap());
    let answer = client.send_request(large).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn a_panic_in_one_stream_leaves_the_others_alone() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, patient());
    let mut client = connect_http2(&server, &paper).await;
    let waiting = client.send_request(request("/wait"));
    take(&server.inside.waiting).await;
    client.send_request(request("/panic")).await.unwrap_err();
    server.inside.gate.add_permits(1);
    let answer = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "waited");
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, Settings { idle_timeout: SOON, ..patient() });
    let mut client = connect_http2(&server, &paper).await;
    client.send_request(request("/")).await.unwrap().collect().await.unwrap();
    let closed = async {
        while client.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
}

#[tokio::test]
async fn streams_finish_while_an_http_2_connection_drains() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, patient());
    let mut client = connect_http2(&server, &paper).await;
    let waiting = tokio::spawn(client.send_request(request("/wait")));
    take(&server.inside.waiting).await;
    let inside = server.inside.clone();
    let ending = server.stop();
    inside.gate.add_permits(1);
    let answer = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "waited");
    let outcome = timeout(PATIENCE, ending).await.unwrap().unwrap();
    assert_eq!(outcome, DrainOutcome::Finished);
}

#[tokio::test]
async fn streams_are_cancelled_when_the_drain_takes_too_long() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, Settings { drain_timeout: SOON, ..patient() });
    let mut client = connect_http2(&server, &paper).await;
    let waiting = tokio::spawn(client.send_request(request("/wait")));
    take(&server.inside.waiting).await;
    let inside = server.inside.clone();
    let outcome = timeout(PATIENCE, server.stop()).await.unwrap().unwrap();
    assert_eq!(outcome, DrainOutcome::Cut { connections: 1 });
    take(&inside.given_up).await;
    waiting.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_closed() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, Settings { header_timeout: SOON, ..patient() });
    let mut client = server.connect().await;
    // The first byte of a handshake record, and nothing more.
    client.send([0x16]).await;
    client.until_closed().await;
}

#[tokio::test]
async fn clear_text_on_an_encrypted_port_reaches_no_service() {
    let paper = Paper::new();
    let (server, _identity) = start(&paper, patient());
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.until_closed().await;
    assert_eq!(server.inside.requests.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_certificate_that_is_replaced_shows_in_new_connections_and_old_ones_go_on() {
    let (old, new) = (Paper::new(), Paper::new());
    let (server, identity) = start(&old, patient());
    let mut before = shake(&server, &[&old], &[&TLS13], &[]).await.unwrap();
    identity.replace(new.pair());
    let mut after = shake(&server, &[&old, &new], &[&TLS13], &[]).await.unwrap();
    let shown = after.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_eq!(shown, new.der);
    assert!(get(&mut after).await.ends_with("hello"));
    assert!(get(&mut before).await.ends_with("hello"));
}

#[tokio::test]
async fn a_broken_pair_is_refused_and_the_old_one_stays() {
    let (old, other) = (Paper::new(), Paper::new());
    let (server, _identity) = start(&old, patient());
    // There is no way to hand over a pair that was not parsed.
    parse(&old.certificate, &other.key).unwrap_err();
    shake(&server, &[&old], &[&TLS13], &[]).await.unwrap();
}

#[test]
fn what_is_wrong_with_a_pair_is_told_with_the_file_and_without_the_key() {
    let (paper, other) = (Paper::new(), Paper::new());
    let cut_off = &paper.key[..paper.key.len() / 2];
    let half_secret = paper.key.replacen('M', "!", 1);
    for (certificate, key, said) in [
        ("", &*paper.key, "server.pem: holds no certificate"),
        (&*paper.certificate, "", "server.key: holds no private key that is not encrypted"),
        (&*paper.certificate, cut_off, "server.key: not valid PEM"),
        (&*paper.certificate, &*half_secret, "server.key: not valid PEM"),
        (
            &*paper.certificate,
            &*paper.certificate,
            "server.key: holds no private key that is not encrypted",
        ),
        (&*paper.certificate, &*other.key, "server.pem and server.key do not belong together"),
    ] {
        let error = parse(certificate, key).unwrap_err();
        assert_eq!(error.to_string(), said);
        assert!(!error.hint().is_empty());
    }
}

#[test]
fn debug_shows_no_key() {
    let paper = Paper::new();
    let pem = Pem { path: Path::new("server.key"), text: paper.key.as_bytes() };
    assert_eq!(format!("{pem:?}"), r#"Pem { path: "server.key", .. }"#);
    assert_eq!(format!("{:?}", paper.pair()), "TlsPair(…)");
}
