//! How long a connection may go on as it does: one timer for all its deadlines.
//!
//! ```text
//!   Opening ──request──▶ Busy ◀──takes again──▶ Stalled
//!      │                 │  ▲                     │
//!      │      answered   ▼  │ request             │
//!      │                Idle ──byte──▶ Head       │
//!      │                 │              │         │
//!      ▼ header          ▼ idle         ▼ header  ▼ idle
//!    cut               closed          cut       cut
//! ```
//!
//! The timer is set anew only when a deadline comes nearer. While requests follow each other
//! it fires once in an idle time, finds that all is well, and is set again: the path of a
//! request touches no timer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::activity::{Activity, Glance, Phase};

/// The owner of one connection's deadlines.
pub(crate) struct Patience {
    activity: Arc<Activity>,
    header_timeout: Duration,
    idle_timeout: Duration,
    last: Glance,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    pub(crate) fn new(
        activity: Arc<Activity>,
        header_timeout: Duration,
        idle_timeout: Duration,
    ) -> Self {
        let since = Instant::now();
        let last = activity.glance();
        let timer = Box::pin(sleep_until(since + header_timeout));
        Self { activity, header_timeout, idle_timeout, last, since, timer }
    }

    /// What the connection is doing right now.
    pub(crate) fn phase(&self) -> Phase {
        self.activity.glance().phase
    }

    /// From now on nothing may idle for longer than a header block may take: the connection has
    /// been told to close.
    pub(crate) fn hurry(&mut self) {
        self.idle_timeout = self.idle_timeout.min(self.header_timeout);
        self.since = Instant::now();
    }

    /// Ready with the phase that lasted too long. To be polled after each poll of the connection.
    pub(crate) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<Phase> {
        let glance = self.activity.glance();
        if glance != self.last {
            self.last = glance;
            self.since = Instant::now();
        }
        let deadline = self.deadline();
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            // A busy connection has no deadline. It is looked at again in due time, since the end
            // of a stream of HTTP/2 need not wake the connection.
            let next =
                if self.last.phase == Phase::Busy { now + self.idle_timeout } else { deadline };
            if next <= now {
                return Poll::Ready(self.last.phase);
            }
            self.timer.as_mut().reset(next);
        }
        Poll::Pending
    }

    fn deadline(&self) -> Instant {
        match self.last.phase {
            Phase::Opening | Phase::Head => self.since + self.header_timeout,
            Phase::Idle | Phase::Stalled => self.since + self.idle_timeout,
            Phase::Busy => self.timer.deadline(),
        }
    }
}
