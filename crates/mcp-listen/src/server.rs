//! The loop: accept until told to stop, then let what runs finish.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tower_service::Service;
use tracing::{error, warn};

use crate::accept::Acceptor;
use crate::body::RequestBody;
use crate::connection::{Connection, Terms};
use crate::drain::DrainSignal;
use crate::listener::Listener;
use crate::settings::Settings;

/// A listener and its terms, ready to serve.
#[derive(Debug)]
#[must_use = "nothing is accepted until `run` is awaited"]
pub struct Server {
    listener: Listener,
    settings: Settings,
}

/// How the last requests ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainOutcome {
    /// Every connection came to its own end.
    Finished,
    /// Time was up for this many connections; what they were doing was cancelled.
    Cut {
        /// At least 1.
        connections: usize,
    },
}

impl Server {
    /// A server on `listener`. Callers may connect from the moment that the listener was bound;
    /// they are answered once [`run`](Self::run) is awaited.
    pub fn new(listener: Listener, settings: Settings) -> Self {
        Self { listener, settings }
    }

    /// Serves until `shutdown` ends, then stops listening, lets running requests finish for up to
    /// [`drain_timeout`](Settings::drain_timeout), and cancels what is left. Whoever has connected
    /// by then is answered, if he asks at once; over HTTP/1.1 each connection is told with its last
    /// answer that it closes.
    ///
    /// The service is cloned for each connection and each request. A panic in it ends the
    /// connection it came on and nothing else.
    pub async fn run<S, B>(self, service: S, shutdown: impl Future<Output = ()>) -> DrainOutcome
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let Listener { socket, tls } = self.listener;
        let drain_timeout = self.settings.drain_timeout;
        let mut acceptor = Acceptor::new(socket, self.settings.max_connections.get());
        let terms = Arc::new(Terms::new(self.settings, tls));
        let drain = DrainSignal::new();
        let connection = || Connection {
            service: service.clone(),
            terms: Arc::clone(&terms),
            drain: drain.listen(),
        };
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next() => report_panic(ended),
                accepted = acceptor.next() => {
                    connections.spawn(connection().serve(accepted));
                }
            }
        }
        // New callers are refused from here on, rather than kept waiting for nothing.
        for accepted in acceptor.close() {
            connections.spawn(connection().serve(accepted));
        }
        drain.begin();
        finish(connections, drain_timeout).await
    }
}

async fn finish(mut connections: JoinSet<()>, drain_timeout: Duration) -> DrainOutcome {
    let finished = async {
        while let Some(ended) = connections.join_next().await {
            report_panic(ended);
        }
    };
    if timeout(drain_timeout, finished).await.is_ok() {
        return DrainOutcome::Finished;
    }
    let left = connections.len();
    warn!(connections = left, "Cancelling the requests that did not finish in time");
    connections.shutdown().await;
    DrainOutcome::Cut { connections: left }
}

/// A panic ends its connection; the server goes on. What the panic said is the panic hook's to
/// tell: it may hold anything.
pub(crate) fn report_panic(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        error!("A connection ended in a panic");
    }
}
