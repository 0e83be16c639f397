//! What one client of the legacy era and this server know of each other between messages: what
//! `initialize` agreed on, what is being worked on, what was asked and not yet answered.
//!
//! stdio has one for the life of the process; over HTTP a protocol session holds one. Without one
//! (a plain `curl`), requests are answered, and nothing else of the legacy era exists.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::change::{Announced, Change, Filter};
use crate::client::{Handshake, LogLevel};
use crate::message::Response;

/// One client's conversation. Shared by all of its messages.
#[derive(Debug, Default)]
pub struct Conversation(Mutex<State>);

#[derive(Debug)]
struct State {
    handshake: Option<Handshake>,
    log_level: Option<LogLevel>,
    filter: Filter,
    /// Requests being worked on, by their id as it was written.
    working: HashMap<Box<str>, oneshot::Sender<()>>,
    /// Questions without an answer, by our id.
    open_questions: HashMap<u64, oneshot::Sender<Value>>,
    last_question: u64,
    ended: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            handshake: None,
            log_level: None,
            filter: Filter { tools: true, prompts: true, resources: true, ..Filter::default() },
            working: HashMap::new(),
            open_questions: HashMap::new(),
            last_question: 0,
            ended: false,
        }
    }
}

impl Conversation {
    /// The most requests that can be cancelled, and the most open questions, at a time.
    const MAX_OPEN: usize = 256;

    /// One that begins with what `initialize` agreed on.
    #[must_use]
    pub fn opened(handshake: Handshake) -> Self {
        let conversation = Self::default();
        conversation.agree(handshake);
        conversation
    }

    /// `initialize` came, or came again.
    pub fn agree(&self, handshake: Handshake) {
        self.state().handshake = Some(handshake);
    }

    /// What `initialize` agreed on; `None` before it.
    #[must_use]
    pub fn handshake(&self) -> Option<Handshake> {
        self.state().handshake
    }

    /// The client says nothing more: whoever waits for an answer of it waits no longer.
    pub fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.open_questions.clear();
    }

    pub(crate) fn log_level(&self) -> LogLevel {
        self.state().log_level.unwrap_or(LogLevel::Info)
    }

    pub(crate) fn set_log_level(&self, level: LogLevel) {
        self.state().log_level = Some(level);
    }

    /// Adds an address to those whose changes this client hears of. `false`: it has too many.
    pub(crate) fn subscribe(&self, uri: &str) -> bool {
        let addresses = &mut self.state().filter.addresses;
        let room = addresses.len() < Filter::MAX_ADDRESSES || addresses.contains(uri);
        if room {
            addresses.insert(uri.to_owned());
        }
        room
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.state().filter.addresses.remove(uri);
    }

    /// What of `announced` this client hears: in the legacy era every list, and the resources
    /// that it subscribed to.
    pub(crate) fn select(&self, announced: Announced) -> Vec<Change> {
        self.state().filter.select(announced)
    }

    /// Notes that the request `id` is being worked on.
    pub(crate) fn begin(&self, id: &RawValue) -> Working<'_> {
        let mut state = self.state();
        let id = id.get();
        // A second request with the id of one under way is served, but cannot be cancelled.
        let cancelled = if state.working.len() < Self::MAX_OPEN && !state.working.contains_key(id) {
            let (sender, receiver) = oneshot::channel();
            state.working.insert(id.into(), sender);
            Some(receiver)
        } else {
            None
        };
        drop(state);
        Working { conversation: self, id: id.into(), cancelled }
    }

    /// `notifications/cancelled` came. A request that is not under way is none of its business.
    pub(crate) fn cancel(&self, id: &RawValue) {
        let cancelled = self.state().working.remove(id.get());
        // The work may have ended in this very moment.
        let _ = cancelled.map(|sender| sender.send(()));
    }

    /// Gives a question an id, and a place where its answer will arrive. `None`: too many are
    /// open.
    pub(crate) fn ask(&self) -> Option<OpenQuestion<'_>> {
        let mut state = self.state();
        if state.ended || state.open_questions.len() >= Self::MAX_OPEN {
            return None;
        }
        state.last_question += 1;
        let id = state.last_question;
        let (sender, answer) = oneshot::channel();
        state.open_questions.insert(id, sender);
        drop(state);
        Some(OpenQuestion { conversation: self, id, answer })
    }

    /// A response came. One to a question that was not asked is dropped.
    pub(crate) fn answer(&self, response: &Response<'_>) {
        let id = response.id.get().parse().ok();
        let Some(question) = id.and_then(|id| self.state().open_questions.remove(&id)) else {
            return;
        };
        // An error, or what cannot be read, is the end of the question: its sender is dropped.
        let result = response.result.and_then(|raw| serde_json::from_str(raw.get()).ok());
        if let Some(result) = result {
            let _ = question.send(result);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. Dropping it says that the work is done.
pub(crate) struct Working<'c> {
    conversation: &'c Conversation,
    id: Box<str>,
    cancelled: Option<oneshot::Receiver<()>>,
}

impl Working<'_> {
    /// Ready when the client does not want the answer any more; never, if it cannot say so.
    pub(crate) async fn cancelled(&mut self) {
        let said = match &mut self.cancelled {
            Some(cancelled) => cancelled.await.is_ok(),
            None => false,
        };
        if !said {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if self.cancelled.is_some() {
            self.conversation.state().working.remove(&self.id);
        }
    }
}

/// A question that was put. Dropping it forgets the question.
pub(crate) struct OpenQuestion<'c> {
    conversation: &'c Conversation,
    pub(crate) id: u64,
    answer: oneshot::Receiver<Value>,
}

impl OpenQuestion<'_> {
    /// The client's result; `None` if it answered with an error.
    pub(crate) async fn answer(mut self) -> Option<Value> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for OpenQuestion<'_> {
    fn drop(&mut self) {
        self.conversation.state().open_questions.remove(&self.id);
    }
}
