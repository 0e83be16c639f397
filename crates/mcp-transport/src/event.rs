//! Server-sent events (HTML, 9.2): how messages are written on an event stream.

use std::fmt;

/// Names an event of a session: the stream that it belongs to, and its place in it. A client that
/// lost the stream says which one it saw last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) stream: u64,
    pub(crate) place: u64,
}

impl EventId {
    /// Reads the header `Last-Event-ID`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (stream, place) = text.split_once('-')?;
        Some(Self { stream: number(stream)?, place: number(place)? })
    }
}

/// Digits and nothing else: `parse` alone takes a sign, too.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.stream, self.place)
    }
}

/// How long a client waits before it comes back, in milliseconds.
const RETRY_MS: u32 = 1_000;

/// A comment, which clients skip: it shows everyone on the way that the stream is alive.
pub(crate) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// The first event of a stream that can be taken up again (2025-11-25): it says nothing but
/// where the stream begins.
pub(crate) fn priming(id: EventId) -> Vec<u8> {
    format!("id: {id}\nretry: {RETRY_MS}\ndata: \n\n").into_bytes()
}

/// The beginning of an event; the message follows, then [`END`]. A message is JSON on one line.
pub(crate) fn begin(id: Option<EventId>) -> Vec<u8> {
    match id {
        Some(id) => format!("id: {id}\ndata: ").into_bytes(),
        None => b"data: ".to_vec(),
    }
}

/// The end of an event.
pub(crate) const END: &[u8] = b"\n\n";

/// An event that is whole.
pub(crate) fn whole(id: Option<EventId>, message: &[u8]) -> Vec<u8> {
    let mut event = begin(id);
    event.extend_from_slice(message);
    event.extend_from_slice(END);
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_comes_back_as_it_was_sent_and_nothing_else_is_one() {
        let id = EventId { stream: 7, place: 12 };
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        for other in
            ["", "-", "7", "7-", "-7", "+7-1", "7-+1", "7-1-1", "a-1", "99999999999999999999-1"]
        {
            assert_eq!(EventId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn events_are_written_as_the_standard_has_them() {
        let id = Some(EventId { stream: 1, place: 2 });
        assert_eq!(whole(id, b"{}"), b"id: 1-2\ndata: {}\n\n");
        assert_eq!(whole(None, b"{}"), b"data: {}\n\n");
        assert_eq!(priming(EventId { stream: 1, place: 0 }), b"id: 1-0\nretry: 1000\ndata: \n\n");
    }
}
