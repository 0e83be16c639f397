//! `tools/list` and `tools/call`.

use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{Answer, Cache, Interrupted, Reply, Tail, open_result, refuse};
use super::{Call, RegisteredTool, Server, Stop};
use crate::context::Context;
use crate::error::{Code, RpcError, excerpt};
use crate::output::{Gone, Output};
use crate::params::required_text;
use crate::request_state::Binding;
use crate::revision::Era;
use crate::tool::{ToolCall, ToolFailure, ToolOutput, ToolResult, on_one_line};

impl<P: Sync> Server<P> {
    pub(super) fn list_tools(&self, call: &Call<'_, P>) -> Result<Answer, RpcError> {
        let cursor = Self::cursor(call)?;
        let shows = |name: &str| (self.permits)(call.principal, name);
        let members = self.tools.listing.page(cursor.as_deref(), self.page_size, shows)?;
        Ok(Answer { members, ..Answer::default() }.kept(Cache::OWN))
    }

    pub(super) async fn call_tool(&self, call: &Call<'_, P>, mut output: Output) -> Reply {
        let (registered, arguments) = match self.find_tool(call) {
            Ok(found) => found,
            Err(error) => return refuse(output, Some(call.request.id), &error, Some(call.era())),
        };
        let binding = Binding {
            method: &call.request.method,
            target: registered.name,
            arguments: Some(arguments),
        };
        let context = match self.context(call, output.messages(), &binding) {
            Ok(context) => context,
            Err(error) => return refuse(output, Some(call.request.id), &error, Some(call.era())),
        };
        let mark = output.mark();
        open_result(&mut output, call.request.id);
        let mut writing = ToolOutput::new(output, context.revision());
        let tool_call = ToolCall { principal: call.principal, arguments, context: &context };
        let outcome = registered.tool.call(tool_call, &mut writing).await;
        let ended = match outcome {
            Ok(result) => Ended::Well(result),
            Err(failure) => self.ended(call, &binding, &context, failure),
        };
        self.end_call(call, writing, mark, ended).await
    }

    fn find_tool<'a>(
        &'a self,
        call: &Call<'a, P>,
    ) -> Result<(&'a RegisteredTool<P>, &'a RawValue), RpcError> {
        let name = required_text(call.params.name, "name")?;
        let known = self.tools.all.iter().find(|tool| tool.name == name);
        // A tool that this caller may not use is a tool that does not exist.
        let tool = known
            .filter(|tool| (self.permits)(call.principal, tool.name))
            .ok_or_else(|| RpcError::invalid_params(format!("Unknown tool: {}", excerpt(&name))))?;
        let arguments = call.params.arguments.unwrap_or(no_arguments());
        if !arguments.get().starts_with('{') {
            return Err(RpcError::invalid_params("params.arguments must be an object"));
        }
        check_mirrored(call, tool, arguments)?;
        Ok((tool, arguments))
    }

    /// How a failed call ends.
    fn ended(
        &self,
        call: &Call<'_, P>,
        binding: &Binding<'_>,
        context: &Context<'_>,
        failure: ToolFailure,
    ) -> Ended {
        match failure {
            ToolFailure::Told(told) => Ended::Told(told),
            ToolFailure::Refused(error) => Ended::Refused(error),
            ToolFailure::Gone => Ended::Gone,
            ToolFailure::Interrupted(interruption) => {
                match self.interrupted(call, binding, context, interruption) {
                    Ok(answer) => Ended::Asks(answer),
                    Err(Interrupted::Told(told)) => Ended::Told(told),
                    Err(Interrupted::Stop(Stop::Refused(error))) => Ended::Refused(error),
                    Err(Interrupted::Stop(Stop::Gone)) => Ended::Gone,
                }
            }
        }
    }

    /// Writes the end of a call's answer, or another answer in its place.
    async fn end_call(
        &self,
        call: &Call<'_, P>,
        mut writing: ToolOutput,
        mark: usize,
        ended: Ended,
    ) -> Reply {
        let is_instead = matches!(ended, Ended::Asks(_) | Ended::Refused(_));
        // What has left already cannot be taken back, only be told to have failed.
        let in_vain = is_instead && !writing.output.rewind(mark);
        match ended {
            Ended::Gone => Reply::gone(writing.output),
            Ended::Asks(_) | Ended::Refused(_) if in_vain => {
                self.close_call(call, writing, Err("Error: the call broke off".into())).await
            }
            Ended::Asks(answer) => self.finish(call, writing.output, &answer),
            Ended::Refused(error) => {
                refuse(writing.output, Some(call.request.id), &error, Some(call.era()))
            }
            Ended::Told(told) => self.close_call(call, writing, Err(told)).await,
            Ended::Well(result) => self.close_call(call, writing, Ok(result)).await,
        }
    }

    async fn close_call(
        &self,
        call: &Call<'_, P>,
        mut writing: ToolOutput,
        outcome: Result<ToolResult, String>,
    ) -> Reply {
        if let Err(told) = &outcome
            && let Err(Gone) = writing.fail(told).await
        {
            return Reply::gone(writing.output);
        }
        let Ok(mut output) = writing.close().await else { return Reply::gone(Output::held()) };
        if let Ok(ToolResult { structured: Some(structured) }) = &outcome {
            output.push(br#","structuredContent":"#);
            output.push(on_one_line(structured.get()).as_bytes());
        }
        let is_error: &[u8] =
            if outcome.is_err() { br#","isError":true"# } else { br#","isError":false"# };
        output.push(is_error);
        self.close_result(&mut output, call.era(), Tail::AFTER_MEMBERS);
        Reply::answered(output)
    }
}

/// How a call ended.
enum Ended {
    Well(ToolResult),
    Told(String),
    Refused(RpcError),
    Asks(Answer),
    Gone,
}

/// Compares the arguments that headers repeat with those headers, before anything runs.
fn check_mirrored<P>(
    call: &Call<'_, P>,
    tool: &RegisteredTool<P>,
    arguments: &RawValue,
) -> Result<(), RpcError> {
    let headers = call.headers.and_then(|headers| headers.parameters);
    let (Some(headers), Era::Modern) = (headers, call.said.era()) else { return Ok(()) };
    if tool.mirrored.is_empty() {
        return Ok(());
    }
    let arguments: Value = serde_json::from_str(arguments.get())
        .map_err(|_| RpcError::new(Code::InvalidParams, "params.arguments must be an object"))?;
    tool.mirrored.iter().try_for_each(|mirrored| mirrored.check(headers, &arguments))
}

fn no_arguments() -> &'static RawValue {
    // `{}` is a value, so the fallback is never taken; it is an object too.
    serde_json::from_str("{}").unwrap_or(RawValue::NULL)
}
