//! How a client begins, in either era, and what it sets for itself.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Cache, Kind, Reply, refuse};
use super::{Call, Server};
use crate::client::{ClientCapabilities, Handshake, LogLevel};
use crate::error::RpcError;
use crate::output::Output;
use crate::params::{optional_text, required_text};
use crate::revision::{Era, Revision};

impl<P: Sync> Server<P> {
    /// `initialize`: agrees on a revision, the newest legacy one if the client's is none.
    pub(super) fn initialize(&self, call: &Call<'_, P>, output: Output) -> Reply {
        let asked = match required_text(call.params.protocol_version, "protocolVersion") {
            Ok(asked) => asked,
            Err(error) => return refuse(output, Some(call.request.id), &error, Some(Era::Legacy)),
        };
        let revision = Revision::find(&asked)
            .filter(|revision| revision.era() == Era::Legacy)
            .unwrap_or(Revision::NEWEST_LEGACY);
        let capabilities = call.params.capabilities.and_then(ClientCapabilities::read);
        let handshake = Handshake { revision, capabilities: capabilities.unwrap_or_default() };
        if let Some(conversation) = call.conversation {
            conversation.agree(handshake);
        }
        let answer = Answer::of(&json!({
            "protocolVersion": revision.as_str(),
            "capabilities": self.capabilities(Era::Legacy),
            "serverInfo": self.implementation,
            "instructions": self.instructions,
        }));
        Reply { handshake: Some(handshake), ..self.finish(call, output, &answer) }
    }

    /// `server/discover`.
    pub(super) fn discover(&self) -> Answer {
        let versions: Vec<_> = Revision::modern().map(Revision::as_str).collect();
        let answer = Answer::of(&json!({
            "supportedVersions": versions,
            "capabilities": self.capabilities(Era::Modern),
            "instructions": self.instructions,
        }));
        Answer { kind: Kind::Presents, ..answer }.kept(Cache::SHARED)
    }

    /// `logging/setLevel`. Without a conversation nobody is there to be told anything.
    pub(super) fn set_log_level(call: &Call<'_, P>) -> Result<Answer, RpcError> {
        let level = required_text(call.params.level, "level")?;
        let level = LogLevel::find(&level)
            .ok_or_else(|| RpcError::invalid_params("params.level is not a log level"))?;
        if let Some(conversation) = call.conversation {
            conversation.set_log_level(level);
        }
        Ok(Answer::default())
    }

    /// The cursor of a list request.
    pub(super) fn cursor<'a>(
        call: &Call<'a, P>,
    ) -> Result<Option<std::borrow::Cow<'a, str>>, RpcError> {
        optional_text(call.params.cursor, "cursor")
    }

    /// What this server can do. Nothing is said that it does not.
    fn capabilities(&self, era: Era) -> Value {
        let changes = self.announcer.is_some();
        let listed = || if changes { json!({ "listChanged": true }) } else { json!({}) };
        let mut capabilities = Map::new();
        if self.offers_tools() {
            capabilities.insert("tools".into(), listed());
        }
        if self.offers_prompts() {
            capabilities.insert("prompts".into(), listed());
        }
        if self.offers_resources() {
            let mut resources = listed();
            if changes {
                resources["subscribe"] = true.into();
            }
            capabilities.insert("resources".into(), resources);
        }
        if self.completes() {
            capabilities.insert("completions".into(), json!({}));
        }
        // A client of the modern era asks for log messages with each request, or gets none.
        if self.logs && era == Era::Legacy {
            capabilities.insert("logging".into(), json!({}));
        }
        Value::Object(capabilities)
    }
}
