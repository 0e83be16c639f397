//! What happens on one connection: counted where it happens, without a lock or a clock.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The counters of one connection. The clock is with [`Patience`](crate::patience::Patience),
/// which compares two looks at them. All orderings are relaxed: nothing else is read on the
/// strength of a counter, and a look that comes late is made good by the next.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests begun.
    requests: AtomicU64,
    in_flight: AtomicU32,
    /// Bytes came in while no request was running: the beginning of a header block.
    head_begun: AtomicBool,
    /// The peer takes nothing of what is being sent to it.
    write_blocked: AtomicBool,
    /// Writes that got through.
    writes: AtomicU64,
    /// The next answer is the last one on this connection.
    parting: AtomicBool,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No request has come yet.
    Opening,
    /// A request has begun to come.
    Head,
    /// At least one request runs, or its answer is on its way.
    Busy,
    /// As busy, but the peer takes nothing.
    Stalled,
    /// Between two requests.
    Idle,
}

/// One look at the counters. Two equal ones: nothing moved in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub(crate) phase: Phase,
    requests: u64,
    writes: u64,
}

impl Activity {
    pub(crate) fn glance(&self) -> Glance {
        let requests = self.requests.load(Ordering::Relaxed);
        let is_running = self.in_flight.load(Ordering::Relaxed) > 0;
        let phase = if is_running && self.write_blocked.load(Ordering::Relaxed) {
            Phase::Stalled
        } else if is_running {
            Phase::Busy
        } else if requests == 0 {
            Phase::Opening
        } else if self.head_begun.load(Ordering::Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        };
        // Only a stalled connection is measured by its writes: an event stream has no deadline.
        let writes = if phase == Phase::Stalled { self.writes.load(Ordering::Relaxed) } else { 0 };
        Glance { phase, requests, writes }
    }

    /// A request has begun, and runs until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_begun.store(false, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// From now on every answer says that the connection closes after it.
    pub(crate) fn part(&self) {
        self.parting.store(true, Ordering::Relaxed);
    }

    fn has_read(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 {
            self.head_begun.store(true, Ordering::Relaxed);
        }
    }

    fn has_written<T>(&self, result: &Poll<io::Result<T>>) {
        self.write_blocked.store(result.is_pending(), Ordering::Relaxed);
        if result.is_ready() {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A request that runs: from its header block to the end of its answer's body.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Activity>);

impl InFlight {
    /// Is its answer the last one on the connection?
    pub(crate) fn is_last(&self) -> bool {
        self.0.parting.load(Ordering::Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which bytes mean that a header block has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// All that come while no request runs.
    Http1,
    /// None: pings and window updates come at any time. The idle deadline covers a header block
    /// that does not end.
    Http2,
}

pin_project! {
    /// A stream whose reads and writes are counted. Costs a store or two per system call.
    pub(crate) struct Observed<T> {
        #[pin]
        stream: T,
        activity: Arc<Activity>,
        wire: Wire,
    }
}

impl<T> Observed<T> {
    pub(crate) fn new(stream: T, wire: Wire, activity: Arc<Activity>) -> Self {
        Self { stream, activity, wire }
    }
}

impl<T: AsyncRead> AsyncRead for Observed<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        let result = this.stream.poll_read(context, buffer);
        if *this.wire == Wire::Http1 && buffer.filled().len() > before {
            this.activity.has_read();
        }
        result
    }
}

impl<T: AsyncWrite> AsyncWrite for Observed<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let result = this.stream.poll_write(context, bytes);
        this.activity.has_written(&result);
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let result = this.stream.poll_write_vectored(context, slices);
        this.activity.has_written(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let result = this.stream.poll_flush(context);
        // Not counted as a write: there may have been nothing to flush.
        this.activity.write_blocked.store(result.is_pending(), Ordering::Relaxed);
        result
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_shutdown(context)
    }
}
