//! What an embedder writes: a prompt.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::completion::{Completion, CompletionCall};
use crate::content::{Content, Icon, add_icons};
use crate::context::Context;
use crate::error::RpcError;
use crate::output::Gone;
use crate::question::Interruption;
use crate::tool::BoxFuture;

/// A text that a person picks, fills in and gives to the model.
pub trait Prompt<P>: Send + Sync {
    /// How the prompt presents itself. The same for everybody, for as long as the server runs.
    fn descriptor(&self) -> PromptDescriptor;

    /// The messages, with the arguments filled in. Every required argument is there.
    fn get<'a>(&'a self, call: PromptCall<'a, P>) -> BoxFuture<'a, Result<PromptResult, Failure>>;

    /// Suggests values for an argument. Without this: none.
    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, P>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let _ = call;
        Box::pin(async { Ok(Completion::default()) })
    }
}

/// One request for a prompt.
pub struct PromptCall<'a, P> {
    /// Who asks.
    pub principal: &'a P,
    /// The arguments, by name.
    pub arguments: &'a BTreeMap<String, String>,
    /// The client, and the way back to it.
    pub context: &'a Context<'a>,
}

/// A prompt, filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptResult {
    /// What it is for, if that says more than the descriptor.
    pub description: Option<String>,
    /// The messages, in order.
    pub messages: Vec<PromptMessage>,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// Why a prompt, a resource or a completion could not be had.
#[derive(Debug)]
pub enum Failure {
    /// There is no such thing.
    NotFound,
    /// An error of the protocol answers.
    Refused(RpcError),
    /// The client must answer a question first.
    Interrupted(Interruption),
    /// Nobody is left to tell.
    Gone,
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Refused(error)
    }
}

impl From<Interruption> for Failure {
    fn from(interruption: Interruption) -> Self {
        Self::Interrupted(interruption)
    }
}

impl From<Gone> for Failure {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// How a prompt presents itself in `prompts/list`.
#[derive(Clone, Debug)]
pub struct PromptDescriptor {
    /// The name that gets it.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// What it is for.
    pub description: String,
    /// What can be filled in.
    pub arguments: Vec<PromptArgument>,
    /// Pictures beside its name.
    pub icons: Vec<Icon>,
}

/// Something to fill in.
#[derive(Clone, Debug)]
pub struct PromptArgument {
    /// Its name.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// What belongs there.
    pub description: &'static str,
    /// Whether the prompt makes no sense without it.
    pub required: bool,
}

impl PromptDescriptor {
    /// The entry of `prompts/list`.
    pub(crate) fn to_json(&self) -> Value {
        let arguments: Vec<_> = self
            .arguments
            .iter()
            .map(|argument| {
                json!({
                    "name": argument.name,
                    "title": argument.title,
                    "description": argument.description,
                    "required": argument.required,
                })
            })
            .collect();
        let mut entry = json!({
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "arguments": arguments,
        });
        add_icons(&mut entry, &self.icons);
        entry
    }
}
