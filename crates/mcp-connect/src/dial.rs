//! From a host to a byte stream: names, sockets, TLS.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect as _};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::ConnectError;
use crate::stream::Stream;
use crate::target::{Host, HostAddress};

/// Asks for TLS (PostgreSQL docs, `SSLRequest`).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// A peer that vanished without a word is noticed after two minutes of silence, not two hours.
const KEEPALIVE: Duration = Duration::from_mins(2);
/// A peer that acknowledges nothing of what is sent to it for this long is gone; by default the
/// system goes on trying for a quarter of an hour. In milliseconds (tcp(7), `TCP_USER_TIMEOUT`).
const UNACKNOWLEDGED_MS: u32 = 20_000;

/// One address of a host, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    place: Place,
    /// The host that it is an address of.
    pub(crate) host: Host,
    /// How errors name it.
    pub(crate) label: String,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp { address: SocketAddr, name: String },
    Unix(PathBuf),
}

/// How a stream to an endpoint is secured.
#[derive(Clone)]
pub(crate) enum Security {
    Plain,
    /// TLS, or plain if the server has none.
    TlsIfOffered(MakeRustlsConnect),
    /// TLS, or nothing.
    Tls(MakeRustlsConnect),
}

impl Endpoint {
    /// The addresses of a host, in the order of the system's resolver.
    pub(crate) async fn resolve(host: &Host) -> Result<Vec<Self>, ConnectError> {
        match &host.address {
            HostAddress::Unix(dir) => {
                let socket = dir.join(format!(".s.PGSQL.{}", host.port));
                let label = socket.display().to_string();
                Ok(vec![Self { place: Place::Unix(socket), host: host.clone(), label }])
            }
            HostAddress::Tcp(name) => {
                let label = host.to_string();
                let found = lookup_host((name.as_str(), host.port)).await;
                let found =
                    found.map_err(|source| ConnectError::Io { host: label.clone(), source })?;
                let endpoint = |address| Self {
                    place: Place::Tcp { address, name: name.clone() },
                    host: host.clone(),
                    label: label.clone(),
                };
                Ok(found.map(endpoint).collect())
            }
        }
    }

    /// TLS makes no sense on a Unix socket, whose ends are the kernel's; libpq ignores it too.
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self.place, Place::Unix(_))
    }

    pub(crate) fn io_error(&self, source: io::Error) -> ConnectError {
        ConnectError::Io { host: self.label.clone(), source }
    }

    /// Opens a new stream to it.
    pub(crate) async fn open(&self, security: &Security) -> Result<Stream, ConnectError> {
        let (stream, name) = match &self.place {
            Place::Unix(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(|e| self.io_error(e))?;
                return Ok(Stream::Unix(stream));
            }
            Place::Tcp { address, name } => {
                (connect_tcp(*address).await.map_err(|e| self.io_error(e))?, name)
            }
        };
        match security {
            Security::Plain => Ok(Stream::Tcp(stream)),
            Security::TlsIfOffered(connector) => self.secure(stream, name, connector, true).await,
            Security::Tls(connector) => self.secure(stream, name, connector, false).await,
        }
    }

    async fn secure(
        &self,
        mut stream: TcpStream,
        name: &str,
        connector: &MakeRustlsConnect,
        plain_will_do: bool,
    ) -> Result<Stream, ConnectError> {
        stream.write_all(&SSL_REQUEST).await.map_err(|e| self.io_error(e))?;
        // One byte and no more: what somebody on the way put behind it, before TLS began, must
        // not be taken for the server's words.
        match stream.read_u8().await.map_err(|e| self.io_error(e))? {
            b'S' => {}
            b'N' if plain_will_do => return Ok(Stream::Tcp(stream)),
            b'N' => return Err(self.tls_error("the server does not offer it")),
            _ => return Err(self.tls_error("the answer is not PostgreSQL's")),
        }
        let socket = stream.as_fd().try_clone_to_owned().map_err(|e| self.io_error(e))?;
        let Ok(handshake) =
            MakeTlsConnect::<TcpStream>::make_tls_connect(&mut connector.clone(), name);
        let stream = handshake.connect(stream).await.map_err(|e| self.tls_error(e.to_string()))?;
        Ok(Stream::Tls { stream: Box::new(stream), socket })
    }

    fn tls_error(&self, reason: impl Into<String>) -> ConnectError {
        ConnectError::Tls { host: self.label.clone(), reason: reason.into() }
    }
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A flight is one write; waiting for more would only delay it.
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE)?;
    sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MS)?;
    Ok(stream)
}
