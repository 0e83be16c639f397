//! One dispatch for both eras and every transport.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::batch::{is_batch, split};
use crate::error::{Code, RpcError, excerpt};
use crate::message::{Incoming, Refused, Request, parse};
use crate::modern::{RoutingHeaders, classify};
use crate::output::{Gone, Output};
use crate::params::{Params, required_text};
use crate::revision::{Era, Revision};
use crate::tool::{TextOutput, Tool, ToolCall, ToolFailure};

/// What this server calls itself.
#[derive(Clone, Copy, Debug)]
pub struct Implementation {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// The product's version.
    pub version: &'static str,
}

/// Answers the messages of the protocol with the tools it was given. Shared by all requests.
pub struct Server<P> {
    implementation: Value,
    instructions: Cow<'static, str>,
    tools: Vec<Registered<P>>,
    permits: fn(&P, &str) -> bool,
    /// What the modern era adds at the end of every result: `,"resultType":…,"_meta":{…}`.
    modern_tail: Vec<u8>,
}

struct Registered<P> {
    name: &'static str,
    listed: Vec<u8>,
    tool: Arc<dyn Tool<P>>,
}

/// Collects what a [`Server`] offers.
pub struct ServerBuilder<P> {
    implementation: Implementation,
    instructions: Cow<'static, str>,
    tools: Vec<Arc<dyn Tool<P>>>,
    permits: fn(&P, &str) -> bool,
}

impl<P: Sync> ServerBuilder<P> {
    /// Guidance for the model that uses this server, in a sentence or two.
    #[must_use]
    pub fn instructions(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.instructions = text.into();
        self
    }

    /// Adds a tool. Lists keep the order in which tools were added.
    #[must_use]
    pub fn tool(mut self, tool: Arc<dyn Tool<P>>) -> Self {
        self.tools.push(tool);
        self
    }

    /// Which tools a caller may see and call, by name. Without this: all.
    #[must_use]
    pub fn permits(mut self, permits: fn(&P, &str) -> bool) -> Self {
        self.permits = permits;
        self
    }

    /// The server.
    #[must_use]
    pub fn build(self) -> Server<P> {
        let Implementation { name, title, version } = self.implementation;
        let implementation = json!({ "name": name, "title": title, "version": version });
        let meta = json!({ "io.modelcontextprotocol/serverInfo": implementation });
        let registered = |tool: Arc<dyn Tool<P>>| {
            let descriptor = tool.descriptor();
            let listed = descriptor.to_json().to_string().into_bytes();
            Registered { name: descriptor.name, listed, tool }
        };
        Server {
            modern_tail: format!(r#","resultType":"complete","_meta":{meta}"#).into_bytes(),
            implementation,
            instructions: self.instructions,
            tools: self.tools.into_iter().map(registered).collect(),
            permits: self.permits,
        }
    }
}

/// One message to be answered.
pub struct Exchange<'a, P> {
    /// Who sent it.
    pub principal: &'a P,
    /// The message as it came.
    pub message: &'a [u8],
    /// The headers that repeat it; `None` where the transport has none.
    pub headers: Option<RoutingHeaders<'a>>,
}

/// What became of a message.
pub struct Reply {
    /// Decides the status where the transport has one.
    pub status: Status,
    /// The answer, or the part of it that has not left yet. Empty where nothing is answered.
    pub output: Output,
}

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A result.
    Answered,
    /// A JSON-RPC error. `None`: the message did not get far enough to have an era.
    Refused(Code, Option<Era>),
    /// A notification or a response: nothing to answer.
    Accepted,
    /// The client went away in the middle.
    Gone,
}

impl<P: Sync> Server<P> {
    /// Starts a server without tools.
    #[must_use]
    pub fn builder(implementation: Implementation) -> ServerBuilder<P> {
        ServerBuilder {
            implementation,
            instructions: Cow::Borrowed(""),
            tools: Vec::new(),
            permits: |_, _| true,
        }
    }

    /// Answers one message into `output`, or a batch of them where the revision has batches. Never
    /// fails: whatever goes wrong is an answer.
    pub async fn handle(&self, exchange: Exchange<'_, P>, output: Output) -> Reply {
        let Exchange { principal, message, headers } = exchange;
        let headers = headers.as_ref();
        if !is_batch(message) {
            return self.handle_one(principal, parse(message), headers, output).await;
        }
        match split(message, headers) {
            Ok(messages) => self.handle_batch(principal, &messages, headers, output).await,
            Err(error) => refuse(output, None, &error, None),
        }
    }

