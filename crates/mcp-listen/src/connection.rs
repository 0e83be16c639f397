//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower_service::Service;
use tracing::debug;

use crate::accept::Accepted;
use crate::activity::{Activity, Observed, Phase, Wire};
use crate::body::RequestBody;
use crate::drain::Drain;
use crate::patience::Patience;
use crate::service::{Counted, Peer};
use crate::settings::Settings;
use crate::streams::Streams;
use crate::tls::{ALPN_HTTP2, TlsIdentity};

/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// What one connection may keep in memory of a request that nobody has read yet, and of an
/// answer that the peer has not taken yet, each.
const MAX_BUFFER_BYTES: usize = 128 * 1024;

/// How long a connection on which nothing goes on is still listened to once shutdown has begun: a
/// request may be on its way, and closing would lose it.
const LAST_WORD: Duration = Duration::from_millis(250);

/// What holds for every connection of a server.
pub(crate) struct Terms {
    settings: Settings,
    tls: Option<TlsAcceptor>,
    http1: http1::Builder,
}

impl Terms {
    pub(crate) fn new(settings: Settings, tls: Option<TlsIdentity>) -> Self {
        let max_header_bytes = settings.max_header_bytes.get();
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            // Its own deadline also runs while a connection idles, and costs a timer per
            // request: `Patience` has the header deadline instead.
            .header_read_timeout(None)
            .max_header_size(max_header_bytes)
            .max_buf_size(MAX_BUFFER_BYTES.max(max_header_bytes));
        let tls = tls.map(|identity| TlsAcceptor::from(identity.config()));
        Self { settings, tls, http1 }
    }
}

/// What a connection needs to be served.
pub(crate) struct Connection<S> {
    pub(crate) service: S,
    pub(crate) terms: Arc<Terms>,
    pub(crate) drain: Drain,
}

impl<S, B> Connection<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    /// Serves until the connection ends, whoever ends it. The permit goes back at the very end.
    pub(crate) async fn serve(self, accepted: Accepted) {
        let Accepted { stream, peer, permit: _permit } = accepted;
        let ended = match open(stream, &self.terms, self.drain.clone()).await {
            Ok(Opened::Clear(stream)) => self.serve_http1(stream, Peer(peer)).await,
            Ok(Opened::Encrypted(stream, Wire::Http1)) => {
                self.serve_http1(stream, Peer(peer)).await
            }
            Ok(Opened::Encrypted(stream, Wire::Http2)) => {
                self.serve_http2(stream, Peer(peer)).await
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = ended {
            debug!(peer = %peer, %fault, "Ended a connection");
        }
    }

    async fn serve_http1<T>(self, stream: T, peer: Peer) -> Result<(), Fault>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::default());
        let stream = Observed::new(stream, Wire::Http1, Arc::clone(&activity));
        let patience = self.patience(&activity);
        let Self { service, terms, drain } = self;
        let parting = part(drain, Arc::clone(&activity));
        let body_timeout = terms.settings.body_timeout;
        let service = Counted { service, peer, body_timeout, activity };
        let connection = terms.http1.serve_connection(TokioIo::new(stream), service);
        drive(connection, http1::Connection::graceful_shutdown, patience, parting).await
    }

    async fn serve_http2<T>(self, stream: T, peer: Peer) -> Result<(), Fault>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::default());
        let stream = Observed::new(stream, Wire::Http2, Arc::clone(&activity));
        let patience = self.patience(&activity);
        let Self { service, terms, drain } = self;
        let settings = &terms.settings;
        let service = Counted { service, peer, body_timeout: settings.body_timeout, activity };
        let max_header_bytes = u32::try_from(settings.max_header_bytes.get()).unwrap_or(u32::MAX);
        let streams = Streams::default();
        let connection = http2::Builder::new(streams.executor())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(max_header_bytes)
            .max_send_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        // Its own way to close serves what crosses the word of it.
        drive(connection, http2::Connection::graceful_shutdown, patience, drain.begun()).await?;
        streams.finish().await;
        Ok(())
    }

    fn patience(&self, activity: &Arc<Activity>) -> Patience {
        let settings = &self.terms.settings;
        Patience::new(Arc::clone(activity), settings.header_timeout, settings.idle_timeout)
    }
}

