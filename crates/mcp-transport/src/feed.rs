//! What a session hears between its requests, and what it missed of an earlier answer.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::Either;
use futures_util::stream::{self, Stream};
use http::{HeaderMap, StatusCode};
use mcp_protocol::Feed;

use crate::event::{self, EventId};
use crate::request_headers::only;
use crate::session::McpSession;
use crate::sessions::Sessions;

/// Opens the stream that a GET asks for, or says why not.
pub(crate) fn open(
    sessions: &Sessions,
    session: Arc<McpSession>,
    headers: &HeaderMap,
) -> Result<impl Stream<Item = Bytes> + Send + 'static, StatusCode> {
    let last = only(headers, "last-event-id").map_err(|_| StatusCode::BAD_REQUEST)?;
    if let Some(last) = last {
        let last = EventId::parse(last).ok_or(StatusCode::BAD_REQUEST)?;
        return Ok(Either::Left(missed(sessions.clone(), session, last)));
    }
    // Where nothing ever changes there is nothing to hear.
    let feed = sessions.server().feed().ok_or(StatusCode::METHOD_NOT_ALLOWED)?;
    let place = Listener::begin(session).ok_or(StatusCode::CONFLICT)?;
    Ok(Either::Right(changes(sessions.clone(), place, feed)))
}

/// The events of one stream after `last`, and those that still come.
fn missed(
    sessions: Sessions,
    session: Arc<McpSession>,
    last: EventId,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((sessions, session, last), |(sessions, session, last)| async move {
        let next = tokio::select! {
            // What is there is told before the end.
            biased;
            next = session.after(last) => next,
            () = session.closed() => None,
            () = sessions.closing() => None,
        };
        next.map(|(events, last)| (events, (sessions, session, last)))
    })
}

/// The changes that this session hears of.
fn changes(sessions: Sessions, listener: Listener, feed: Feed) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((sessions, listener, feed), |(sessions, listener, mut feed)| async move {
        let session = &listener.0;
        let messages = tokio::select! {
            messages = feed.next(&session.conversation) => messages,
            () = session.closed() => None,
            () = sessions.closing() => None,
        }?;
        let events: Vec<u8> =
            messages.iter().flat_map(|message| event::whole(None, message)).collect();
        Some((events.into(), (sessions, listener, feed)))
    })
}

/// The one place of a client that listens between its requests; free again when dropped.
struct Listener(Arc<McpSession>);

impl Listener {
    fn begin(session: Arc<McpSession>) -> Option<Self> {
        session.begin_listening().then(|| Self(session))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.end_listening();
    }
}
