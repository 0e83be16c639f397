//! What the servers under test offer: handlers as closures, and names enough to fill pages.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mcp_protocol::{
    Annotations, BoxFuture, Completion, CompletionCall, Failure, Implementation, Prompt,
    PromptArgument, PromptCall, PromptDescriptor, PromptResult, ReadCall, RequestStates, Resource,
    ResourceContents, ResourceDescriptor, ResourceTemplate, Server, ServerBuilder, Surroundings,
    Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use serde_json::json;

pub(crate) type Called<'a> = BoxFuture<'a, Result<ToolResult, ToolFailure>>;
pub(crate) type Got<'a> = BoxFuture<'a, Result<PromptResult, Failure>>;
pub(crate) type Contents<'a> = BoxFuture<'a, Result<Vec<ResourceContents>, Failure>>;

/// A server that offers nothing yet, and can ask clients of both eras.
pub(crate) fn builder() -> ServerBuilder<u32> {
    let implementation =
        Implementation { name: "both", title: "Both", version: "1", icons: Vec::new() };
    let states = RequestStates::new(&[7; 32], Stage::default()).unwrap();
    Server::builder(implementation).request_states(states)
}

#[derive(Default)]
struct Stage(AtomicU64);

impl Surroundings<u32> for Stage {
    fn identity(&self, principal: &u32) -> String {
        principal.to_string()
    }

    fn now(&self) -> u64 {
        1_000
    }

    fn fill(&self, bytes: &mut [u8]) -> bool {
        bytes[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        true
    }
}

struct Does<F>(&'static str, F);

/// A tool that does that.
pub(crate) fn tool<F>(name: &'static str, does: F) -> Arc<dyn Tool<u32>>
where
    F: for<'a> Fn(ToolCall<'a, u32>, &'a mut ToolOutput) -> Called<'a> + Send + Sync + 'static,
{
    Arc::new(Does(name, does))
}

impl<F> Tool<u32> for Does<F>
where
    F: for<'a> Fn(ToolCall<'a, u32>, &'a mut ToolOutput) -> Called<'a> + Send + Sync,
{
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: self.0,
            title: "A tool",
            description: "Does what the test says".into(),
            input_schema: json!({ "type": "object" }),
            output_schema: None,
            annotations: Annotations::READS,
            icons: Vec::new(),
        }
    }

    fn call<'a>(&'a self, call: ToolCall<'a, u32>, output: &'a mut ToolOutput) -> Called<'a> {
        (self.1)(call, output)
    }
}

/// A prompt that needs the argument `topic` and says that; it suggests as many values as the
/// digits that stand there say.
struct Says<F>(&'static str, F);

impl<F> Prompt<u32> for Says<F>
where
    F: for<'a> Fn(PromptCall<'a, u32>) -> Got<'a> + Send + Sync,
{
    fn descriptor(&self) -> PromptDescriptor {
        PromptDescriptor {
            name: self.0,
            title: "A prompt",
            description: "Says what the test says".into(),
            arguments: vec![PromptArgument {
                name: "topic",
                title: "Topic",
                description: "What to speak of",
                required: true,
            }],
            icons: Vec::new(),
        }
    }

    fn get<'a>(&'a self, call: PromptCall<'a, u32>) -> Got<'a> {
        (self.1)(call)
    }

    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, u32>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            let count = call.value.parse().map_err(|_| Failure::NotFound)?;
            Ok(Completion::of((0..count).map(|number: u32| number.to_string()).collect()))
        })
    }
}

/// A prompt that says that.
pub(crate) fn prompt<F>(name: &'static str, says: F) -> Arc<dyn Prompt<u32>>
where
    F: for<'a> Fn(PromptCall<'a, u32>) -> Got<'a> + Send + Sync + 'static,
{
    Arc::new(Says(name, says))
}

/// Something to read, at one address or at many.
struct Holds<F>(&'static str, F);

impl<F> Holds<F> {
    fn describe(&self) -> ResourceDescriptor {
        ResourceDescriptor {
            uri: self.0,
            name: "resource",
            title: "A resource",
            description: "Holds what the test says".into(),
            mime_type: Some(Cow::Borrowed("text/plain")),
            icons: Vec::new(),
        }
    }
}

impl<F> Resource<u32> for Holds<F>
where
    F: for<'a> Fn(ReadCall<'a, u32>) -> Contents<'a> + Send + Sync,
{
    fn descriptor(&self) -> ResourceDescriptor {
        self.describe()
    }

    fn read<'a>(&'a self, call: ReadCall<'a, u32>) -> Contents<'a> {
        (self.1)(call)
    }
}

impl<F> ResourceTemplate<u32> for Holds<F>
where
    F: for<'a> Fn(ReadCall<'a, u32>) -> Contents<'a> + Send + Sync,
{
    fn descriptor(&self) -> ResourceDescriptor {
        self.describe()
    }

    fn read<'a>(&'a self, call: ReadCall<'a, u32>) -> Contents<'a> {
        (self.1)(call)
    }
}

/// A resource that holds that.
pub(crate) fn resource<F>(uri: &'static str, holds: F) -> Arc<dyn Resource<u32>>
where
    F: for<'a> Fn(ReadCall<'a, u32>) -> Contents<'a> + Send + Sync + 'static,
{
    Arc::new(Holds(uri, holds))
}

/// A template of resources that hold that.
pub(crate) fn template<F>(uri: &'static str, holds: F) -> Arc<dyn ResourceTemplate<u32>>
where
    F: for<'a> Fn(ReadCall<'a, u32>) -> Contents<'a> + Send + Sync + 'static,
{
    Arc::new(Holds(uri, holds))
}
