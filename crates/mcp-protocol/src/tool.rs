//! What an embedder writes: a tool.

use std::future::Future;
use std::pin::Pin;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::output::{Gone, Output};

/// What a tool's call returns: tools are used as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One thing that a model may ask for. `P` is who asks.
pub trait Tool<P>: Send + Sync {
    /// How the tool presents itself. The same for everybody, for as long as the server runs.
    fn descriptor(&self) -> ToolDescriptor;

    /// Does it, writing text as it comes. What was written before a failure stays in the answer;
    /// the failure's own text is appended.
    fn call<'a>(
        &'a self,
        call: ToolCall<'a, P>,
        text: &'a mut TextOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>>;
}

/// One call of a tool.
pub struct ToolCall<'a, P> {
    /// Who asks.
    pub principal: &'a P,
    /// A JSON object; empty if the client sent none.
    pub arguments: &'a RawValue,
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
    /// Nobody is left to tell.
    Gone,
}

impl From<Gone> for ToolFailure {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// The text of a tool's result, escaped into the answer as it is written.
pub struct TextOutput {
    pub(crate) output: Output,
    pub(crate) is_empty: bool,
}

impl TextOutput {
    /// Appends text, and waits while the client is slower than the tool.
    ///
    /// # Errors
    /// [`Gone`]: nobody reads any more.
    pub async fn write(&mut self, text: &str) -> Result<(), Gone> {
        self.is_empty &= text.is_empty();
        self.output.push_escaped(text);
        self.output.relieve().await
    }
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
        Value::Object(entry)
    }
}
