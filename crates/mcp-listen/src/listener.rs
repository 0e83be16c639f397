//! A socket that callers connect to, encrypted or not.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::tls::TlsIdentity;

/// Connections that the kernel keeps waiting while all permits are out.
pub(crate) const BACKLOG: u32 = 1024;

/// A socket that listens already, and what it says when a caller wants TLS.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<TlsIdentity>,
}

impl Listener {
    /// Listens at `address`; port 0 takes a free one. Must be called within a tokio runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A restart must not wait for the last connections of the process before.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { socket: socket.listen(BACKLOG)?, tls: None })
    }

    /// Takes a socket that listens already, such as one that systemd hands over. Must be called
    /// within a tokio runtime.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: TcpListener::from_std(socket)?, tls: None })
    }

    /// Speaks TLS and nothing else, with this identity.
    #[must_use]
    pub fn with_tls(self, identity: TlsIdentity) -> Self {
        Self { tls: Some(identity), ..self }
    }

    /// Where it listens; the port that was taken for port 0.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