    /// Answers the messages of a batch one after the other, each as if it had come alone.
    async fn handle_batch(
        &self,
        principal: &P,
        messages: &[&RawValue],
        headers: Option<&RoutingHeaders<'_>>,
        mut output: Output,
    ) -> Reply {
        let mut separator: &[u8] = b"[";
        for message in messages {
            let parsed = match parse(message.get().as_bytes()) {
                Ok(Incoming::Notification { .. } | Incoming::Response) => continue,
                // The handshake decides how everything after it is read (2025-03-26, lifecycle).
                Ok(Incoming::Request(request)) if request.method == "initialize" => {
                    let alone = "Invalid Request: initialize stands alone, not in a batch";
                    let error = RpcError::new(Code::InvalidRequest, alone);
                    Err(Refused { id: Some(request.id), error })
                }
                parsed => parsed,
            };
            output.push(separator);
            separator = b",";
            let reply = self.handle_one(principal, parsed, headers, output).await;
            if reply.status == Status::Gone {
                return reply;
            }
            output = reply.output;
        }
        if separator == b"[" {
            return Reply { status: Status::Accepted, output };
        }
        output.push(b"]");
        Reply { status: Status::Answered, output }
    }

    async fn handle_one(
        &self,
        principal: &P,
        parsed: Result<Incoming<'_>, Refused<'_>>,
        headers: Option<&RoutingHeaders<'_>>,
        output: Output,
    ) -> Reply {
        let request = match parsed {
            Ok(Incoming::Request(request)) => request,
            Ok(Incoming::Notification { .. } | Incoming::Response) => {
                return Reply { status: Status::Accepted, output };
            }
            Err(Refused { id, error }) => return refuse(output, id, &error, None),
        };
        let params = Params::read(request.params);
        let era =
            params.and_then(|params| Ok((classify(&request.method, &params, headers)?, params)));
        match era {
            Ok((era, params)) => self.answer(principal, &request, era, &params, output).await,
            Err(error) => refuse(output, Some(request.id), &error, None),
        }
    }

