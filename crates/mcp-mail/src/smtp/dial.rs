//! From a server's name to a stream that is as protected as was asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use lettre::transport::smtp::extension::ClientId;
use rustls::{CertificateError, ClientConfig, Error as TlsError};
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::reply::Reply;
use super::settings::{Security, Settings};
use crate::error::Fault;

/// As many of a server's addresses as are tried.
const MOST_ADDRESSES: usize = 8;

/// Connects to the first address that answers. The time for the step is shared among them: one
/// that swallows everything must not keep the next from its turn.
pub(super) async fn connect(settings: &Settings) -> Result<TcpStream, Fault> {
    let found = lookup_host((settings.host.as_str(), settings.port)).await.map_err(io_fault)?;
    // "localhost" is what the resolver makes of it.
    let may =
        |address: &SocketAddr| settings.security != Security::Plain || address.ip().is_loopback();
    let addresses: Vec<_> = found.filter(may).take(MOST_ADDRESSES).collect();
    let share = settings.timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut last = Fault::Io("no address was found".to_owned());
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Commands are small, and each waits for its answer.
                stream.set_nodelay(true).map_err(io_fault)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = io_fault(error),
            Err(_) => last = Fault::TimedOut(share),
        }
    }
    Err(last)
}

/// How we call ourselves: by the address that the server sees, as nothing better is known
/// (RFC 5321 §4.1.4).
pub(super) fn client_id(stream: &TcpStream) -> Result<ClientId, Fault> {
    Ok(match stream.local_addr().map_err(io_fault)?.ip() {
        std::net::IpAddr::V4(address) => ClientId::Ipv4(address),
        std::net::IpAddr::V6(address) => ClientId::Ipv6(address),
    })
}

/// Asks for TLS. What is said until then anybody may have said, so nothing of it is kept.
pub(super) async fn start_tls(stream: &mut TcpStream, client: &ClientId) -> Result<(), Fault> {
    let mut ahead = Vec::new();
    command(stream, &format!("EHLO {client}\r\n")).await?;
    let hello = Reply::read(stream, &mut ahead).await?.expect(250)?;
    if !hello.offers("STARTTLS") {
        return Err(Fault::NoTls);
    }
    command(stream, "STARTTLS\r\n").await?;
    Reply::read(stream, &mut ahead).await?.expect(220)?;
    // An answer put here by whoever stands between would be read as the server's own, from
    // within TLS, to the next command.
    if ahead.is_empty() { Ok(()) } else { Err(Fault::SpokeBeforeTls) }
}

async fn command(stream: &mut TcpStream, line: &str) -> Result<(), Fault> {
    stream.write_all(line.as_bytes()).await.map_err(io_fault)
}

/// The handshake, with the certificate verified: its authority and its name.
pub(super) async fn tls(
    stream: TcpStream,
    host: &str,
    config: &Arc<ClientConfig>,
) -> Result<Box<TlsStream<TcpStream>>, Fault> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|error| Fault::Tls(error.to_string()))?;
    let connector = TlsConnector::from(Arc::clone(config));
    let secured = connector.connect(name, stream).await;
    secured.map(Box::new).map_err(|error| tls_fault(&error, host))
}

fn tls_fault(error: &io::Error, host: &str) -> Fault {
    use CertificateError as Bad;
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match reason {
        Some(TlsError::InvalidCertificate(bad)) => match bad {
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                Fault::WrongName(host.to_owned())
            }
            Bad::UnknownIssuer | Bad::BadSignature => Fault::Untrusted(bad.to_string()),
            other => Fault::Tls(format!("the certificate cannot be used: {other}")),
        },
        Some(other) => Fault::Tls(other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Fault::Closed,
        None => Fault::Io(error.to_string()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is a step of `map_err`")]
pub(super) fn io_fault(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => Fault::Closed,
        _ => Fault::Io(error.to_string()),
    }
}
