//! An event stream as a client reads it.

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;
use mcp_transport::{BodyError, ResponseBody};
use serde_json::Value;

use crate::play::soon;

/// One event, or a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) is_comment: bool,
}

impl Event {
    fn parse(text: &str) -> Self {
        let mut event = Self::default();
        for line in text.lines() {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("id", id) => event.id = Some(id.to_owned()),
                ("retry", retry) => event.retry = Some(retry.to_owned()),
                // A second line of data would be a line break in the message.
                ("data", data) if event.data.is_none() => event.data = Some(data.to_owned()),
                ("", _) => event.is_comment = true,
                other => panic!("{other:?}"),
            }
        }
        event
    }

    /// The message that it carries.
    pub(crate) fn message(&self) -> Value {
        serde_json::from_str(self.data.as_deref().unwrap()).unwrap()
    }

    /// The method of the message that it carries.
    pub(crate) fn method(&self) -> String {
        self.message()["method"].as_str().unwrap().to_owned()
    }
}

/// The events of a response, as they come.
pub(crate) struct EventStream {
    body: ResponseBody,
    unread: String,
}

impl EventStream {
    pub(crate) fn of(response: Response<ResponseBody>) -> Self {
        Self { body: response.into_body(), unread: String::new() }
    }

    /// The next event, however long it takes; `None` at the end of the stream.
    pub(crate) async fn wait(&mut self) -> Result<Option<Event>, BodyError> {
        loop {
            if let Some(end) = self.unread.find("\n\n") {
                let event = Event::parse(&self.unread[..end]);
                self.unread.drain(..end + 2);
                return Ok(Some(event));
            }
            let Some(bytes) = self.frame().await.transpose()? else {
                assert_eq!(self.unread, "", "the stream ends inside an event");
                return Ok(None);
            };
            self.unread.push_str(str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event, which is there.
    pub(crate) async fn next(&mut self) -> Event {
        soon(self.wait()).await.unwrap().expect("the stream has ended")
    }

    /// The next event that carries a message.
    pub(crate) async fn next_message(&mut self) -> Event {
        loop {
            let event = self.next().await;
            if event.data.as_ref().is_some_and(|data| !data.is_empty()) {
                return event;
            }
        }
    }

    /// The rest, which ends well.
    pub(crate) async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = soon(self.wait()).await.unwrap() {
            events.push(event);
        }
        events
    }

    /// All that is still to come, as it is written.
    pub(crate) async fn text(self) -> String {
        let body = self.body.collect().await.unwrap().to_bytes();
        self.unread + str::from_utf8(&body).unwrap()
    }

    /// The fault that the stream breaks off with, after whatever comes before it.
    pub(crate) async fn fault(&mut self) -> BodyError {
        loop {
            match soon(self.frame()).await {
                Some(Ok(_)) => {}
                Some(Err(fault)) => return fault,
                None => panic!("the stream ended well"),
            }
        }
    }

    /// The next piece of the body, as it came.
    pub(crate) async fn frame(&mut self) -> Option<Result<Bytes, BodyError>> {
        let frame = self.body.frame().await?;
        Some(frame.map(|frame| frame.into_data().unwrap()))
    }
}
