//! Telling clients of changes: `subscriptions/listen` (modern), and the feed of a conversation
//! (legacy).

use std::collections::BTreeSet;

use serde::Deserialize;

use super::answer::{Answer, Reply, refuse};
use super::resources::MAX_URI_BYTES;
use super::{Call, Server};
use crate::change::{Announcements, Announcer, Filter, SUBSCRIPTION};
use crate::conversation::Conversation;
use crate::error::{Code, RpcError};
use crate::output::{Gone, Messages, Output, Part};

/// What a client asks to hear of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    tools_list_changed: Option<bool>,
    prompts_list_changed: Option<bool>,
    resources_list_changed: Option<bool>,
    resource_subscriptions: Option<BTreeSet<String>>,
}

impl<P: Sync> Server<P> {
    /// `subscriptions/listen`: answers when there is nothing more to hear. Until then, messages.
    pub(super) async fn listen(&self, call: &Call<'_, P>, output: Output) -> Reply {
        let messages = output.messages();
        let listening = match self.begin_listening(call, &messages) {
            Ok(listening) => listening,
            Err(error) => return refuse(output, Some(call.request.id), &error, Some(call.era())),
        };
        let id = call.request.id.get();
        match listening.tell(&messages, id).await {
            Ok(()) => {
                let members = format!(
                    r#""resultType":"complete","_meta":{{"io.modelcontextprotocol/serverInfo":{},"{SUBSCRIPTION}":{id}}}"#,
                    self.implementation,
                );
                let answer = Answer { members: members.into_bytes(), ..Answer::default() };
                Self::finish_whole(call, output, &answer)
            }
            Err(Gone) => Reply::gone(output),
        }
    }

    fn begin_listening(
        &self,
        call: &Call<'_, P>,
        messages: &Messages,
    ) -> Result<Listening, RpcError> {
        let raw = call.params.notifications;
        let raw = raw.ok_or_else(|| RpcError::invalid_params("params.notifications is missing"))?;
        let wanted = raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok());
        let wanted: Wanted = wanted.flatten().ok_or_else(|| {
            RpcError::invalid_params("params.notifications is not a filter of notifications")
        })?;
        let addresses = wanted.resource_subscriptions.filter(|_| self.offers_resources());
        let addresses = addresses.unwrap_or_default();
        if addresses.len() > Filter::MAX_ADDRESSES {
            return Err(RpcError::invalid_params("too many resources to watch"));
        }
        if addresses.iter().any(|uri| uri.len() > MAX_URI_BYTES) {
            return Err(RpcError::invalid_params("the address of a resource is too long"));
        }
        let method_not_found = || RpcError::method_not_found(&call.request.method);
        let announcer = self.announcer.as_ref().ok_or_else(method_not_found)?;
        if !messages.reach_the_client() {
            let message = "Invalid Request: this needs an event stream; accept text/event-stream";
            return Err(RpcError::new(Code::InvalidRequest, message));
        }
        let filter = Filter {
            tools: wanted.tools_list_changed == Some(true) && self.offers_tools(),
            prompts: wanted.prompts_list_changed == Some(true) && self.offers_prompts(),
            resources: wanted.resources_list_changed == Some(true) && self.offers_resources(),
            addresses,
        };
        Ok(Listening { announcements: announcer.listen(), filter })
    }

    /// What a client of the legacy era hears between its requests; `None` if nothing ever
    /// changes.
    #[must_use]
    pub fn feed(&self) -> Option<Feed> {
        self.announcer.as_ref().map(|announcer| Feed(announcer.listen()))
    }

    /// Everyone who listens hears the end, and may go: the server stops.
    pub fn end_listening(&self) {
        if let Some(announcer) = &self.announcer {
            Announcer::end(announcer);
        }
    }
}

struct Listening {
    announcements: Announcements,
    filter: Filter,
}

impl Listening {
    /// Says what is listened to, then tells each change of it, until there are no more.
    async fn tell(mut self, messages: &Messages, id: &str) -> Result<(), Gone> {
        let acknowledged = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{},"_meta":{{"{SUBSCRIPTION}":{id}}}}}}}"#,
            self.filter.to_json(),
        );
        messages.send(Part::Message(acknowledged.into_bytes())).await?;
        while let Some(announced) = self.announcements.next().await {
            for change in self.filter.select(announced) {
                messages.send(Part::Message(change.to_message(Some(id)))).await?;
            }
        }
        Ok(())
    }
}

/// What a client of the legacy era hears between its requests.
pub struct Feed(Announcements);

impl Feed {
    /// Waits for changes that this client hears of: messages to send, at least one. `None` when
    /// there will be no more.
    pub async fn next(&mut self, conversation: &Conversation) -> Option<Vec<Vec<u8>>> {
        loop {
            let changes = conversation.select(self.0.next().await?);
            if !changes.is_empty() {
                return Some(changes.iter().map(|change| change.to_message(None)).collect());
            }
        }
    }
}
