//! The prompts.

use std::sync::Arc;

use mcp_identity::Principal;
use mcp_protocol::{
    BoxFuture, Code, Completion, CompletionCall, Content, Failure, Prompt, PromptArgument,
    PromptCall, PromptDescriptor, PromptMessage, PromptResult, Role, RpcError,
};

use crate::contents::{embedded, picture};
use crate::forms::{filled, line};

type Got<'a> = BoxFuture<'a, Result<PromptResult, Failure>>;

pub(crate) fn all() -> Vec<Arc<dyn Prompt<Principal>>> {
    vec![
        Arc::new(Plain),
        Arc::new(WithArguments),
        Arc::new(WithResource),
        Arc::new(WithImage),
        Arc::new(Asks),
    ]
}

/// Says the same to everybody.
struct Plain;

impl Prompt<Principal> for Plain {
    fn descriptor(&self) -> PromptDescriptor {
        described("test_simple_prompt", "Simple prompt", "A prompt without arguments.", Vec::new())
    }

    fn get<'a>(&'a self, _: PromptCall<'a, Principal>) -> Got<'a> {
        Box::pin(async { Ok(said([text("This is a simple prompt for testing.")])) })
    }
}

/// Has places to fill in, and suggestions for the first.
struct WithArguments;

impl WithArguments {
    const SUGGESTED: [&str; 4] = ["hello", "testing", "tested", "world"];
}

impl Prompt<Principal> for WithArguments {
    fn descriptor(&self) -> PromptDescriptor {
        let arguments = vec![
            argument("arg1", "First", "First test argument"),
            argument("arg2", "Second", "Second test argument"),
        ];
        let description = "A prompt with required arguments.";
        described("test_prompt_with_arguments", "With arguments", description, arguments)
    }

    fn get<'a>(&'a self, call: PromptCall<'a, Principal>) -> Got<'a> {
        Box::pin(async move {
            let (first, second) = (filled_in(&call, "arg1"), filled_in(&call, "arg2"));
            Ok(said([text(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]))
        })
    }

    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            match call.argument {
                "arg1" => Ok(beginning_with(call.value, &Self::SUGGESTED)),
                "arg2" => Ok(Completion::default()),
                _ => Err(Failure::NotFound),
            }
        })
    }
}

/// Brings a resource along.
struct WithResource;

impl Prompt<Principal> for WithResource {
    fn descriptor(&self) -> PromptDescriptor {
        let arguments = vec![argument("resourceUri", "Resource", "URI of the resource to embed")];
        let description = "A prompt that embeds a resource.";
        described("test_prompt_with_embedded_resource", "With a resource", description, arguments)
    }

    fn get<'a>(&'a self, call: PromptCall<'a, Principal>) -> Got<'a> {
        Box::pin(async move {
            let uri = filled_in(&call, "resourceUri");
            let resource = embedded(uri, "text/plain", "Embedded resource content for testing.");
            Ok(said([resource, text("Please process the embedded resource above.")]))
        })
    }
}

/// Brings a picture along.
struct WithImage;

impl Prompt<Principal> for WithImage {
    fn descriptor(&self) -> PromptDescriptor {
        let description = "A prompt that shows a picture.";
        described("test_prompt_with_image", "With an image", description, Vec::new())
    }

    fn get<'a>(&'a self, _: PromptCall<'a, Principal>) -> Got<'a> {
        Box::pin(async { Ok(said([picture(), text("Please analyze the image above.")])) })
    }
}

/// Asks its client before it answers, as a tool may.
struct Asks;

impl Prompt<Principal> for Asks {
    fn descriptor(&self) -> PromptDescriptor {
        let description = "A prompt whose context the user writes.";
        described("test_input_required_result_prompt", "With context", description, Vec::new())
    }

    fn get<'a>(&'a self, call: PromptCall<'a, Principal>) -> Got<'a> {
        Box::pin(async move {
            let question = line("What context should the prompt use?", "context");
            let answer = call.context.ask("user_context", question).await?;
            let unsaid = || RpcError::new(Code::InvalidParams, "the user gave no context");
            let context = filled(&answer, "context").ok_or_else(unsaid)?;
            Ok(said([text(format!("Use this context: {context}"))]))
        })
    }
}

fn described(
    name: &'static str,
    title: &'static str,
    description: &str,
    arguments: Vec<PromptArgument>,
) -> PromptDescriptor {
    PromptDescriptor { name, title, description: description.into(), arguments, icons: Vec::new() }
}

fn argument(name: &'static str, title: &'static str, description: &'static str) -> PromptArgument {
    PromptArgument { name, title, description, required: true }
}

/// What was filled in. The dispatch lets no call through that lacks a required argument.
fn filled_in<'a>(call: &PromptCall<'a, Principal>, name: &str) -> &'a str {
    call.arguments.get(name).map_or("", String::as_str)
}

/// Messages of the user, in order.
fn said<const N: usize>(contents: [Content; N]) -> PromptResult {
    let messages = contents.map(|content| PromptMessage { role: Role::User, content }).into();
    PromptResult { description: None, messages }
}

fn text(text: impl Into<String>) -> Content {
    Content::Text(text.into())
}

/// Those of `values` that begin with what stands there.
pub(crate) fn beginning_with(value: &str, values: &[&str]) -> Completion {
    let fitting = values.iter().filter(|suggestion| suggestion.starts_with(value));
    Completion::of(fitting.map(|suggestion| (*suggestion).to_owned()).collect())
}
