//! The handshake, done by tokio-postgres on a stream that is lent to it and taken back.
//!
//! tokio-postgres knows SCRAM, channel binding and cancel keys; the wire of a statement is ours.
//! It never learns whose the stream is: it gets a [`Lent`], and when it has seen the first
//! `ReadyForQuery` the stream is taken out from under it. It may have read ahead; so the last bytes
//! that it read must be exactly that message, or the connection is dropped.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{CancelToken, Config};

use crate::stream::Stream;

/// `ReadyForQuery`, idle (PostgreSQL docs, "Message Formats").
const READY_IDLE: [u8; 6] = [b'Z', 0, 0, 0, 5, b'I'];

/// Why there is no connection after all.
pub(crate) enum Failure {
    /// tokio-postgres or PostgreSQL said no.
    Postgres(tokio_postgres::Error),
    /// More was read than the handshake, or less.
    ReadAhead,
}

/// Logs in over the stream and gives it back, idle, with what cancels its statements.
///
/// The config must have been made by [`secured`]: TLS, if any, is there already.
pub(crate) async fn log_in(
    stream: Stream,
    config: &Config,
) -> Result<(Stream, CancelToken), Failure> {
    let (lent, lender) = Lent::new(stream);
    let (client, connection) =
        config.connect_raw(lent, Secured).await.map_err(Failure::Postgres)?;
    let token = client.cancel_token();
    let stream = lender.take_back_idle();
    // They find nothing below them any more, and nobody asks them to look.
    drop((client, connection));
    Ok((stream.ok_or(Failure::ReadAhead)?, token))
}

/// Sends a cancel request over a new stream, and returns it: the server closes it when the
/// request is dealt with.
pub(crate) async fn cancel(
    stream: Stream,
    token: &CancelToken,
) -> Result<Option<Stream>, tokio_postgres::Error> {
    let (lent, lender) = Lent::new(stream);
    token.cancel_query_raw(lent, Secured).await?;
    Ok(lender.take_back())
}

/// Tells tokio-postgres that TLS is there already, or that there is none.
pub(crate) fn secured(mut config: Config, stream: &Stream) -> Config {
    if stream.is_tls() {
        // "Direct" asks the server nothing and goes straight to the connector, which is ours.
        config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    } else {
        config.ssl_mode(SslMode::Disable);
    }
    config
}

/// A connector for streams that are what they should be.
pub(crate) struct Secured;

impl TlsConnect<Lent> for Secured {
    type Stream = Lent;
    type Error = io::Error;
    type Future = Ready<io::Result<Lent>>;

    fn connect(self, stream: Lent) -> Self::Future {
        ready(Ok(stream))
    }
}

/// For a stream that tokio-postgres may keep.
impl TlsConnect<Stream> for Secured {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Ready<io::Result<Stream>>;

    fn connect(self, stream: Stream) -> Self::Future {
        ready(Ok(stream))
    }
}

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        Stream::channel_binding(self)
    }
}

/// A stream in the hands of somebody who must give it back.
struct Lent(Arc<Mutex<Loan>>);

/// The owner's end.
struct Lender(Arc<Mutex<Loan>>);

struct Loan {
    stream: Option<Stream>,
    /// The last bytes that were read, the newest at the end.
    last: [u8; READY_IDLE.len()],
}

impl Lent {
    fn new(stream: Stream) -> (Self, Lender) {
        let loan = Arc::new(Mutex::new(Loan { stream: Some(stream), last: [0; 6] }));
        (Self(Arc::clone(&loan)), Lender(loan))
    }

    fn with<T>(
        &self,
        poll: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut locked(&self.0).stream {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Lender {
    fn take_back(self) -> Option<Stream> {
        locked(&self.0).stream.take()
    }

    /// `None` if the last that was read is not the end of a handshake.
    fn take_back_idle(self) -> Option<Stream> {
        let mut loan = locked(&self.0);
        let stream = loan.stream.take();
        stream.filter(|_| loan.last == READY_IDLE)
    }
}

fn locked(loan: &Mutex<Loan>) -> MutexGuard<'_, Loan> {
    loan.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Loan {
    fn remember(&mut self, read: &[u8]) {
        let fresh = &read[read.len().saturating_sub(self.last.len())..];
        self.last.copy_within(fresh.len().., 0);
        let kept = self.last.len() - fresh.len();
        self.last[kept..].copy_from_slice(fresh);
    }
}

impl TlsStream for Lent {
    fn channel_binding(&self) -> ChannelBinding {
        let loan = locked(&self.0);
        loan.stream.as_ref().map_or_else(ChannelBinding::none, Stream::channel_binding)
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = self.with(|stream| stream.poll_read(cx, buf));
        locked(&self.0).remember(&buf.filled()[before..]);
        outcome
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::{Loan, READY_IDLE};

    #[test]
    fn the_last_bytes_are_remembered_however_they_come() {
        let message = b"...Z\0\0\0\x05I";
        for first in 0..message.len() {
            let mut loan = Loan { stream: None, last: [0; 6] };
            loan.remember(&message[..first]);
            loan.remember(&message[first..]);
            assert_eq!(loan.last, READY_IDLE, "cut at {first}");
        }
    }
}
