//! Answers as bytes.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Call, Server, Stop};
use crate::client::{Handshake, required};
use crate::context::{Asking, Context};
use crate::error::{Code, HoldOff, RpcError};
use crate::output::Output;
use crate::question::{Cause, Interruption, Question};
use crate::request_state::Binding;
use crate::revision::Era;

/// What became of a message.
pub struct Reply {
    /// Decides the status where the transport has one.
    pub status: Status,
    /// The answer, or the part of it that has not left yet. Empty where nothing is answered.
    pub output: Output,
    /// When to try again, where the answer says that it was not tried.
    pub hold_off: Option<HoldOff>,
    pub(super) handshake: Option<Handshake>,
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
    /// The client took its request back: nothing to answer.
    Cancelled,
    /// The client went away in the middle.
    Gone,
}

impl Reply {
    /// The same, with a part before it that has left already.
    #[must_use]
    pub fn after(self, part: Vec<u8>) -> Self {
        Self { output: self.output.after(part), ..self }
    }

    pub(super) fn answered(output: Output) -> Self {
        Self { status: Status::Answered, output, hold_off: None, handshake: None }
    }

    pub(super) fn accepted(output: Output) -> Self {
        Self { status: Status::Accepted, output, hold_off: None, handshake: None }
    }

    pub(super) fn gone(output: Output) -> Self {
        Self { status: Status::Gone, output, hold_off: None, handshake: None }
    }

    pub(super) fn cancelled() -> Self {
        Self { status: Status::Cancelled, output: Output::held(), hold_off: None, handshake: None }
    }
}

/// The members of a result, without the braces around them.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) members: Vec<u8>,
    /// How long it may be kept, where the modern era asks for that.
    pub(super) cache: Option<Cache>,
    pub(super) kind: Kind,
}

/// What kind of result it is, in the modern era.
#[derive(Clone, Copy, Default)]
pub(super) enum Kind {
    #[default]
    Complete,
    /// The result is a question.
    Asks,
    /// The server presents itself.
    Presents,
}

impl Answer {
    pub(super) fn of(object: &Value) -> Self {
        let text = object.to_string();
        let members = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let members = members.unwrap_or_default().as_bytes().to_vec();
        Self { members, ..Self::default() }
    }

    pub(super) fn kept(self, cache: Cache) -> Self {
        Self { cache: Some(cache), ..self }
    }
}

/// For how long, and by whom, an answer may be kept (2026-07-28, caching).
#[derive(Clone, Copy)]
pub(super) struct Cache {
    ttl_ms: u32,
    shared: bool,
}

impl Cache {
    /// The same for everybody.
    pub(super) const SHARED: Self = Self { ttl_ms: 60_000, shared: true };
    /// Depends on who asks.
    pub(super) const OWN: Self = Self { ttl_ms: 60_000, shared: false };
    /// Depends on who asks, and may be another the next time.
    pub(super) const FRESH: Self = Self { ttl_ms: 0, shared: false };

    /// A list that does not change, or one that shows each caller a part of it.
    pub(super) const fn of_list(depends_on_caller: bool) -> Self {
        if depends_on_caller { Self::OWN } else { Self::SHARED }
    }

    fn members(self) -> String {
        let scope = if self.shared { "public" } else { "private" };
        format!(r#","ttlMs":{},"cacheScope":"{scope}""#, self.ttl_ms)
    }
}

/// What the modern era adds at the end of every result: `,"resultType":…,"_meta":{…}`.
pub(super) struct Tails {
    complete: Vec<u8>,
    asks: Vec<u8>,
    presents: Vec<u8>,
}

impl Tails {
    pub(super) fn new(implementation: &Value) -> Self {
        let tail = |kind: &str, implementation: &Value| {
            let meta = json!({ "io.modelcontextprotocol/serverInfo": implementation });
            format!(r#","resultType":"{kind}","_meta":{meta}"#).into_bytes()
        };
        // Every result names its server; its pictures, which are long, go with one of them.
        let mut name = implementation.clone();
        if let Some(members) = name.as_object_mut() {
            members.remove("icons");
        }
        Self {
            complete: tail("complete", &name),
            asks: tail("input_required", &name),
            presents: tail("complete", implementation),
        }
    }

    fn of(&self, kind: Kind) -> &[u8] {
        match kind {
            Kind::Complete => &self.complete,
            Kind::Asks => &self.asks,
            Kind::Presents => &self.presents,
        }
    }
}

/// How a result ends.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    /// Nothing stands before it.
    is_first: bool,
    kind: Kind,
    cache: Option<Cache>,
}

impl Tail {
    /// The end of a complete result that has members, and is not to be kept.
    pub(super) const AFTER_MEMBERS: Self =
        Self { is_first: false, kind: Kind::Complete, cache: None };
}

impl<P> Server<P> {
    /// Writes a result.
    pub(super) fn finish(&self, call: &Call<'_, P>, mut output: Output, answer: &Answer) -> Reply {
        open_result(&mut output, call.request.id);
        output.push(&answer.members);
        let tail =
            Tail { is_first: answer.members.is_empty(), kind: answer.kind, cache: answer.cache };
        self.close_result(&mut output, call.said.era(), tail);
        Reply::answered(output)
    }