    async fn answer(
        &self,
        principal: &P,
        request: &Request<'_>,
        era: Era,
        params: &Params<'_>,
        mut output: Output,
    ) -> Reply {
        let outcome = match (&*request.method, era) {
            ("tools/call", _) => {
                return self.call_tool(principal, request, era, params, output).await;
            }
            ("tools/list", _) => self.list_tools(principal, params),
            ("initialize", Era::Legacy) => self.initialize(params),
            ("ping", Era::Legacy) => Ok(Answer::default()),
            ("server/discover", Era::Modern) => Ok(self.discover()),
            (other, _) => Err(RpcError::method_not_found(other)),
        };
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => return refuse(output, Some(request.id), &error, Some(era)),
        };
        open_result(&mut output, request.id);
        output.push(&answer.members);
        self.close_result(&mut output, era, answer.cache, answer.members.is_empty());
        Reply { status: Status::Answered, output }
    }

    fn initialize(&self, params: &Params<'_>) -> Result<Answer, RpcError> {
        let asked = required_text(params.protocol_version, "protocolVersion")?;
        let agreed = Revision::find(&asked)
            .filter(|revision| revision.era() == Era::Legacy)
            .unwrap_or(Revision::NEWEST_LEGACY);
        Ok(Answer::of(&json!({
            "protocolVersion": agreed.as_str(),
            "capabilities": capabilities(),
            "serverInfo": self.implementation,
            "instructions": self.instructions,
        })))
    }

    fn discover(&self) -> Answer {
        let modern = Revision::ALL.iter().filter(|revision| revision.era() == Era::Modern);
        let versions: Vec<_> = modern.map(|revision| revision.as_str()).collect();
        let answer = Answer::of(&json!({
            "supportedVersions": versions,
            "capabilities": capabilities(),
            "instructions": self.instructions,
        }));
        Answer { cache: Some(Cache::SHARED), ..answer }
    }

    fn list_tools(&self, principal: &P, params: &Params<'_>) -> Result<Answer, RpcError> {
        // Every list fits one page, so no cursor was ever given out.
        if params.cursor.is_some() {
            return Err(RpcError::invalid_params("params.cursor is not one of this server's"));
        }
        let mut members = Vec::with_capacity(4096);
        members.extend_from_slice(b"\"tools\":[");
        let mut first = true;
        for tool in self.tools.iter().filter(|tool| (self.permits)(principal, tool.name)) {
            if !std::mem::take(&mut first) {
                members.push(b',');
            }
            members.extend_from_slice(&tool.listed);
        }
        members.push(b']');
        Ok(Answer { members, cache: Some(Cache::OWN) })
    }

    async fn call_tool(
        &self,
        principal: &P,
        request: &Request<'_>,
        era: Era,
        params: &Params<'_>,
        mut output: Output,
    ) -> Reply {
        let (tool, arguments) = match self.find_tool(principal, params) {
            Ok(found) => found,
            Err(error) => return refuse(output, Some(request.id), &error, Some(era)),
        };
        open_result(&mut output, request.id);
        output.push(br#""content":[{"type":"text","text":""#);
        let mut text = TextOutput { output, is_empty: true };
        let outcome = tool.call(ToolCall { principal, arguments }, &mut text).await;
        let (structured, is_error) = match outcome {
            Ok(result) => (result.structured, false),
            Err(ToolFailure::Told(told)) => match append_failure(&mut text, &told).await {
                Ok(()) => (None, true),
                Err(Gone) => return Reply { status: Status::Gone, output: text.output },
            },
            Err(ToolFailure::Gone) => return Reply { status: Status::Gone, output: text.output },
        };
        let mut output = text.output;
        output.push(br#""}]"#);
        if let Some(structured) = structured {
            output.push(br#","structuredContent":"#);
            output.push(structured.get().as_bytes());
        }
        output.push(if is_error { br#","isError":true"# } else { br#","isError":false"# });
        self.close_result(&mut output, era, None, false);
        Reply { status: Status::Answered, output }
    }

    fn find_tool<'a>(
        &'a self,
        principal: &P,
        params: &'a Params<'_>,
    ) -> Result<(&'a dyn Tool<P>, &'a RawValue), RpcError> {
        let name = required_text(params.name, "name")?;
        let known = self.tools.iter().find(|tool| tool.name == name);
        // A tool that this caller may not use is a tool that does not exist.
        let tool = known
            .filter(|tool| (self.permits)(principal, tool.name))
            .ok_or_else(|| RpcError::invalid_params(format!("Unknown tool: {}", excerpt(&name))))?;
        let arguments = params.arguments.unwrap_or(no_arguments());
        if !arguments.get().starts_with('{') {
            return Err(RpcError::invalid_params("params.arguments must be an object"));
        }
        Ok((&*tool.tool, arguments))
    }

    /// Ends a result as its era ends one.
    fn close_result(&self, output: &mut Output, era: Era, cache: Option<Cache>, is_empty: bool) {
        if era == Era::Modern {
            // The tail begins with a comma, which an empty result has no use for.
            output.push(&self.modern_tail[usize::from(is_empty)..]);
            if let Some(cache) = cache {
                output.push(cache.members().as_bytes());
            }
        }
        output.push(b"}}");
    }
}

/// The members of a result, without the braces around them.
#[derive(Default)]
struct Answer {
    members: Vec<u8>,
    /// How long it may be kept, where the modern era asks for that.
    cache: Option<Cache>,
}

impl Answer {
    fn of(object: &Value) -> Self {
        let text = object.to_string();
        let members = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        Self { members: members.unwrap_or_default().as_bytes().to_vec(), cache: None }
    }
}

/// For how long, and by whom, an answer may be kept (2026-07-28, caching).
#[derive(Clone, Copy)]
struct Cache {
    ttl_ms: u32,
    shared: bool,
}

impl Cache {
    /// The same for everybody.
    const SHARED: Self = Self { ttl_ms: 60_000, shared: true };
    /// Depends on who asks.
    const OWN: Self = Self { ttl_ms: 60_000, shared: false };

    fn members(self) -> String {
        let scope = if self.shared { "public" } else { "private" };
        format!(r#","ttlMs":{},"cacheScope":"{scope}""#, self.ttl_ms)
    }
}

fn capabilities() -> Value {
    json!({ "tools": {} })
}

fn no_arguments() -> &'static RawValue {
    // `{}` is a value, so the fallback is never taken; it is an object too.
    serde_json::from_str("{}").unwrap_or(RawValue::NULL)
}

async fn append_failure(text: &mut TextOutput, told: &str) -> Result<(), Gone> {
    if !text.is_empty {
        text.write("\n").await?;
    }
    text.write(told).await
}

fn open_result(output: &mut Output, id: &RawValue) {
    output.push(br#"{"jsonrpc":"2.0","id":"#);
    output.push(id.get().as_bytes());
    output.push(br#","result":{"#);
}

/// Answers with an error. `era` is `None` where the message did not get far enough to have one.
fn refuse(mut output: Output, id: Option<&RawValue>, error: &RpcError, era: Option<Era>) -> Reply {
    let mut body = json!({ "code": error.code.number(), "message": error.message });
    if let Some(data) = &error.data {
        body["data"] = data.clone();
    }
    let id = id.map_or("null", RawValue::get);
    output.push(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{body}}}"#).as_bytes());
    Reply { status: Status::Refused(error.code, era), output }
}
