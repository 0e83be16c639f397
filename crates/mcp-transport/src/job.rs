//! The work on one request, from its first poll to its last byte: who drops it decides what
//! becomes of it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use mcp_identity::{EndReason, Lease};
use mcp_protocol::{Part, Reply, Status};

use crate::session::{LoggedStream, McpSession, Place};
use crate::sessions::Sessions;
use crate::slot::Slot;

/// The work on one answer.
pub(crate) type Work = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// The work on one answer, and all that it needs while it lasts.
///
/// Dropped before its end, it ends, and what it does in PostgreSQL is cancelled. In a session it
/// goes on instead: there a client that is gone has cancelled nothing (2025-11-25, transports).
pub(crate) struct Job {
    work: Option<Work>,
    slot: Arc<Slot>,
    lease: Lease,
    ended: Option<Pin<Box<dyn Future<Output = EndReason> + Send>>>,
    home: Option<Home>,
    /// Where its events are remembered, once it has sent one.
    stream: Option<LoggedStream>,
    /// Some of the answer has left: it cannot be had again.
    answering: bool,
}

/// Where a request goes on without its client.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) sessions: Sessions,
    pub(crate) session: Arc<McpSession>,
}

/// What a job has come to.
pub(crate) enum Step {
    /// Something that goes before the end.
    Part(Part),
    /// The end, and the part that was left just before it.
    End(Option<Part>, Reply),
    /// The credential ended.
    LeaseEnded,
}

/// The largest answer that is kept for a client that is gone, in bytes.
const MAX_KEPT: usize = 1024 * 1024;

impl Job {
    pub(crate) fn new(work: Work, slot: Arc<Slot>, lease: Lease, home: Option<Home>) -> Self {
        let work = Some(work);
        Self { work, slot, lease, ended: None, home, stream: None, answering: false }
    }

    /// The session that it belongs to.
    pub(crate) fn session(&self) -> Option<&Arc<McpSession>> {
        self.home.as_ref().map(|home| &home.session)
    }

    pub(crate) fn takes_events(&self) -> bool {
        self.slot.takes_events()
    }

    /// From now on its events are remembered as those of `stream`.
    pub(crate) fn remember(&mut self, stream: LoggedStream) {
        self.stream = Some(stream);
    }

    pub(crate) fn stream(&self) -> Option<&LoggedStream> {
        self.stream.as_ref()
    }

    /// All is said: who waits for more of its events waits no longer.
    pub(crate) fn finish_stream(&mut self) {
        self.stream = None;
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.answering
    }

    pub(crate) fn is_done(&self) -> bool {
        self.work.is_none()
    }

    /// Works on, until there is something to send. Nothing more comes after an end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        // Taken out: work that panics is gone, and nobody goes on with it.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        if self.lease.is_ended() {
            return Poll::Ready(Step::LeaseEnded);
        }
        if let Poll::Ready(reply) = work.as_mut().poll(cx) {
            return Poll::Ready(Step::End(self.slot.take(cx), reply));
        }
        self.work = Some(work);
        match self.slot.take(cx) {
            // A part that the work has just left goes first; its last one comes after.
            Some(part) => {
                self.answering |= matches!(part, Part::Answer(_));
                Poll::Ready(Step::Part(part))
            }
            None => self.poll_lease(cx),
        }
    }

    /// Waits on the lease, too; most jobs are done before they come here.
    fn poll_lease(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let lease = &self.lease;
        let ended = self.ended.get_or_insert_with(|| {
            let lease = lease.clone();
            Box::pin(async move { lease.ended().await })
        });
        ended.as_mut().poll(cx).map(|_| {
            self.work = None;
            Step::LeaseEnded
        })
    }

    /// Lets the client go; the work goes on, and what comes of it is remembered. `false`: where
    /// nothing is remembered, nobody is let go.
    pub(crate) fn let_go(&mut self) -> bool {
        self.stream.is_some() && self.hand_over()
    }

    /// Hands the work over to those who go on without the client, if it can go on.
    fn hand_over(&mut self) -> bool {
        let Some(home) = &self.home else { return false };
        if self.answering || self.work.is_none() {
            return false;
        }
        let Some(place) = home.session.detach() else { return false };
        let rest = Self {
            work: self.work.take(),
            slot: Arc::clone(&self.slot),
            lease: self.lease.clone(),
            ended: None,
            // It is at home now.
            home: None,
            stream: self.stream.take(),
            answering: false,
        };
        home.sessions.detach(Box::pin(rest.finish_alone(place)));
        true
    }

    /// Works on to the end, with nobody there; what comes of it is remembered for as long as the
    /// session lasts.
    async fn finish_alone(mut self, place: Place) {
        let mut closed = pin!(place.0.closed());
        let mut answer = Vec::new();
        loop {
            let step = tokio::select! {
                step = poll_fn(|cx| self.poll(cx)) => step,
                () = &mut closed => return,
            };
            let (part, reply) = match step {
                Step::Part(part) => (Some(part), None),
                Step::End(part, reply) => (part, Some(reply)),
                Step::LeaseEnded => return,
            };
            match part {
                Some(Part::Message(message)) => self.log(&message),
                Some(Part::Answer(bytes)) if answer.len() + bytes.len() <= MAX_KEPT => {
                    answer.extend(bytes);
                }
                // Nobody can fetch it, so nobody needs to wait for it.
                Some(Part::Answer(_)) => return,
                Some(Part::LetGo) | None => {}
            }
            if let Some(reply) = reply {
                if is_said(&reply) {
                    answer.extend(reply.output.into_rest());
                    self.log(&answer);
                }
                return;
            }
        }
    }

    fn log(&self, message: &[u8]) {
        if let Some(stream) = &self.stream {
            stream.write(message);
        }
    }
}

/// Whether there is an answer, be it a refusal.
pub(crate) fn is_said(reply: &Reply) -> bool {
    matches!(reply.status, Status::Answered | Status::Refused(..))
}

impl Drop for Job {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// An event of `job` as bytes, remembered where its stream can be taken up again.
pub(crate) fn event(job: &Job, message: &[u8]) -> Bytes {
    match job.stream() {
        Some(stream) => stream.write(message),
        None => crate::event::whole(None, message).into(),
    }
}