    /// Writes a result that says all by itself.
    pub(super) fn finish_whole(call: &Call<'_, P>, mut output: Output, answer: &Answer) -> Reply {
        open_result(&mut output, call.request.id);
        output.push(&answer.members);
        output.push(b"}}");
        Reply::answered(output)
    }

    /// Ends a result as its era ends one.
    pub(super) fn close_result(&self, output: &mut Output, era: Era, tail: Tail) {
        if era == Era::Modern {
            let written = self.tails.of(tail.kind);
            // It begins with a comma, which an empty result has no use for.
            output.push(&written[usize::from(tail.is_first)..]);
            if let Some(cache) = tail.cache {
                output.push(cache.members().as_bytes());
            }
        }
        output.push(b"}}");
    }

    /// What answers a request whose handler asked something and has no answer.
    pub(super) fn interrupted(
        &self,
        call: &Call<'_, P>,
        binding: &Binding<'_>,
        context: &Context<'_>,
        Interruption(cause): Interruption,
    ) -> Result<Answer, Interrupted> {
        let error = match cause {
            Cause::AskAgain(questions) => {
                return self.ask_again(call, binding, context, &questions);
            }
            Cause::Missing(capability) if call.said.era() == Era::Modern => {
                let message = "The client does not have a capability that this needs";
                let data = json!({ "requiredCapabilities": required(capability) });
                RpcError::new(Code::MissingCapability, message).with_data(data)
            }
            Cause::Missing(capability) => {
                let capability = capability.as_str();
                return Err(Interrupted::Told(format!("Error: the client has no {capability}")));
            }
            Cause::Unanswered(why) => return Err(Interrupted::Told(format!("Error: {why}"))),
            Cause::Gone => return Err(Interrupted::Stop(Stop::Gone)),
        };
        Err(Interrupted::Stop(Stop::Refused(error)))
    }

    fn ask_again(
        &self,
        call: &Call<'_, P>,
        binding: &Binding<'_>,
        context: &Context<'_>,
        questions: &BTreeMap<String, Question>,
    ) -> Result<Answer, Interrupted> {
        let (Asking::Again(given), Some(states)) = (&context.asking, &self.request_states) else {
            let internal = RpcError::new(Code::InternalError, "Internal error");
            return Err(Interrupted::Stop(Stop::Refused(internal)));
        };
        let state = states
            .seal(call.principal, binding, given)
            .map_err(|error| Interrupted::Stop(Stop::Refused(error)))?;
        let requests: BTreeMap<_, _> =
            questions.iter().map(|(key, question)| (key, question.to_json())).collect();
        let answer = Answer::of(&json!({ "inputRequests": requests, "requestState": state }));
        Ok(Answer { kind: Kind::Asks, ..answer })
    }
}

/// Why a question came to nothing.
pub(super) enum Interrupted {
    /// For the model to read.
    Told(String),
    Stop(Stop),
}

impl Interrupted {
    /// As an error of the protocol, where there is no model to tell.
    pub(super) fn into_stop(self) -> Stop {
        match self {
            Self::Told(text) => Stop::Refused(RpcError::new(Code::InternalError, text)),
            Self::Stop(stop) => stop,
        }
    }
}

pub(super) fn open_result(output: &mut Output, id: &RawValue) {
    output.push(br#"{"jsonrpc":"2.0","id":"#);
    output.push(id.get().as_bytes());
    output.push(br#","result":{"#);
}

/// Answers with an error. `era` is `None` where the message did not get far enough to have one.
pub(super) fn refuse(
    mut output: Output,
    id: Option<&RawValue>,
    error: &RpcError,
    era: Option<Era>,
) -> Reply {
    let mut body = json!({ "code": error.code.number(), "message": error.message });
    if let Some(data) = &error.data {
        body["data"] = data.clone();
    }
    let id = id.map_or("null", RawValue::get);
    output.push(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{body}}}"#).as_bytes());
    let (status, hold_off) = (Status::Refused(error.code, era), error.hold_off);
    Reply { status, output, hold_off, handshake: None }
}
