//! One dispatch for both eras and every transport.

mod answer;
mod build;
mod complete;
mod lifecycle;
mod listen;
mod prompts;
mod resources;
mod tools;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::batch::{is_batch, split};
use crate::change::Announcer;
use crate::client::Handshake;
use crate::context::{Asking, Context};
use crate::conversation::Conversation;
use crate::error::{Code, RpcError};
use crate::headers::{MirroredArgument, RoutingHeaders};
use crate::message::{Incoming, Refused, Request, parse, text};
use crate::modern::{Said, classify};
use crate::output::{Messages, Output};
use crate::page::Listing;
use crate::params::Params;
use crate::prompt::{Prompt, PromptArgument};
use crate::request_state::{Binding, RequestStates};
use crate::resource::{Resource, ResourceTemplate};
use crate::revision::Era;
use crate::tool::Tool;
use crate::uri_template::UriTemplate;

use answer::{Answer, Tails, refuse};
pub use answer::{Reply, Status};
pub use build::{Implementation, ServerBuilder};
pub use listen::Feed;

/// Answers the messages of the protocol with what it was given to offer. Shared by all requests.
pub struct Server<P> {
    implementation: Value,
    instructions: std::borrow::Cow<'static, str>,
    tools: Tools<P>,
    prompts: Prompts<P>,
    resources: Resources<P>,
    permits: fn(&P, &str) -> bool,
    permits_prompt: Option<fn(&P, &str) -> bool>,
    permits_resource: Option<fn(&P, &str) -> bool>,
    page_size: usize,
    logs: bool,
    announcer: Option<Announcer>,
    request_states: Option<RequestStates<P>>,
    tails: Tails,
}

struct Tools<P> {
    listing: Listing,
    all: Vec<RegisteredTool<P>>,
}

struct RegisteredTool<P> {
    name: &'static str,
    mirrored: Vec<MirroredArgument>,
    tool: Arc<dyn Tool<P>>,
}

struct Prompts<P> {
    listing: Listing,
    all: Vec<RegisteredPrompt<P>>,
}

struct RegisteredPrompt<P> {
    name: &'static str,
    arguments: Vec<PromptArgument>,
    prompt: Arc<dyn Prompt<P>>,
}

struct Resources<P> {
    listing: Listing,
    all: Vec<(&'static str, Arc<dyn Resource<P>>)>,
    template_listing: Listing,
    templates: Vec<RegisteredTemplate<P>>,
}

struct RegisteredTemplate<P> {
    uri: &'static str,
    pattern: UriTemplate,
    template: Arc<dyn ResourceTemplate<P>>,
}

impl<P> Resources<P> {
    fn is_empty(&self) -> bool {
        self.all.is_empty() && self.templates.is_empty()
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
    /// What it belongs to, in the legacy era; `None`: it stands alone.
    pub conversation: Option<&'a Conversation>,
}

/// One request, read and classified.
struct Read<'a> {
    request: Request<'a>,
    params: Params<'a>,
    said: Said<'a>,
}

impl<'a> Read<'a> {
    fn call<'c, P>(&'c self, exchange: &'c Exchange<'a, P>) -> Call<'c, P> {
        Call {
            principal: exchange.principal,
            request: &self.request,
            params: &self.params,
            said: self.said,
            headers: exchange.headers.as_ref(),
            conversation: exchange.conversation,
        }
    }
}

/// One request, and what it came with.
struct Call<'a, P> {
    principal: &'a P,
    request: &'a Request<'a>,
    params: &'a Params<'a>,
    said: Said<'a>,
    headers: Option<&'a RoutingHeaders<'a>>,
    conversation: Option<&'a Conversation>,
}

impl<P> Call<'_, P> {
    fn era(&self) -> Era {
        self.said.era()
    }
}

impl<P: Sync> Server<P> {
    /// Starts a server that offers nothing yet.
    #[must_use]
    pub fn builder(implementation: Implementation) -> ServerBuilder<P> {
        ServerBuilder::new(implementation)
    }

    /// Answers one message into `output`, or a batch of them where the revision has batches. Never
    /// fails: whatever goes wrong is an answer.
    pub async fn handle(&self, exchange: Exchange<'_, P>, output: Output) -> Reply {
        if !is_batch(exchange.message) {
            return match read(&exchange, parse(exchange.message)) {
                Ok(Some(read)) => self.answer_or_cancel(&read.call(&exchange), output).await,
                Ok(None) => Reply::accepted(output),
                Err((id, error)) => refuse(output, id, &error, None),
            };
        }
        let agreed = exchange.conversation.and_then(Conversation::handshake);
        let agreed = agreed.map(|handshake| handshake.revision);
        match split(exchange.message, exchange.headers.as_ref(), agreed) {
            Ok(messages) => self.handle_batch(&exchange, &messages, output).await,
            Err(error) => refuse(output, None, &error, None),
        }
    }

