//! The body of a response.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::Stream;
use http_body::{Body, Frame, SizeHint};
use mcp_identity::{EndReason, Lease};
use mcp_protocol::{Part, Reply, Status};
use tokio::time::{Instant, Sleep};

use crate::event::{self, KEEP_ALIVE};
use crate::job::{Job, Step, event, is_said};
use crate::session::LoggedStream;

/// Bytes that are there, or an answer that is still being made.
pub struct ResponseBody(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Parts(Box<Parts>),
    Events(Box<Events>),
    Feed(Box<Feed>),
}

/// Why a body stopped before its end. The client sees a cut connection, never a shorter answer
/// that looks whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The credential that asked no longer holds.
    #[error("the credential ended while its answer was on the way")]
    LeaseEnded,
    /// What makes the answer gave up in the middle.
    #[error("the answer broke off")]
    BrokenOff,
}

impl ResponseBody {
    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self(Inner::Whole(None))
    }

    /// An answer of which `first` is there, and that `job` still works on.
    pub(crate) fn parts(first: Vec<u8>, job: Job) -> Self {
        Self(Inner::Parts(Box::new(Parts { first: Some(first), job })))
    }

    /// An event stream that begins with `first`, and that `job` goes on with.
    pub(crate) fn events(first: Bytes, job: Job) -> Self {
        let ready = VecDeque::from([first]);
        Self(Inner::Events(Box::new(Events { ready, job, alive: KeepAlive::new(), over: false })))
    }

    /// An event stream of what `source` brings, for as long as `lease` holds.
    pub(crate) fn feed(source: impl Stream<Item = Bytes> + Send + 'static, lease: Lease) -> Self {
        let ended = Box::pin(async move { lease.ended().await });
        let (source, alive) = (Box::pin(source), KeepAlive::new());
        Self(Inner::Feed(Box::new(Feed { source, alive, ended })))
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

type Polled = Poll<Option<Result<Bytes, BodyError>>>;

/// A large answer as plain JSON, part by part.
struct Parts {
    first: Option<Vec<u8>>,
    job: Job,
}

impl Parts {
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first.into())));
        }
        loop {
            if self.job.is_done() {
                return Poll::Ready(None);
            }
            let step = std::task::ready!(self.job.poll(cx));
            return Poll::Ready(Some(match step {
                Step::Part(Part::Answer(part)) => Ok(part.into()),
                // The slot takes no other after an answer has begun.
                Step::Part(Part::Message(_) | Part::LetGo) => continue,
                Step::LeaseEnded => Err(BodyError::LeaseEnded),
                Step::End(part, reply) => last(part, reply).map(Bytes::from),
            }));
        }
    }
}

/// The end of an answer, with the part that was left just before it.
fn last(part: Option<Part>, reply: Reply) -> Result<Vec<u8>, BodyError> {
    if !is_said(&reply) {
        return Err(BodyError::BrokenOff);
    }
    let mut last = match part {
        Some(Part::Answer(part)) => part,
        Some(Part::Message(_) | Part::LetGo) | None => Vec::new(),
    };
    last.extend(reply.output.into_rest());
    Ok(last)
}

/// The events of one request: messages, and at the end its answer.
struct Events {
    ready: VecDeque<Bytes>,
    job: Job,
    alive: KeepAlive,
    over: bool,
}

impl Events {
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                self.alive.reset();
                return Poll::Ready(Some(Ok(ready)));
            }
            if self.over || self.job.is_done() {
                return Poll::Ready(None);
            }
            let was_answering = self.job.is_answering();
            match self.job.poll(cx) {
                Poll::Ready(step) => {
                    if let Err(error) = self.take(step, was_answering) {
                        self.over = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                // Inside an event there is no place for anything else.
                Poll::Pending if was_answering => return Poll::Pending,
                Poll::Pending => {
                    std::task::ready!(self.alive.poll(cx));
                    self.ready.push_back(Bytes::from_static(KEEP_ALIVE));
                }
            }
        }
    }

    fn take(&mut self, step: Step, was_answering: bool) -> Result<(), BodyError> {
        match step {
            Step::LeaseEnded => return Err(BodyError::LeaseEnded),
            Step::Part(part) => self.take_part(part, was_answering),
            Step::End(part, reply) => {
                let began = was_answering || matches!(part, Some(Part::Answer(_)));
                let is_said = is_said(&reply);
                // Half an answer must not look like a whole one.
                if reply.status == Status::Gone || (began && !is_said) {
                    return Err(BodyError::BrokenOff);
                }
                if let Some(part) = part {
                    self.take_part(part, was_answering);
                }
                let rest = reply.output.into_rest();
                if began {
                    self.ready.push_back(rest.into());
                    self.ready.push_back(Bytes::from_static(event::END));
                } else if is_said {
                    self.ready.push_back(event(&self.job, &rest));
                }
                self.job.finish_stream();
            }
        }
        Ok(())
    }

    fn take_part(&mut self, part: Part, was_answering: bool) {
        match part {
            Part::Message(message) => self.ready.push_back(event(&self.job, &message)),
            Part::LetGo => self.over = self.job.let_go(),
            Part::Answer(part) => {
                if !was_answering {
                    let id = self.job.stream().map(LoggedStream::next_id);
                    self.ready.push_back(event::begin(id).into());
                }
                self.ready.push_back(part.into());
            }
        }
    }
}

/// Events that belong to no request.
struct Feed {
    source: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    alive: KeepAlive,
    ended: Pin<Box<dyn Future<Output = EndReason> + Send>>,
}

impl Feed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(BodyError::LeaseEnded)));
        }
        if let Poll::Ready(next) = self.source.as_mut().poll_next(cx) {
            self.alive.reset();
            return Poll::Ready(next.map(Ok));
        }
        std::task::ready!(self.alive.poll(cx));
        self.alive.reset();
        Poll::Ready(Some(Ok(Bytes::from_static(KEEP_ALIVE))))
    }
}

/// Says when a stream was silent for so long that something on the way may take it for dead.
struct KeepAlive(Pin<Box<Sleep>>);

impl KeepAlive {
    const EVERY: Duration = Duration::from_secs(15);

    fn new() -> Self {
        Self(Box::pin(tokio::time::sleep(Self::EVERY)))
    }

    fn reset(&mut self) {
        self.0.as_mut().reset(Instant::now() + Self::EVERY);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Inner::Parts(parts) => parts.poll(cx),
            Inner::Events(events) => events.poll(cx),
            Inner::Feed(feed) => feed.poll(cx),
        };
        polled.map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.is_none(),
            Inner::Parts(parts) => parts.first.is_none() && parts.job.is_done(),
            Inner::Events(events) => {
                events.ready.is_empty() && (events.over || events.job.is_done())
            }
            Inner::Feed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Inner::Parts(_) | Inner::Events(_) | Inner::Feed(_) => SizeHint::default(),
        }
    }
}
