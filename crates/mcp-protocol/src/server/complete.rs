//! `completion/complete`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Answer;
use super::{Call, Server, Stop};
use crate::completion::CompletionCall;
use crate::error::{RpcError, excerpt};
use crate::output::Messages;
use crate::prompt::Failure;
use crate::request_state::Binding;
use crate::resource::ResourceTemplate;

/// What is being filled in.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference<'a> {
    #[serde(rename = "ref/prompt")]
    Prompt {
        #[serde(borrow)]
        name: Cow<'a, str>,
    },
    #[serde(rename = "ref/resource")]
    Resource {
        #[serde(borrow)]
        uri: Cow<'a, str>,
    },
}

#[derive(Deserialize)]
struct Argument<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
struct Others {
    #[serde(default)]
    arguments: BTreeMap<String, String>,
}

impl<P: Sync> Server<P> {
    pub(super) async fn complete(
        &self,
        call: &Call<'_, P>,
        messages: Messages,
    ) -> Result<Answer, Stop> {
        let reference: Reference<'_> = member(call.params.reference, "ref")?;
        let argument: Argument<'_> = member(call.params.argument, "argument")?;
        let others: Others = match call.params.context {
            None => Others::default(),
            given => member(given, "context")?,
        };
        let asked = CompletionCall {
            principal: call.principal,
            argument: &argument.name,
            value: &argument.value,
            arguments: &others.arguments,
        };
        let outcome = match &reference {
            Reference::Prompt { name } => {
                self.find_prompt(call, name)?.prompt.complete(asked).await
            }
            Reference::Resource { uri } => self.find_template(call, uri)?.complete(asked).await,
        };
        let binding = Binding { method: &call.request.method, target: "", arguments: None };
        match outcome {
            Ok(completion) => Ok(Answer::of(&completion.to_json())),
            Err(Failure::NotFound) => {
                let argument = excerpt(&argument.name);
                let message = format!("Unknown argument: {argument}");
                Err(Stop::Refused(RpcError::invalid_params(message)))
            }
            Err(failure) => {
                let context = self.context(call, messages, &binding)?;
                self.stopped(call, &binding, &context, failure)
            }
        }
    }

    fn find_template(
        &self,
        call: &Call<'_, P>,
        uri: &str,
    ) -> Result<&dyn ResourceTemplate<P>, RpcError> {
        let known = self.resources.templates.iter().find(|registered| registered.uri == uri);
        let known = known.filter(|registered| self.may_read(call.principal, registered.uri));
        known.map(|registered| &*registered.template).ok_or_else(|| {
            RpcError::invalid_params(format!("Unknown resource template: {}", excerpt(uri)))
        })
    }
}

/// A member that must be an object of that form.
fn member<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
    name: &'static str,
) -> Result<T, RpcError> {
    let raw = raw.ok_or_else(|| RpcError::invalid_params(format!("params.{name} is missing")))?;
    let read = raw.get().starts_with('{').then(|| serde_json::from_str(raw.get()).ok()).flatten();
    read.ok_or_else(|| RpcError::invalid_params(format!("params.{name} is not what it should be")))
}