    /// Answers one message if it is a call of `tool`, and nothing else: what somebody may say who
    /// is not let in yet. `None`: it is something else, and had no effect.
    pub async fn handle_only(
        &self,
        tool: &str,
        exchange: Exchange<'_, P>,
        output: Output,
    ) -> Option<Reply> {
        let Ok(Incoming::Request(request)) = parse(exchange.message) else { return None };
        if request.method != "tools/call" || is_batch(exchange.message) {
            return None;
        }
        let params = Params::read(request.params).ok()?;
        if params.name.and_then(text)? != tool {
            return None;
        }
        let headers = exchange.headers.as_ref();
        Some(match classify(&request.method, &params, headers, exchange.conversation) {
            Ok(said) => self.answer(&Read { request, params, said }.call(&exchange), output).await,
            Err(error) => refuse(output, Some(request.id), &error, None),
        })
    }

    /// Answers the messages of a batch one after the other, each as if it had come alone.
    async fn handle_batch(
        &self,
        exchange: &Exchange<'_, P>,
        messages: &[&RawValue],
        mut output: Output,
    ) -> Reply {
        let mut separator: &[u8] = b"[";
        for message in messages {
            let read = read(exchange, parse_in_batch(message));
            if matches!(read, Ok(None)) {
                continue;
            }
            // Each is held by itself until it is whole: one that is cancelled leaves no trace.
            let alone = output.alone();
            let reply = match read {
                Ok(Some(read)) => self.answer_or_cancel(&read.call(exchange), alone).await,
                Ok(None) => Reply::accepted(alone),
                Err((id, error)) => refuse(alone, id, &error, None),
            };
            match reply.status {
                Status::Gone => return Reply::gone(output),
                Status::Cancelled | Status::Accepted => continue,
                Status::Answered | Status::Refused(..) => {}
            }
            output.push(separator);
            separator = b",";
            output.push(&reply.output.into_rest());
            if output.relieve().await.is_err() {
                return Reply::gone(output);
            }
        }
        if separator == b"[" {
            return Reply::accepted(output);
        }
        output.push(b"]");
        Reply::answered(output)
    }

    /// Works on a request until it is answered, or until its client does not want the answer.
    async fn answer_or_cancel(&self, call: &Call<'_, P>, output: Output) -> Reply {
        let Some(conversation) = call.conversation else { return self.answer(call, output).await };
        let mut working = conversation.begin(call.request.id);
        let mut work = pin!(self.answer(call, output));
        let mut cancelled = pin!(working.cancelled());
        poll_fn(|cx| {
            if let Poll::Ready(reply) = work.as_mut().poll(cx) {
                return Poll::Ready(reply);
            }
            cancelled.as_mut().poll(cx).map(|()| Reply::cancelled())
        })
        .await
    }

    async fn answer(&self, call: &Call<'_, P>, output: Output) -> Reply {
        use Era::{Legacy, Modern};
        let outcome = match (&*call.request.method, call.era()) {
            ("tools/call", _) if self.offers_tools() => return self.call_tool(call, output).await,
            ("prompts/get", _) if self.offers_prompts() => {
                self.get_prompt(call, output.messages()).await
            }
            ("resources/read", _) if self.offers_resources() => {
                self.read_resource(call, output.messages()).await
            }
            ("completion/complete", _) if self.completes() => {
                self.complete(call, output.messages()).await
            }
            ("subscriptions/listen", Modern) if self.announcer.is_some() => {
                return self.listen(call, output).await;
            }
            ("initialize", Legacy) => return self.initialize(call, output),
            _ => self.answer_at_once(call),
        };
        match outcome {
            Ok(answer) => self.finish(call, output, &answer),
            Err(Stop::Refused(error)) => {
                refuse(output, Some(call.request.id), &error, Some(call.era()))
            }
            Err(Stop::Gone) => Reply::gone(output),
        }
    }

    /// The methods whose answer nobody needs to wait for.
    fn answer_at_once(&self, call: &Call<'_, P>) -> Result<Answer, Stop> {
        use Era::{Legacy, Modern};
        let answer = match (&*call.request.method, call.era()) {
            ("tools/list", _) if self.offers_tools() => self.list_tools(call),
            ("prompts/list", _) if self.offers_prompts() => self.list_prompts(call),
            ("resources/list", _) if self.offers_resources() => self.list_resources(call),
            ("resources/templates/list", _) if self.offers_resources() => self.list_templates(call),
            ("resources/subscribe", Legacy) if self.takes_subscriptions() => self.subscribe(call),
            ("resources/unsubscribe", Legacy) if self.takes_subscriptions() => {
                Self::unsubscribe(call)
            }
            ("logging/setLevel", Legacy) if self.logs => Self::set_log_level(call),
            ("ping", Legacy) => Ok(Answer::default()),
            ("server/discover", Modern) => Ok(self.discover()),
            (other, _) => Err(RpcError::method_not_found(other)),
        };
        Ok(answer?)
    }

