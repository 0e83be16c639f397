//! The tasks of one HTTP/2 connection's streams: owned, so that none outlives it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hyper::rt::Executor;
use tokio::task::JoinSet;

use crate::server::report_panic;

/// The owner. Dropping it aborts every stream that still runs.
#[derive(Debug, Default)]
pub(crate) struct Streams(Arc<Mutex<JoinSet<()>>>);

impl Streams {
    pub(crate) fn executor(&self) -> StreamExecutor {
        StreamExecutor(Arc::downgrade(&self.0))
    }

    /// Waits for the streams that are left once the connection itself is done.
    pub(crate) async fn finish(self) {
        let mut tasks = {
            let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *shared)
        };
        while let Some(ended) = tasks.join_next().await {
            report_panic(ended);
        }
    }
}

/// What hyper holds, also inside each stream's task: weak, or the tasks would own themselves.
#[derive(Clone, Debug)]
pub(crate) struct StreamExecutor(Weak<Mutex<JoinSet<()>>>);

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        // Without an owner the connection is gone, and the stream with it.
        let Some(tasks) = self.0.upgrade() else { return };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = tasks.try_join_next() {
            report_panic(ended);
        }
        tasks.spawn(stream);
    }
}
