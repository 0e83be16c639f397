//! One protocol session of the legacy era: what a client and this server know of each other from
//! `initialize` on. Not a credential: each of its requests is authenticated by itself, and a
//! session serves nobody but the principal that opened it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mcp_identity::{Lease, Principal, PrincipalId};
use mcp_protocol::{Conversation, Handshake, Revision};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::event::{self, EventId};
use crate::event_log::{self, Budget, EventLog, Next};

/// A protocol session.
pub(crate) struct McpSession {
    pub(crate) id: String,
    pub(crate) conversation: Conversation,
    owner: PrincipalId,
    lease: Lease,
    last_used: Mutex<Instant>,
    log: Mutex<EventLog>,
    /// Counts what was logged: whoever reads the log waits on it.
    logged: watch::Sender<u64>,
    closed: watch::Sender<bool>,
    listening: AtomicBool,
    detached: AtomicUsize,
}

impl McpSession {
    /// Requests whose client went away and that go on nevertheless, at most.
    const MAX_DETACHED: usize = 16;

    pub(crate) fn new(
        id: String,
        principal: &Principal,
        handshake: Handshake,
        budget: Arc<Budget>,
    ) -> Self {
        Self {
            id,
            conversation: Conversation::opened(handshake),
            owner: principal.id.clone(),
            lease: principal.lease.clone(),
            last_used: Mutex::new(Instant::now()),
            log: Mutex::new(EventLog::within(budget)),
            logged: watch::Sender::new(0),
            closed: watch::Sender::new(false),
            listening: AtomicBool::new(false),
            detached: AtomicUsize::new(0),
        }
    }

    pub(crate) fn owner(&self) -> &PrincipalId {
        &self.owner
    }

    /// Whether the credential that opened it still holds.
    pub(crate) fn holds(&self) -> bool {
        !self.lease.is_ended()
    }

    pub(crate) fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub(crate) fn last_used(&self) -> Instant {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a stream of events that can be taken up again, if the client knows how to
    /// (2025-11-25): with its first event.
    pub(crate) fn begin_stream(self: &Arc<Self>) -> Option<(LoggedStream, Vec<u8>)> {
        let revision = self.conversation.handshake()?.revision;
        if revision < Revision::V2025_11_25 {
            return None;
        }
        let number = self.log().begin();
        let priming = event::priming(EventId { stream: number, place: 0 });
        Some((LoggedStream { session: Arc::clone(self), number }, priming))
    }

    /// What there is after an event; waits until there is something. `None` at the end of the
    /// stream.
    pub(crate) async fn after(&self, last: EventId) -> Option<(Bytes, EventId)> {
        let mut logged = self.logged.subscribe();
        loop {
            logged.borrow_and_update();
            let next = self.log().after(last);
            match next {
                Next::Events(events, place) => {
                    return Some((events, EventId { place, ..last }));
                }
                Next::End => return None,
                Next::Nothing => logged.changed().await.ok()?,
            }
        }
    }

    /// The session is over: whoever listens to it goes, and no question of it is answered.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        self.conversation.end();
    }

    /// Waits until the session is over.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // An error cannot be: the sender is in `self`.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Takes the one place of a client that listens between its requests.
    pub(crate) fn begin_listening(&self) -> bool {
        !self.listening.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn end_listening(&self) {
        self.listening.store(false, Ordering::SeqCst);
    }

    /// Takes a place for a request that goes on without its client.
    pub(crate) fn detach(self: &Arc<Self>) -> Option<Place> {
        let place = Place(Arc::clone(self));
        let taken = self.detached.fetch_add(1, Ordering::SeqCst);
        (taken < Self::MAX_DETACHED).then_some(place)
    }

    fn log(&self) -> MutexGuard<'_, EventLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream whose events are remembered. Once it is dropped no more come, and whoever waits for
/// them waits no longer.
pub(crate) struct LoggedStream {
    session: Arc<McpSession>,
    number: u64,
}

impl LoggedStream {
    /// Writes an event, and remembers it.
    pub(crate) fn write(&self, message: &[u8]) -> Bytes {
        let event = event_log::write(&mut self.session.log(), self.number, message);
        self.session.logged.send_modify(|count| *count += 1);
        event
    }

    /// The id of an event that is too large to be remembered.
    pub(crate) fn next_id(&self) -> EventId {
        self.session.log().next_id(self.number)
    }
}

impl Drop for LoggedStream {
    fn drop(&mut self) {
        self.session.log().finish(self.number);
        self.session.logged.send_modify(|count| *count += 1);
    }
}

/// The place of a request that goes on without its client; free again when dropped.
pub(crate) struct Place(pub(crate) Arc<McpSession>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.detached.fetch_sub(1, Ordering::SeqCst);
    }
}