    fn may_get(&self, principal: &P, prompt: &str) -> bool {
        self.permits_prompt.is_none_or(|permits| permits(principal, prompt))
    }

    /// `resource` is the address or the template of a descriptor.
    fn may_read(&self, principal: &P, resource: &str) -> bool {
        self.permits_resource.is_none_or(|permits| permits(principal, resource))
    }

    fn offers_tools(&self) -> bool {
        !self.tools.all.is_empty()
    }

    fn offers_prompts(&self) -> bool {
        !self.prompts.all.is_empty()
    }

    fn offers_resources(&self) -> bool {
        !self.resources.is_empty()
    }

    fn completes(&self) -> bool {
        self.offers_prompts() || !self.resources.templates.is_empty()
    }

    fn takes_subscriptions(&self) -> bool {
        self.offers_resources() && self.announcer.is_some()
    }

    /// The client's side of `call`, for a handler.
    fn context<'a>(
        &self,
        call: &Call<'a, P>,
        messages: Messages,
        binding: &Binding<'_>,
    ) -> Result<Context<'a>, RpcError> {
        let asking = match (call.era(), call.conversation, &self.request_states) {
            (Era::Legacy, Some(conversation), _) => Asking::Now(conversation),
            (Era::Legacy, None, _) | (Era::Modern, _, None) => Asking::Never,
            (Era::Modern, _, Some(states)) => {
                let state = call.params.request_state.0.map(|raw| {
                    text(raw).ok_or_else(|| {
                        RpcError::invalid_params("params.requestState must be a string")
                    })
                });
                let state = state.transpose()?;
                let responses = call.params.input_responses.0;
                let given = states.open(call.principal, binding, responses, state.as_deref())?;
                Asking::Again(given)
            }
        };
        Ok(Context {
            revision: call.said.revision,
            capabilities: call.said.capabilities,
            log_level: call.said.log_level.filter(|_| self.logs),
            progress_token: call.said.progress_token,
            progress: f64::NEG_INFINITY.to_bits().into(),
            messages,
            asking,
        })
    }
}

/// Why there is no answer.
enum Stop {
    Refused(RpcError),
    /// Nobody is left to tell.
    Gone,
}

impl From<RpcError> for Stop {
    fn from(error: RpcError) -> Self {
        Self::Refused(error)
    }
}

/// Takes one message in: a request comes back, read and classified; whatever wants no answer
/// has had its effect.
fn read<'a, P>(
    exchange: &Exchange<'a, P>,
    parsed: Result<Incoming<'a>, Refused<'a>>,
) -> Result<Option<Read<'a>>, (Option<&'a RawValue>, RpcError)> {
    let request = match parsed {
        Ok(Incoming::Request(request)) => request,
        Ok(Incoming::Notification { method, params }) => {
            notified(exchange.conversation, &method, params);
            return Ok(None);
        }
        Ok(Incoming::Response(response)) => {
            if let Some(conversation) = exchange.conversation {
                conversation.answer(&response);
            }
            return Ok(None);
        }
        Err(Refused { id, error }) => return Err((id, error)),
    };
    let headers = exchange.headers.as_ref();
    let said = Params::read(request.params).and_then(|params| {
        let said = classify(&request.method, &params, headers, exchange.conversation)?;
        Ok((params, said))
    });
    match said {
        Ok((params, said)) => Ok(Some(Read { request, params, said })),
        Err(error) => Err((Some(request.id), error)),
    }
}

/// The handshake decides how everything after it is read (2025-03-26, lifecycle).
fn parse_in_batch(message: &RawValue) -> Result<Incoming<'_>, Refused<'_>> {
    match parse(message.get().as_bytes()) {
        Ok(Incoming::Request(request)) if request.method == "initialize" => {
            let alone = "Invalid Request: initialize stands alone, not in a batch";
            let error = RpcError::new(Code::InvalidRequest, alone);
            Err(Refused { id: Some(request.id), error })
        }
        parsed => parsed,
    }
}

/// What a client tells without wanting an answer. Whatever is not known is none of our business.
fn notified(conversation: Option<&Conversation>, method: &str, params: Option<&RawValue>) {
    let (Some(conversation), Some(params)) = (conversation, params) else { return };
    if method == "notifications/cancelled"
        && let Ok(params) = Params::read(Some(params))
        && let Some(id) = params.request_id
    {
        conversation.cancel(id);
    }
}

impl Reply {
    /// What `initialize` agreed on, where this is the answer to one.
    #[must_use]
    pub fn handshake(&self) -> Option<Handshake> {
        self.handshake
    }
}
