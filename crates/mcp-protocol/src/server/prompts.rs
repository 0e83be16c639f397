//! `prompts/list` and `prompts/get`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{Answer, Cache};
use super::{Call, RegisteredPrompt, Server, Stop};
use crate::content::Content;
use crate::context::Context;
use crate::error::{RpcError, excerpt};
use crate::output::Messages;
use crate::params::required_text;
use crate::prompt::{Failure, PromptCall, PromptResult, Role};
use crate::request_state::Binding;
use crate::revision::Revision;

impl<P: Sync> Server<P> {
    pub(super) fn list_prompts(&self, call: &Call<'_, P>) -> Result<Answer, RpcError> {
        let cursor = Self::cursor(call)?;
        let shows = |name: &str| self.may_get(call.principal, name);
        let members = self.prompts.listing.page(cursor.as_deref(), self.page_size, shows)?;
        let cache = Cache::of_list(self.permits_prompt.is_some());
        Ok(Answer { members, ..Answer::default() }.kept(cache))
    }

    pub(super) async fn get_prompt(
        &self,
        call: &Call<'_, P>,
        messages: Messages,
    ) -> Result<Answer, Stop> {
        let name = required_text(call.params.name, "name")?;
        let registered = self.find_prompt(call, &name)?;
        let arguments = prompt_arguments(call, registered)?;
        let binding = Binding {
            method: &call.request.method,
            target: registered.name,
            arguments: call.params.arguments,
        };
        let context = self.context(call, messages, &binding)?;
        let asked =
            PromptCall { principal: call.principal, arguments: &arguments, context: &context };
        match registered.prompt.get(asked).await {
            Ok(result) => Ok(Answer::of(&to_json(&result, context.revision()))),
            Err(Failure::NotFound) => Err(Stop::Refused(unknown_prompt(&name))),
            Err(failure) => self.stopped(call, &binding, &context, failure),
        }
    }

    pub(super) fn find_prompt(
        &self,
        call: &Call<'_, P>,
        name: &str,
    ) -> Result<&RegisteredPrompt<P>, RpcError> {
        let found = self.prompts.all.iter().find(|prompt| prompt.name == name);
        // One that this caller may not get is one that does not exist.
        let found = found.filter(|prompt| self.may_get(call.principal, prompt.name));
        found.ok_or_else(|| unknown_prompt(name))
    }

    /// What answers when a prompt, a resource or a completion failed.
    pub(super) fn stopped(
        &self,
        call: &Call<'_, P>,
        binding: &Binding<'_>,
        context: &Context<'_>,
        failure: Failure,
    ) -> Result<Answer, Stop> {
        match failure {
            Failure::NotFound => Err(Stop::Refused(RpcError::invalid_params("Not found"))),
            Failure::Refused(error) => Err(Stop::Refused(error)),
            Failure::Gone => Err(Stop::Gone),
            Failure::Interrupted(interruption) => self
                .interrupted(call, binding, context, interruption)
                .map_err(super::answer::Interrupted::into_stop),
        }
    }
}

/// The arguments of a prompt: strings by name, the required ones there.
fn prompt_arguments<P>(
    call: &Call<'_, P>,
    registered: &RegisteredPrompt<P>,
) -> Result<BTreeMap<String, String>, RpcError> {
    let arguments: BTreeMap<String, String> = match call.params.arguments {
        None => BTreeMap::new(),
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| {
            RpcError::invalid_params("params.arguments must be an object of strings")
        })?,
    };
    for argument in registered.arguments.iter().filter(|argument| argument.required) {
        if !arguments.contains_key(argument.name) {
            let message = format!("params.arguments.{} is missing", argument.name);
            return Err(RpcError::invalid_params(message));
        }
    }
    Ok(arguments)
}

fn unknown_prompt(name: &str) -> RpcError {
    RpcError::invalid_params(format!("Unknown prompt: {}", excerpt(name)))
}

fn to_json(result: &PromptResult, revision: Revision) -> Value {
    let messages: Vec<_> = result
        .messages
        .iter()
        .map(|message| {
            let role = match message.role {
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            json!({ "role": role, "content": Content::to_json(&message.content, revision) })
        })
        .collect();
    let mut written = json!({ "messages": messages });
    if let Some(description) = &result.description {
        written["description"] = json!(description);
    }
    written
}
