//! Stopping a statement from outside its connection.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio_postgres::CancelToken;

use crate::dial::{Endpoint, Security};
use crate::error::ConnectError;
use crate::handshake;

/// Cancels whatever runs on one connection. Cheap to clone; works while the connection is
/// borrowed, and after it was dropped.
#[derive(Clone)]
pub struct CancelHandle(Arc<Shared>);

struct Shared {
    token: CancelToken,
    endpoint: Endpoint,
    security: Security,
    timeout: Duration,
    requested: AtomicBool,
}

impl CancelHandle {
    pub(crate) fn new(
        token: CancelToken,
        endpoint: Endpoint,
        security: Security,
        timeout: Duration,
    ) -> Self {
        let requested = AtomicBool::new(false);
        Self(Arc::new(Shared { token, endpoint, security, timeout, requested }))
    }

    /// Asks the server to cancel, over a new connection that is secured as the first one was,
    /// and waits until it has passed the request on. Whether a statement ran, and whether it
    /// ended for that, the server does not say.
    ///
    /// The connection is not usable afterwards, even if this fails: a request may be late and
    /// hit the next statement.
    pub async fn cancel(&self) -> Result<(), ConnectError> {
        self.0.requested.store(true, Ordering::Release);
        let timeout = self.0.timeout;
        let outcome = tokio::time::timeout(timeout, self.request()).await;
        let host = || self.0.endpoint.label.clone();
        outcome.unwrap_or_else(|_| Err(ConnectError::TimedOut { host: host(), after: timeout }))
    }

    /// Where the connection goes.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(crate) fn was_requested(&self) -> bool {
        self.0.requested.load(Ordering::Acquire)
    }

    async fn request(&self) -> Result<(), ConnectError> {
        let endpoint = &self.0.endpoint;
        let stream = endpoint.open(&self.0.security).await?;
        let sent = handshake::cancel(stream, &self.0.token).await;
        let stream =
            sent.map_err(|error| endpoint.io_error(std::io::Error::other(error.to_string())))?;
        // The server closes without a word once the signal is on its way; a reset says the same.
        if let Some(mut stream) = stream {
            let _ = stream.read(&mut [0]).await;
        }
        Ok(())
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle")
            .field("endpoint", &self.0.endpoint.label)
            .finish_non_exhaustive()
    }
}
