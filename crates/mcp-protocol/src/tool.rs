//! What an embedder writes: a tool.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::content::{Content, Icon, add_icons};
use crate::context::Context;
use crate::error::RpcError;
use crate::output::{Gone, Output};
use crate::question::Interruption;
use crate::revision::Revision;

/// What a tool's call returns: tools are used as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One thing that a model may ask for. `P` is who asks.
pub trait Tool<P>: Send + Sync {
    /// How the tool presents itself. The same for everybody, for as long as the server runs.
    fn descriptor(&self) -> ToolDescriptor;

    /// Does it, writing the result as it comes. What was written before a failure stays in the
    /// answer; the failure's own text is appended. The call ends early by being dropped: when
    /// its client cancels it, or is gone.
    fn call<'a>(
        &'a self,
        call: ToolCall<'a, P>,
        output: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>>;
}

/// One call of a tool.
pub struct ToolCall<'a, P> {
    /// Who asks.
    pub principal: &'a P,
    /// A JSON object; empty if the client sent none.
    pub arguments: &'a RawValue,
    /// The client, and the way back to it.
    pub context: &'a Context<'a>,
}

/// A call that ended well.
#[derive(Debug, Default)]
pub struct ToolResult {
    /// The result as data, if the tool has an output schema.
    pub structured: Option<Box<RawValue>>,
}

/// A call that did not end well.
#[derive(Debug)]
pub enum ToolFailure {
    /// Told to the model, in words that it can act on. An `isError` result, not an error of the
    /// protocol.
    Told(String),
    /// An error of the protocol answers: for what the model cannot act on.
    Refused(RpcError),
    /// The client must answer a question first.
    Interrupted(Interruption),
    /// Nobody is left to tell.
    Gone,
}

impl From<Gone> for ToolFailure {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<Interruption> for ToolFailure {
    fn from(interruption: Interruption) -> Self {
        Self::Interrupted(interruption)
    }
}

/// The result of a tool, written into the answer as it comes.
pub struct ToolOutput {
    pub(crate) output: Output,
    revision: Revision,
    state: Writing,
}

/// Where in the result the output stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Nothing,
    /// Behind some or all of the structured content, before the list of content.
    Structured,
    /// Inside the text of a piece; `true` in the middle of a line.
    Text(bool),
    /// After a piece.
    Between,
}

impl ToolOutput {
    pub(crate) fn new(output: Output, revision: Revision) -> Self {
        Self { output, revision, state: Writing::Nothing }
    }

    /// Appends to the result as data, before any content: for data that is better passed on as it
    /// comes than collected for [`ToolResult::structured`]. All pieces together are one JSON
    /// object. Whoever begins it ends it, whether the call ends well or not.
    ///
    /// # Errors
    /// [`Gone`]: nobody reads any more.
    pub async fn write_structured(&mut self, json: &str) -> Result<(), Gone> {
        debug_assert!(matches!(self.state, Writing::Nothing | Writing::Structured));
        if self.state == Writing::Nothing {
            self.output.push(br#""structuredContent":"#);
            self.state = Writing::Structured;
        }
        self.output.push(on_one_line(json).as_bytes());
        self.output.relieve().await
    }

    /// Appends text, and waits while the client is slower than the tool. Texts written one after
    /// the other are one piece of content.
    ///
    /// # Errors
    /// [`Gone`]: nobody reads any more.
    pub async fn write(&mut self, text: &str) -> Result<(), Gone> {
        let in_line = match self.state {
            Writing::Text(in_line) => in_line,
            Writing::Nothing | Writing::Structured | Writing::Between => {
                self.separate();
                self.output.push(br#"{"type":"text","text":""#);
                false
            }
        };
        self.state = Writing::Text(if text.is_empty() { in_line } else { !text.ends_with('\n') });
        self.output.push_escaped(text);
        self.output.relieve().await
    }

    /// Appends a piece of content of any kind.
    ///
    /// # Errors
    /// [`Gone`]: nobody reads any more.
    pub async fn content(&mut self, content: &Content) -> Result<(), Gone> {
        self.close_text();
        self.separate();
        self.output.push(content.to_json(self.revision).to_string().as_bytes());
        self.state = Writing::Between;
        self.output.relieve().await
    }

    /// Appends what went wrong, on a line of its own.
    pub(crate) async fn fail(&mut self, told: &str) -> Result<(), Gone> {
        if self.state == Writing::Text(true) {
            self.write("\n").await?;
        }
        self.write(told).await
    }

    /// Ends the list of content; it is never empty.
    pub(crate) async fn close(mut self) -> Result<Output, Gone> {
        if matches!(self.state, Writing::Nothing | Writing::Structured) {
            self.write("").await?;
        }
        self.close_text();
        self.output.push(b"]");
        Ok(self.output)
    }

    fn separate(&mut self) {
        self.output.push(match self.state {
            Writing::Nothing => br#""content":["#,
            Writing::Structured => br#","content":["#,
            Writing::Between => b",",
            Writing::Text(_) => b"",
        });
    }

    fn close_text(&mut self) {
        if matches!(self.state, Writing::Text(_)) {
            self.output.push(br#""}"#);
            self.state = Writing::Between;
        }
    }
}

/// The same JSON without line breaks: messages are lines on some wires.
pub(crate) fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r']) {
        return Cow::Borrowed(text);
    }
    // Inside strings JSON has none, so whatever is found stands between values.
    Cow::Owned(text.replace(['\n', '\r'], " "))
}

/// How a tool presents itself in `tools/list`.
#[derive(Clone, Debug)]
pub struct ToolDescriptor {
    /// The name that calls it.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// What it does and when to use it: written for a model.
    pub description: String,
    /// JSON Schema of the arguments; an object schema.
    pub input_schema: Value,
    /// JSON Schema of the structured result, where there is one.
    pub output_schema: Option<Value>,
    /// Hints about what it does to the world.
    pub annotations: Annotations,
    /// Pictures beside its name.
    pub icons: Vec<Icon>,
}

/// Hints for clients; never a promise that anything relies on.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own four independent hints")]
pub struct Annotations {
    /// Changes nothing.
    pub read_only: bool,
    /// May destroy something.
    pub destructive: bool,
    /// The same call again changes nothing more.
    pub idempotent: bool,
    /// Reaches things that this server does not know.
    pub open_world: bool,
}

impl Annotations {
    /// A tool that reads what this server knows, and changes nothing however often it is called.
    pub const READS: Self =
        Self { read_only: true, destructive: false, idempotent: true, open_world: false };
}

impl ToolDescriptor {
    /// The entry of `tools/list`.
    pub(crate) fn to_json(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("name".into(), self.name.into());
        entry.insert("title".into(), self.title.into());
        entry.insert("description".into(), self.description.clone().into());
        entry.insert("inputSchema".into(), self.input_schema.clone());
        if let Some(schema) = &self.output_schema {
            entry.insert("outputSchema".into(), schema.clone());
        }
        let hints = self.annotations;
        entry.insert(
            "annotations".into(),
            json!({
                "title": self.title,
                "readOnlyHint": hints.read_only,
                "destructiveHint": hints.destructive,
                "idempotentHint": hints.idempotent,
                "openWorldHint": hints.open_world,
            }),
        );
        let mut entry = Value::Object(entry);
        add_icons(&mut entry, &self.icons);
        entry
    }
}
