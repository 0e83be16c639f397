//! The last events of a session, for a client that lost its stream, or was let go, and comes
//! back. Bounded: what a client does not fetch in time is forgotten, oldest first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::event::{self, EventId};

/// The last events of one session.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    streams: VecDeque<Stream>,
    last_stream: u64,
    bytes: usize,
    budget: Arc<Budget>,
}

/// What the logs of all sessions together may hold, in bytes. One client cannot fill the memory
/// with sessions that it never comes back for.
#[derive(Debug)]
pub(crate) struct Budget(AtomicUsize);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicUsize::new(64 * 1024 * 1024))
    }
}

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Stream {
    number: u64,
    last_place: u64,
    finished: bool,
    events: VecDeque<(u64, Bytes)>,
}

/// What there is for a client that comes back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Events that it has not seen; go on after the place.
    Events(Bytes, u64),
    /// Nothing yet.
    Nothing,
    /// The stream is at its end, or forgotten.
    End,
}

impl EventLog {
    /// Streams that are remembered.
    const MAX_STREAMS: usize = 64;
    /// Events that are remembered, in bytes over all streams.
    const MAX_BYTES: usize = 1024 * 1024;

    pub(crate) fn within(budget: Arc<Budget>) -> Self {
        let (streams, last_stream, bytes) = (VecDeque::new(), 0, 0);
        Self { streams, last_stream, bytes, budget }
    }

    /// Begins a stream; the oldest one that is finished makes room for it.
    pub(crate) fn begin(&mut self) -> u64 {
        if self.streams.len() >= Self::MAX_STREAMS {
            let oldest = self.streams.iter().position(|stream| stream.finished).unwrap_or(0);
            if let Some(forgotten) = self.streams.remove(oldest) {
                self.release(forgotten.bytes());
            }
        }
        self.last_stream += 1;
        let number = self.last_stream;
        let stream = Stream { number, last_place: 0, finished: false, events: VecDeque::new() };
        self.streams.push_back(stream);
        number
    }

    /// The id of the next event of a stream.
    pub(crate) fn next_id(&mut self, stream: u64) -> EventId {
        let found = self.find(stream);
        let place = found.map_or(u64::MAX, |stream| {
            stream.last_place += 1;
            stream.last_place
        });
        EventId { stream, place }
    }

    /// Remembers an event, whole as it is written.
    pub(crate) fn keep(&mut self, id: EventId, event: Bytes) {
        let size = event.len();
        if size > Self::MAX_BYTES {
            return;
        }
        self.forget(size);
        if self.find(id.stream).is_none() || !self.budget.take(size) {
            return;
        }
        self.bytes += size;
        if let Some(stream) = self.find(id.stream) {
            stream.events.push_back((id.place, event));
        }
    }

    /// No more events come on this stream.
    pub(crate) fn finish(&mut self, stream: u64) {
        if let Some(stream) = self.find(stream) {
            stream.finished = true;
        }
    }

    /// What a client that saw `after` last has not seen.
    pub(crate) fn after(&self, after: EventId) -> Next {
        let found = self.streams.iter().find(|stream| stream.number == after.stream);
        let Some(stream) = found else { return Next::End };
        let missed = stream.events.iter().filter(|(place, _)| *place > after.place);
        let mut last = after.place;
        let mut bytes = Vec::new();
        for (place, event) in missed {
            last = *place;
            bytes.extend_from_slice(event);
        }
        if !bytes.is_empty() {
            Next::Events(bytes.into(), last)
        } else if stream.finished {
            Next::End
        } else {
            Next::Nothing
        }
    }

    /// Makes room for `size` more bytes.
    fn forget(&mut self, size: usize) {
        while self.bytes + size > Self::MAX_BYTES {
            let Some(stream) = self.streams.iter_mut().find(|stream| !stream.events.is_empty())
            else {
                return;
            };
            if let Some((_, event)) = stream.events.pop_front() {
                self.release(event.len());
            }
        }
    }

    fn release(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.budget.give_back(bytes);
    }

    fn find(&mut self, number: u64) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.number == number)
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

impl Stream {
    fn bytes(&self) -> usize {
        self.events.iter().map(|(_, event)| event.len()).sum()
    }
}

/// The event with the next id of `stream`, remembered.
pub(crate) fn write(log: &mut EventLog, stream: u64, message: &[u8]) -> Bytes {
    let id = log.next_id(stream);
    let event = Bytes::from(event::whole(Some(id), message));
    log.keep(id, event.clone());
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(next: &Next) -> String {
        match next {
            Next::Events(bytes, _) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_client_gets_what_it_has_not_seen_of_its_own_stream() {
        let mut log = EventLog::default();
        let (one, two) = (log.begin(), log.begin());
        write(&mut log, one, b"a");
        write(&mut log, two, b"x");
        write(&mut log, one, b"b");
        let after = |place| EventId { stream: one, place };
        assert_eq!(text(&log.after(after(0))), "id: 1-1\ndata: a\n\nid: 1-2\ndata: b\n\n");
        assert_eq!(text(&log.after(after(1))), "id: 1-2\ndata: b\n\n");
        assert_eq!(log.after(after(2)), Next::Nothing);
        log.finish(one);
        assert_eq!(log.after(after(2)), Next::End);
        assert_eq!(log.after(EventId { stream: 9, place: 0 }), Next::End);
    }

    #[test]
    fn the_log_never_grows_beyond_its_bounds() {
        let mut log = EventLog::default();
        let event = vec![b'x'; 100_000];
        for _ in 0..200 {
            let stream = log.begin();
            write(&mut log, stream, &event);
            log.finish(stream);
        }
        assert!(log.streams.len() <= EventLog::MAX_STREAMS);
        assert!(log.bytes <= EventLog::MAX_BYTES);
        let held: usize = log.streams.iter().map(Stream::bytes).sum();
        assert_eq!(held, log.bytes);
        let stream = log.begin();
        write(&mut log, stream, &vec![b'x'; 2 * EventLog::MAX_BYTES]);
        assert!(log.bytes <= EventLog::MAX_BYTES);
    }

    #[test]
    fn all_logs_together_stay_within_their_budget_and_give_it_back() {
        let budget = Arc::new(Budget(AtomicUsize::new(1_000)));
        let mut logs: Vec<_> = (0..3).map(|_| EventLog::within(Arc::clone(&budget))).collect();
        for log in &mut logs {
            let stream = log.begin();
            write(log, stream, &[b'x'; 400]);
        }
        assert_eq!(logs.iter().filter(|log| log.bytes > 0).count(), 2);
        drop(logs);
        assert_eq!(budget.0.load(Ordering::Relaxed), 1_000);
    }
}