/// A stream that requests can come on.
enum Opened {
    Clear(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>, Wire),
}

/// Waits for the caller's first byte and, where the listener speaks TLS, for the handshake.
async fn open(stream: TcpStream, terms: &Terms, drain: Drain) -> Result<Opened, Fault> {
    // An answer is written as a whole: to hold its last packet back would only delay it.
    stream.set_nodelay(true).map_err(Fault::Socket)?;
    let mut byte = [0];
    let first_byte = tokio::select! {
        biased;
        first_byte = timeout(terms.settings.first_byte_timeout, stream.peek(&mut byte)) => {
            first_byte.map_err(|_| Fault::Silent)?
        }
        () = last_word(drain) => return Err(Fault::Silent),
    };
    if first_byte.map_err(Fault::Socket)? == 0 {
        return Err(Fault::NeverSpoke);
    }
    let Some(tls) = &terms.tls else { return Ok(Opened::Clear(stream)) };
    let handshake = timeout(terms.settings.header_timeout, tls.accept(stream));
    let stream = handshake.await.map_err(|_| Fault::SlowHandshake)?.map_err(Fault::Handshake)?;
    let wire = match stream.get_ref().1.alpn_protocol() {
        Some(ALPN_HTTP2) => Wire::Http2,
        _ => Wire::Http1,
    };
    Ok(Opened::Encrypted(Box::new(stream), wire))
}

/// Waits until shutdown has begun, and a little longer for what is on its way.
async fn last_word(drain: Drain) {
    drain.begun().await;
    sleep(LAST_WORD).await;
}

/// As [`last_word`], for a connection whose answers are to say meanwhile that it closes.
fn part(drain: Drain, activity: Arc<Activity>) -> impl Future<Output = ()> {
    if drain.has_begun() {
        // Said before the first answer, which may come before anybody waits for the word.
        activity.part();
    }
    async move {
        drain.begun().await;
        activity.part();
        sleep(LAST_WORD).await;
    }
}

/// Polls a connection to its end, within its deadlines, until it has been let go by `parting` too.
/// `close` asks it to begin no further request.
async fn drive<C>(
    connection: C,
    close: impl Fn(Pin<&mut C>),
    mut patience: Patience,
    parting: impl Future<Output = ()>,
) -> Result<(), Fault>
where
    C: Future<Output = hyper::Result<()>>,
{
    let (mut connection, mut parting) = (pin!(connection), pin!(parting));
    let mut is_closing = false;
    loop {
        tokio::select! {
            // The connection first: what it did just now decides which deadline holds.
            biased;
            ended = connection.as_mut() => return ended.map_err(Fault::Http),
            phase = poll_fn(|context| patience.poll_expired(context)) => match phase {
                Phase::Idle if !is_closing => {}
                phase => return Err(Fault::Expired(phase)),
            },
            () = parting.as_mut(), if !is_closing => {}
        }
        // Idle for too long, or shutdown: running requests finish, others do not begin, but for
        // one of which a part is there; its answer closes the connection.
        if patience.phase() != Phase::Head {
            close(connection.as_mut());
        }
        patience.hurry();
        is_closing = true;
    }
}

/// Why a connection ended otherwise than by its own accord. Of interest to nobody but whoever
/// looks for one connection in the log.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no first byte in time")]
    Silent,
    #[error("closed before the first byte")]
    NeverSpoke,
    #[error("the TLS handshake took too long")]
    SlowHandshake,
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("the socket failed: {0}")]
    Socket(io::Error),
    #[error("no progress in time ({0:?})")]
    Expired(Phase),
    #[error("{0}")]
    Http(hyper::Error),
}
