//! The byte stream under a connection.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsStream as _};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(crate) type TlsStream = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// Plain or in TLS.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls {
        stream: Box<TlsStream>,
        /// The same socket once more, to look at: the stream does not give it out.
        socket: OwnedFd,
    },
}

impl Stream {
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls { .. })
    }

    /// Ties the password exchange to this very TLS session.
    pub(crate) fn channel_binding(&self) -> ChannelBinding {
        match self {
            Self::Tls { stream, .. } => stream.channel_binding(),
            Self::Tcp(_) | Self::Unix(_) => ChannelBinding::none(),
        }
    }

    /// Is there nothing to read, and nobody gone? Asks the system, not the runtime, whose
    /// knowledge may be older. On an idle connection everything that came by itself is a reason
    /// to drop it: the end of the stream, a FATAL error, bytes that nobody asked for.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0_u8];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let outcome = match self {
            Self::Tcp(stream) => recv(stream.as_fd(), &mut byte, flags),
            Self::Unix(stream) => recv(stream.as_fd(), &mut byte, flags),
            Self::Tls { socket, .. } => recv(socket, &mut byte, flags),
        };
        matches!(outcome, Err(Errno::AGAIN))
    }

    fn inner(&mut self) -> Pin<&mut dyn ReadWrite> {
        match self {
            Self::Tcp(stream) => Pin::new(stream),
            Self::Unix(stream) => Pin::new(stream),
            Self::Tls { stream, .. } => Pin::new(&mut **stream),
        }
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> ReadWrite for T {}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
