//! Tools that do something on the way to their answer: tell of it, fail, let the client go.

use std::time::Duration;

use mcp_identity::Principal;
use mcp_protocol::{
    Annotations, Announcer, BoxFuture, Capability, Change, LogLevel, Tool, ToolCall,
    ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use serde_json::json;
use tokio::time::sleep;

use crate::simple::Simple;

/// Time for a client to see one thing before the next.
const PACE: Duration = Duration::from_millis(50);

pub(crate) fn tools() -> Vec<Simple> {
    vec![
        logs("test_tool_with_logging"),
        logs("test_logging_tool"),
        progress(),
        failure(),
        reconnection(),
        missing_capability(),
    ]
}

fn logs(name: &'static str) -> Simple {
    Simple::new(name, "Log messages", "Sends three log messages, then answers.", |call, output| {
        Box::pin(async move {
            for said in
                ["Tool execution started", "Tool processing data", "Tool execution completed"]
            {
                call.context.log(LogLevel::Info, "fixture", &json!(said)).await?;
                sleep(PACE).await;
            }
            output.write("Sent three log messages to whoever wants them.").await?;
            Ok(ToolResult::default())
        })
    })
}

fn progress() -> Simple {
    let description = "Tells three times how far it is, then answers.";
    Simple::new("test_tool_with_progress", "Progress", description, |call, output| {
        Box::pin(async move {
            for percent in [0.0, 50.0, 100.0] {
                call.context.progress(percent, Some(100.0), None).await?;
                sleep(PACE).await;
            }
            output.write("Done.").await?;
            Ok(ToolResult::default())
        })
    })
}

fn failure() -> Simple {
    Simple::new("test_error_handling", "Failure", "Fails whenever it is called.", |_, _| {
        Box::pin(async {
            let told = "This tool intentionally returns an error for testing";
            Err(ToolFailure::Told(told.into()))
        })
    })
}

fn reconnection() -> Simple {
    let description = "Lets the client go in the middle; the answer waits for its return.";
    Simple::new("test_reconnection", "Reconnection", description, |call, output| {
        Box::pin(async move {
            call.context.let_go().await?;
            sleep(PACE).await;
            output.write("This was written after the client was let go.").await?;
            Ok(ToolResult::default())
        })
    })
}

fn missing_capability() -> Simple {
    let description = "Answers clients that have a model to ask, and no others.";
    Simple::new("test_missing_capability", "Missing capability", description, |call, output| {
        Box::pin(async move {
            call.context.require(Capability::Sampling)?;
            output.write("This client has a model to ask.").await?;
            Ok(ToolResult::default())
        })
    })
}

/// Says that something changed.
///
/// What it speaks of stays as it was, because calls that run at the same moment rely on it. That
/// is no lie: the notification tells a client to look again, not what it will see.
pub(crate) struct Announces {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) change: Change,
    pub(crate) announcer: Announcer,
}

impl Tool<Principal> for Announces {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: self.name,
            title: self.title,
            description: "Tells everyone who listens to look again.".into(),
            input_schema: json!({ "type": "object", "additionalProperties": false }),
            output_schema: None,
            annotations: Annotations::READS,
            icons: Vec::new(),
        }
    }

    fn call<'a>(
        &'a self,
        _: ToolCall<'a, Principal>,
        output: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(async move {
            self.announcer.announce(self.change.clone());
            output.write("Told.").await?;
            Ok(ToolResult::default())
        })
    }
}
