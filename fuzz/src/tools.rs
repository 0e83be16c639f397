//! The tools: one that repeats, one that asks, one that tells.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use mcp_identity::Principal;
use mcp_protocol::{
    Annotations, Announcer, BoxFuture, Capability, Change, Content, LogLevel, Question, RpcError,
    Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use serde_json::{Value, json};

pub(crate) fn all(announcer: &Announcer) -> Vec<Arc<dyn Tool<Principal>>> {
    vec![Arc::new(Repeats), Arc::new(Asks), Arc::new(Tells(announcer.clone()))]
}

fn descriptor(name: &'static str, input_schema: Value) -> ToolDescriptor {
    ToolDescriptor {
        name,
        title: "A tool",
        description: "Does what a tool can do".into(),
        input_schema,
        output_schema: None,
        annotations: Annotations::READS,
        icons: Vec::new(),
    }
}

type Called<'a> = BoxFuture<'a, Result<ToolResult, ToolFailure>>;

/// Says what it was given, as text and as data: often enough to fill a part with `times`, and
/// then fails with `fail`.
struct Repeats;

impl Tool<Principal> for Repeats {
    fn descriptor(&self) -> ToolDescriptor {
        let region = json!({ "type": "string", "x-mcp-header": "Region" });
        descriptor("repeat", json!({ "type": "object", "properties": { "region": region } }))
    }

    fn call<'a>(&'a self, call: ToolCall<'a, Principal>, output: &'a mut ToolOutput) -> Called<'a> {
        Box::pin(async move {
            let text = call.arguments.get();
            let arguments: Value = serde_json::from_str(text).expect("arguments are JSON");
            for _ in 0..arguments["times"].as_u64().unwrap_or(1).min(64) {
                output.write(text).await?;
            }
            if let Some(content) = arguments["content"].as_str() {
                output.content(&Content::Text(content.into())).await?;
            }
            match arguments["fail"].as_str() {
                Some("refused") => Err(ToolFailure::Refused(RpcError::invalid_params("refused"))),
                Some("gone") => Err(ToolFailure::Gone),
                Some(told) => Err(ToolFailure::Told(told.into())),
                None => Ok(ToolResult { structured: Some(call.arguments.to_owned()) }),
            }
        })
    }
}

/// Asks its user twice, and both its model and for its roots at once; says all answers.
struct Asks;

impl Tool<Principal> for Asks {
    fn descriptor(&self) -> ToolDescriptor {
        descriptor("ask", json!({ "type": "object" }))
    }

    fn call<'a>(&'a self, call: ToolCall<'a, Principal>, output: &'a mut ToolOutput) -> Called<'a> {
        Box::pin(async move {
            let form = |message: &str| Question::Elicit {
                message: message.into(),
                schema: json!({ "type": "object", "properties": {} }),
            };
            let first = call.context.ask("first", form("First?")).await?;
            let params = json!({ "messages": [], "maxTokens": 1 });
            let both = [("model", Question::Sample { params }), ("roots", Question::ListRoots)];
            let both = call.context.ask_all(both).await?;
            let last = call.context.ask("last", form("Last?")).await?;
            let said = json!([first, both.get("model"), both.get("roots"), last]);
            output.write(&said.to_string()).await?;
            Ok(ToolResult::default())
        })
    }
}

/// Logs `text` at every level, tells how far it is, announces changes, lets its client go.
struct Tells(Announcer);

impl Tool<Principal> for Tells {
    fn descriptor(&self) -> ToolDescriptor {
        descriptor("tell", json!({ "type": "object" }))
    }

    fn call<'a>(&'a self, call: ToolCall<'a, Principal>, output: &'a mut ToolOutput) -> Called<'a> {
        Box::pin(async move {
            let arguments: Value =
                serde_json::from_str(call.arguments.get()).expect("arguments are JSON");
            let text = arguments["text"].as_str().unwrap_or("nothing");
            for level in [LogLevel::Debug, LogLevel::Warning, LogLevel::Emergency] {
                call.context.log(level, "tell", &json!(text)).await?;
            }
            for (place, progress) in [0.5, 0.5, f64::NAN, 0.25, 1.0].into_iter().enumerate() {
                call.context.progress(progress, Some(1.0), (place > 2).then_some(text)).await?;
            }
            for change in [Change::Tools, Change::Resource(text.into())] {
                self.0.announce(change);
            }
            if arguments["needs"].is_string() {
                call.context.require(Capability::Sampling)?;
            }
            if arguments["let_go"] == true {
                call.context.let_go().await?;
                pause().await;
            }
            output.write(text).await?;
            Ok(ToolResult::default())
        })
    }
}

/// Waits once, and is ready the next time: what comes after runs without the client.
async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
