//! A running server with a small service, and a client that writes bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use mcp_listen::{BodyError, DrainOutcome, Listener, Peer, RequestBody, Server, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What a test waits at most for something that should happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A deadline that a test means to see pass.
pub(crate) const SOON: Duration = Duration::from_millis(200);

/// Deadlines that no test lives to see.
pub(crate) fn patient() -> Settings {
    let never = Duration::from_hours(1);
    Settings {
        first_byte_timeout: never,
        header_timeout: never,
        body_timeout: never,
        idle_timeout: never,
        drain_timeout: never,
        ..Settings::default()
    }
}

/// What the service above does, as far as tests look into it.
pub(crate) struct Inside {
    /// Requests that reached the service.
    pub(crate) requests: AtomicUsize,
    /// A permit for each `/wait` that has begun.
    pub(crate) waiting: Semaphore,
    /// A permit lets one `/wait` finish.
    pub(crate) gate: Semaphore,
    /// A permit for each `/endless` answer, or `/wait` request, that was given up.
    pub(crate) given_up: Semaphore,
}

/// A server on a port of its own. Stops with the test.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) inside: Arc<Inside>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<DrainOutcome>,
}

impl Running {
    /// A server that is told to stop before it accepts anybody.
    pub(crate) fn stopped(listener: Listener) -> JoinHandle<DrainOutcome> {
        let service = tower::service_fn(async |_| Ok(text(StatusCode::OK, "hello")));
        tokio::spawn(Server::new(listener, patient()).run(service, async {}))
    }

    pub(crate) fn start(settings: Settings) -> Self {
        Self::start_on(any_port(), settings)
    }

    pub(crate) fn start_on(listener: Listener, settings: Settings) -> Self {
        let address = listener.local_addr().unwrap();
        let inside = Arc::new(Inside {
            requests: AtomicUsize::new(0),
            waiting: Semaphore::new(0),
            gate: Semaphore::new(0),
            given_up: Semaphore::new(0),
        });
        let service = {
            let inside = Arc::clone(&inside);
            tower::service_fn(move |request| answer(Arc::clone(&inside), request))
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(Server::new(listener, settings).run(service, async {
            // Also when the test is over and the sender gone.
            let _ = stopped.await;
        }));
        Self { address, inside, stop, task }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Tells it to stop, and gives what is needed to see it end.
    pub(crate) fn stop(self) -> JoinHandle<DrainOutcome> {
        self.stop.send(()).unwrap();
        self.task
    }
}

pub(crate) fn any_port() -> Listener {
    Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

/// A permit that is there within the patience of a test; taken for good.
pub(crate) async fn take(permits: &Semaphore) {
    timeout(PATIENCE, permits.acquire()).await.expect("it happens in time").unwrap().forget();
}

type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(
    inside: Arc<Inside>,
    request: Request<RequestBody>,
) -> Result<Response<AnswerBody>, Infallible> {
    inside.requests.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    Ok(match head.uri.path() {
        "/peer" => text(StatusCode::OK, head.extensions.get::<Peer>().unwrap().0.to_string()),
        "/echo" => match body.collect().await {
            Ok(whole) => text(StatusCode::OK, whole.to_bytes()),
            Err(error @ BodyError::TimedOut) => {
                text(StatusCode::REQUEST_TIMEOUT, error.to_string())
            }
            Err(error @ BodyError::Broken(_)) => text(StatusCode::BAD_REQUEST, error.to_string()),
        },
        "/wait" => {
            let given_up = GivenUp(Some(Arc::clone(&inside)));
            inside.waiting.add_permits(1);
            inside.gate.acquire().await.unwrap().forget();
            given_up.not_at_all();
            text(StatusCode::OK, "waited")
        }
        "/endless" => {
            let body = Endless { _given_up: GivenUp(Some(inside)) };
            Response::new(body.boxed_unsync())
        }
        "/panic" => panic!("a bug in the service"),
        _ => text(StatusCode::OK, "hello"),
    })
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Tells when it is dropped.
struct GivenUp(Option<Arc<Inside>>);

impl GivenUp {
    fn not_at_all(mut self) {
        self.0 = None;
    }
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(inside) = &self.0 {
            inside.given_up.add_permits(1);
        }
    }
}

/// An answer without an end.
struct Endless {
    _given_up: GivenUp,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))))
    }
}

/// A caller who writes bytes and reads what comes.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        self.answer().await
    }

    /// One answer with a known length, headers and body.
    pub(crate) async fn answer(&mut self) -> String {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().unwrap());
                if body.len() >= length {
                    return text.into_owned();
                }
            }
            let byte = timeout(PATIENCE, self.0.read_u8()).await.expect("an answer in time");
            read.push(byte.expect("an answer, not the end"));
        }
    }

    /// All that still comes until the server closes the connection, which it does in time.
    pub(crate) async fn until_closed(&mut self) -> String {
        let mut read = Vec::new();
        let end = timeout(PATIENCE, self.0.read_to_end(&mut read));
        // A reset ends a connection as well as anything.
        let _ = end.await.expect("the server closes in time");
        String::from_utf8_lossy(&read).into_owned()
    }
}
