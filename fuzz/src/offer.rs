//! The server that is attacked: it offers one of everything.

use std::sync::Arc;

use mcp_identity::Principal;
use mcp_protocol::{
    Announcer, BoxFuture, Completion, CompletionCall, Content, Failure, Implementation, Prompt,
    PromptArgument, PromptCall, PromptDescriptor, PromptMessage, PromptResult, ReadCall, Resource,
    ResourceBody, ResourceContents, ResourceDescriptor, ResourceTemplate, Role, Server,
    ServerBuilder,
};
use serde_json::json;

use crate::surroundings::states;
use crate::tools;

/// The templates, in the order in which an address is tried on them.
pub const TEMPLATES: [&str; 5] = [
    "a://{one}",
    "b://{one}/{two}",
    "b://fixed/{one}/end",
    "c://{one}/x/{two}?{three}#{four}",
    "d:{one}[{two}]",
];

/// The server.
#[must_use]
pub fn server() -> Server<Principal> {
    let implementation =
        Implementation { name: "attacked", title: "Attacked", version: "1", icons: Vec::new() };
    let announcer = Announcer::new();
    let builder = Server::builder(implementation)
        .page_size(2)
        .logs()
        .announcer(announcer.clone())
        .request_states(states())
        .prompt(Arc::new(Greeting))
        .resource(Arc::new(Page));
    let builder = tools::all(&announcer).into_iter().fold(builder, ServerBuilder::tool);
    let templates = TEMPLATES.into_iter().map(template);
    templates.fold(builder, ServerBuilder::template).build()
}

/// A prompt that shows every kind of content, and can ask.
struct Greeting;

impl Prompt<Principal> for Greeting {
    fn descriptor(&self) -> PromptDescriptor {
        let argument = |name, required| PromptArgument {
            name,
            title: "An argument",
            description: "Something to say",
            required,
        };
        PromptDescriptor {
            name: "greet",
            title: "Greeting",
            description: "Greets".into(),
            arguments: vec![argument("name", true), argument("ask", false)],
            icons: Vec::new(),
        }
    }

    fn get<'a>(
        &'a self,
        call: PromptCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<PromptResult, Failure>> {
        Box::pin(async move {
            let name = call.arguments["name"].clone();
            if call.arguments.contains_key("ask") {
                call.context.ask("roots", mcp_protocol::Question::ListRoots).await?;
            }
            let contents = ResourceContents {
                uri: name.clone(),
                mime_type: None,
                body: ResourceBody::Text(name.clone()),
            };
            let bytes = name.clone().into_bytes();
            let said = [
                Content::Text(name.clone()),
                Content::Image { data: bytes.clone(), mime_type: "image/png".into() },
                Content::Audio { data: bytes, mime_type: "audio/wav".into() },
                Content::Embedded(contents),
            ];
            let messages = said.map(|content| PromptMessage { role: Role::User, content });
            Ok(PromptResult { description: Some(name), messages: messages.into() })
        })
    }

    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move { complete(call.argument, call.value) })
    }
}

/// As many suggestions as the value has bytes; none for an argument that there is not.
fn complete(argument: &str, value: &str) -> Result<Completion, Failure> {
    if argument.is_empty() {
        return Err(Failure::NotFound);
    }
    Ok(Completion::of(vec![value.chars().take(4).collect(); value.len()]))
}

/// A resource of two parts.
struct Page;

impl Resource<Principal> for Page {
    fn descriptor(&self) -> ResourceDescriptor {
        descriptor("page://one", "page")
    }

    fn read<'a>(
        &'a self,
        call: ReadCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Failure>> {
        Box::pin(async move {
            let part = |body| ResourceContents { uri: call.uri.into(), mime_type: None, body };
            let bytes = ResourceBody::Bytes(call.uri.as_bytes().into());
            Ok(vec![part(ResourceBody::Text(call.uri.into())), part(bytes)])
        })
    }
}

/// A template that says which it is and what its variables stand for.
struct Named(&'static str);

impl ResourceTemplate<Principal> for Named {
    fn descriptor(&self) -> ResourceDescriptor {
        descriptor(self.0, "template")
    }

    fn read<'a>(
        &'a self,
        call: ReadCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Failure>> {
        Box::pin(async move {
            let read = json!({ "template": self.0, "variables": call.variables });
            Ok(vec![ResourceContents {
                uri: call.uri.into(),
                mime_type: Some("application/json".into()),
                body: ResourceBody::Text(read.to_string()),
            }])
        })
    }

    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move { complete(call.argument, call.value) })
    }
}

/// A template that answers with `{"template": …, "variables": {…}}`, as text.
#[must_use]
pub fn template(uri: &'static str) -> Arc<dyn ResourceTemplate<Principal>> {
    Arc::new(Named(uri))
}

fn descriptor(uri: &'static str, name: &'static str) -> ResourceDescriptor {
    ResourceDescriptor {
        uri,
        name,
        title: "Something to read",
        description: "Says what it is".into(),
        mime_type: None,
        icons: Vec::new(),
    }
}
