//! The stream that commands travel on once it is as protected as it will be.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// All that one server may say to us about one letter, in bytes.
const ALLOWANCE: usize = 256 << 10;

/// A stream whose greeting was read already and is given out once more, and which ends a server
/// that never stops talking.
#[derive(Debug)]
pub(super) struct Wire {
    transport: Transport,
    /// What was read ahead; the rest of it is still to be given out.
    ahead: Vec<u8>,
    allowance: usize,
}

#[derive(Debug)]
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) fn new(transport: Transport, ahead: Vec<u8>) -> Self {
        Self { transport, ahead, allowance: ALLOWANCE }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.transport {
            Transport::Plain(stream) => stream.peer_addr(),
            Transport::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        if !wire.ahead.is_empty() {
            let taken = wire.ahead.len().min(into.remaining());
            into.put_slice(&wire.ahead[..taken]);
            wire.ahead.drain(..taken);
            return Poll::Ready(Ok(()));
        }
        if wire.allowance == 0 {
            let reason = "the server does not stop talking";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
        }
        let before = into.filled().len();
        ready!(match &mut wire.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        })?;
        let read = into.filled().len() - before;
        wire.allowance = wire.allowance.saturating_sub(read);
        // Nobody reads here who does not wait for an answer.
        Poll::Ready(if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) })
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
