//! What may change while a server runs, and who wants to hear of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::sync::broadcast;

/// The member of `_meta` that says which subscription a message belongs to.
pub(crate) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Something is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// What the resource at this address holds.
    Resource(Arc<str>),
}

impl Change {
    /// The notification, with the id of the subscription in its `_meta` where it belongs to one:
    /// as its client wrote it.
    pub(crate) fn to_message(&self, subscription: Option<&str>) -> Vec<u8> {
        let method = match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources => "notifications/resources/list_changed",
            Self::Resource(_) => "notifications/resources/updated",
        };
        let mut params = Vec::new();
        if let Self::Resource(uri) = self {
            params.push(format!(r#""uri":{}"#, json!(**uri)));
        }
        if let Some(id) = subscription {
            params.push(format!(r#""_meta":{{"{SUBSCRIPTION}":{id}}}"#));
        }
        let params = match params.as_slice() {
            [] => String::new(),
            some => format!(r#","params":{{{}}}"#, some.join(",")),
        };
        format!(r#"{{"jsonrpc":"2.0","method":"{method}"{params}}}"#).into_bytes()
    }
}

/// Tells whoever listens that something changed. Cheap to clone; nobody needs to listen.
#[derive(Clone, Debug)]
pub struct Announcer {
    sender: broadcast::Sender<Event>,
    ended: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
enum Event {
    Changed(Change),
    End,
}

impl Announcer {
    /// How many changes a slow listener may be behind before it is told that all changed.
    const BACKLOG: usize = 64;

    /// A new one, with nobody listening.
    #[must_use]
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(Self::BACKLOG), ended: Arc::default() }
    }

    /// Tells everyone who listens.
    pub fn announce(&self, change: Change) {
        // Nobody listening is no failure.
        let _ = self.sender.send(Event::Changed(change));
    }

    /// There will be no more changes: everyone who listens is told so, and may go.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.sender.send(Event::End);
    }

    pub(crate) fn listen(&self) -> Announcements {
        // Subscribed first: an end that comes in between is heard or seen.
        let receiver = self.sender.subscribe();
        Announcements { receiver, ended: self.ended.load(Ordering::SeqCst) }
    }
}

impl Default for Announcer {
    fn default() -> Self {
        Self::new()
    }
}

/// What one listener has not heard yet.
#[derive(Debug)]
pub(crate) struct Announcements {
    receiver: broadcast::Receiver<Event>,
    ended: bool,
}

/// What a listener hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    One(Change),
    /// It was too slow: some were lost, so everything may have changed.
    TooMany,
}

impl Announcements {
    /// Waits for the next change; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Announced> {
        if self.ended {
            return None;
        }
        match self.receiver.recv().await {
            Ok(Event::Changed(change)) => Some(Announced::One(change)),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Announced::TooMany),
            Ok(Event::End) | Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Which changes somebody asked to hear of. Nothing else is told to him.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) addresses: BTreeSet<String>,
}

impl Filter {
    /// The most addresses that one listener may watch.
    pub(crate) const MAX_ADDRESSES: usize = 1_000;

    /// As `SubscriptionFilter`: what is asked for, and nothing that is not.
    pub(crate) fn to_json(&self) -> Value {
        let mut filter = serde_json::Map::new();
        for (wanted, name) in [
            (self.tools, "toolsListChanged"),
            (self.prompts, "promptsListChanged"),
            (self.resources, "resourcesListChanged"),
        ] {
            if wanted {
                filter.insert(name.into(), true.into());
            }
        }
        if !self.addresses.is_empty() {
            filter.insert("resourceSubscriptions".into(), json!(self.addresses));
        }
        Value::Object(filter)
    }

    /// The changes to tell of what was heard.
    pub(crate) fn select(&self, announced: Announced) -> Vec<Change> {
        match announced {
            Announced::One(change) if self.wants(&change) => vec![change],
            Announced::One(_) => Vec::new(),
            Announced::TooMany => [Change::Tools, Change::Prompts, Change::Resources]
                .into_iter()
                .filter(|change| self.wants(change))
                .chain(self.addresses.iter().map(|uri| Change::Resource(uri.as_str().into())))
                .collect(),
        }
    }

    fn wants(&self, change: &Change) -> bool {
        match change {
            Change::Tools => self.tools,
            Change::Prompts => self.prompts,
            Change::Resources => self.resources,
            Change::Resource(uri) => self.addresses.contains(&**uri),
        }
    }
}
