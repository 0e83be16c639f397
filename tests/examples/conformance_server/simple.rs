//! Tools that need nothing but a description and a function.

use mcp_identity::Principal;
use mcp_protocol::{
    Annotations, BoxFuture, Icon, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput,
    ToolResult,
};
use serde_json::{Value, json};

type Called<'a> = BoxFuture<'a, Result<ToolResult, ToolFailure>>;
type Function = for<'a> fn(ToolCall<'a, Principal>, &'a mut ToolOutput) -> Called<'a>;

/// A tool as a function. One that keeps something between calls implements [`Tool`] itself.
pub(crate) struct Simple {
    descriptor: ToolDescriptor,
    function: Function,
}

impl Simple {
    /// A tool that takes no arguments and asks nobody.
    pub(crate) fn new(
        name: &'static str,
        title: &'static str,
        description: &str,
        function: Function,
    ) -> Self {
        let descriptor = ToolDescriptor {
            name,
            title,
            description: description.into(),
            input_schema: json!({ "type": "object", "additionalProperties": false }),
            output_schema: None,
            annotations: Annotations::READS,
            icons: Vec::new(),
        };
        Self { descriptor, function }
    }

    /// Takes arguments of that schema.
    pub(crate) fn takes(mut self, schema: Value) -> Self {
        self.descriptor.input_schema = schema;
        self
    }

    /// Gives its result as data of that schema, too.
    pub(crate) fn gives(mut self, schema: Value) -> Self {
        self.descriptor.output_schema = Some(schema);
        self
    }

    /// Asks the client's side: the answer is nothing that this server knows, and may be another
    /// the next time.
    pub(crate) fn asks(mut self) -> Self {
        self.descriptor.annotations =
            Annotations { idempotent: false, open_world: true, ..Annotations::READS };
        self
    }

    /// Shows a picture beside its name.
    pub(crate) fn icon(mut self, icon: Icon) -> Self {
        self.descriptor.icons.push(icon);
        self
    }
}

impl Tool<Principal> for Simple {
    fn descriptor(&self) -> ToolDescriptor {
        self.descriptor.clone()
    }

    fn call<'a>(&'a self, call: ToolCall<'a, Principal>, output: &'a mut ToolOutput) -> Called<'a> {
        (self.function)(call, output)
    }
}
