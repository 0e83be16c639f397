//! A tool that does what its caller writes, and a stage that shows what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mcp_identity::Principal;
use mcp_protocol::{
    Annotations, BoxFuture, Context, Interruption, LogLevel, Question, Tool, ToolCall,
    ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

/// What became of the calls so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    /// Under way.
    pub(crate) running: usize,
    /// Of those: waiting for the curtain.
    pub(crate) waiting: usize,
    /// Played to the end.
    pub(crate) finished: usize,
    /// Dropped before their end.
    pub(crate) dropped: usize,
}

/// Where plays are seen, and where those that wait are told to go on.
#[derive(Clone)]
pub(crate) struct Stage {
    calls: Arc<watch::Sender<Calls>>,
    curtain: Arc<Semaphore>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { calls: Arc::new(watch::Sender::default()), curtain: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn calls(&self) -> Calls {
        *self.calls.borrow()
    }

    /// Lets one play that waits go on, or the next one that comes to wait.
    pub(crate) fn go_on(&self) {
        self.curtain.add_permits(1);
    }

    /// Waits until the calls are as `expected` says; no time passes meanwhile.
    pub(crate) async fn until(&self, expected: impl Fn(Calls) -> bool) {
        let mut calls = self.calls.subscribe();
        soon(calls.wait_for(|calls| expected(*calls))).await.unwrap();
    }
}

/// What happens without time passing.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    let patience = Duration::from_millis(1);
    tokio::time::timeout(patience, future).await.expect("it does not happen by itself")
}

/// What does not happen, however often everyone has a turn.
pub(crate) async fn not_soon<F: Future>(future: F) {
    let patience = Duration::from_millis(1);
    assert!(tokio::time::timeout(patience, future).await.is_err(), "it happened");
}

/// Plays the steps of its argument `steps`, one after the other.
pub(crate) struct Play(pub(crate) Stage);

/// The bytes that the step `part` writes: enough for some of the answer to leave.
pub(crate) const PART: usize = 40_000;

impl Tool<Principal> for Play {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "play",
            title: "Play",
            description: "Does what it is told".into(),
            input_schema: json!({ "type": "object" }),
            output_schema: None,
            annotations: Annotations::READS,
            icons: Vec::new(),
        }
    }

    fn call<'a>(
        &'a self,
        call: ToolCall<'a, Principal>,
        output: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(async move {
            let mut playing = Playing::begin(&self.0);
            let arguments: Value = serde_json::from_str(call.arguments.get()).unwrap();
            for (place, step) in arguments["steps"].as_array().unwrap().iter().enumerate() {
                self.step(step.as_str().unwrap(), place, call.context, output).await?;
            }
            playing.finished = true;
            Ok(ToolResult::default())
        })
    }
}

impl Play {
    async fn step(
        &self,
        step: &str,
        place: usize,
        context: &Context<'_>,
        output: &mut ToolOutput,
    ) -> Result<(), ToolFailure> {
        match step {
            "progress" => context.progress(to_f64(place + 1), None, None).await?,
            "log" => context.log(LogLevel::Info, "play", &json!(place)).await?,
            "let go" => context.let_go().await?,
            "ask" => output.write(&ask(context).await?.to_string()).await?,
            "wait" => self.wait().await,
            "part" => output.write(&"x".repeat(PART)).await?,
            "crowd" => {
                let crowd: FuturesUnordered<_> = (0..3)
                    .map(|_| async { context.log(LogLevel::Info, "play", &json!("crowd")).await })
                    .collect();
                crowd.collect::<Vec<_>>().await;
            }
            "panic" => panic!("as it was told"),
            said => output.write(said).await?,
        }
        Ok(())
    }

    async fn wait(&self) {
        self.0.calls.send_modify(|calls| calls.waiting += 1);
        let _waiting = Waiting(&self.0);
        self.0.curtain.acquire().await.unwrap().forget();
    }
}

async fn ask(context: &Context<'_>) -> Result<Value, Interruption> {
    let schema = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
    context.ask("name", Question::Elicit { message: "Who?".into(), schema }).await
}

fn to_f64(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// One call, from its first step to its end or its drop.
struct Playing {
    stage: Stage,
    finished: bool,
}

impl Playing {
    fn begin(stage: &Stage) -> Self {
        stage.calls.send_modify(|calls| calls.running += 1);
        Self { stage: stage.clone(), finished: false }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.stage.calls.send_modify(|calls| {
            calls.running -= 1;
            if self.finished {
                calls.finished += 1;
            } else {
                calls.dropped += 1;
            }
        });
    }
}

struct Waiting<'s>(&'s Stage);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.calls.send_modify(|calls| calls.waiting -= 1);
    }
}
