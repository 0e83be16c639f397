//! Two clients, one of each era: they send a request, answer what they are asked, and keep what
//! they are told.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use mcp_protocol::{
    BoxFuture, ClientCapabilities, Conversation, Exchange, Gone, Handshake, Output, Part, Reply,
    Revision, Server, Sink, Status,
};
use serde_json::{Map, Value, json};

/// Who asks, wherever that makes no difference.
pub(crate) const CALLER: u32 = 7;

/// More rounds than any tool here asks for.
const MAX_ROUNDS: usize = 32;

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    /// `Null` where nothing was answered.
    pub(crate) answer: Value,
    /// The notifications that went before the answer.
    pub(crate) told: Vec<Value>,
}

impl Outcome {
    /// The code of the error.
    pub(crate) fn code(&self) -> i64 {
        self.answer["error"]["code"].as_i64().unwrap()
    }

    /// What both eras have in common: the result without what only the modern one adds to it.
    pub(crate) fn content(&self) -> Value {
        let mut answer = self.answer.clone();
        if let Some(result) = answer["result"].as_object_mut() {
            for name in ["resultType", "_meta", "ttlMs", "cacheScope"] {
                result.remove(name);
            }
        }
        answer
    }

    /// The parameters of the notifications of that kind.
    pub(crate) fn told_of(&self, method: &str) -> Vec<&Value> {
        self.told
            .iter()
            .filter(|said| said["method"] == method)
            .map(|said| &said["params"])
            .collect()
    }
}

/// How a client answers: the result for the request that it was sent.
pub(crate) type Answering<'a> = &'a dyn Fn(&Value) -> Value;

/// Whoever uses this is asked nothing.
pub(crate) fn nothing(asked: &Value) -> Value {
    panic!("nobody should ask: {asked}")
}

/// Keeps what leaves, and never lets anybody wait.
#[derive(Default)]
pub(crate) struct Wire {
    messages: Mutex<Vec<Value>>,
    answer: Mutex<Vec<u8>>,
}

impl Wire {
    /// The messages since the last time.
    pub(crate) fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.messages.lock().unwrap())
    }
}

impl Sink for Wire {
    fn send(&self, part: Part) -> BoxFuture<'_, Result<(), Gone>> {
        match part {
            Part::Message(message) => {
                self.messages.lock().unwrap().push(serde_json::from_slice(&message).unwrap());
            }
            Part::Answer(bytes) => self.answer.lock().unwrap().extend(bytes),
            Part::LetGo => {}
        }
        Box::pin(async { Ok(()) })
    }

    fn carries_messages(&self) -> bool {
        true
    }
}

/// What the future has come to.
pub(crate) fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a future has come to that waits for nothing.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("this waits"),
    }
}

pub(crate) fn request(id: impl Into<Value>, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params }).to_string()
}

fn read(wire: &Wire, reply: Reply) -> (Status, Value) {
    let status = reply.status;
    let mut answer = std::mem::take(&mut *wire.answer.lock().unwrap());
    answer.extend(reply.output.into_rest());
    let answer =
        if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() };
    (status, answer)
}

/// Everything that a client may say that it can do.
pub(crate) fn every_capability() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

/// A client of the legacy era, after its handshake.
pub(crate) struct Legacy<'s> {
    pub(crate) server: &'s Server<u32>,
    pub(crate) conversation: Conversation,
}

impl<'s> Legacy<'s> {
    pub(crate) fn new(server: &'s Server<u32>) -> Self {
        Self::with(server, Revision::V2025_11_25, &every_capability())
    }

    pub(crate) fn with(server: &'s Server<u32>, revision: Revision, capabilities: &Value) -> Self {
        let raw = serde_json::value::to_raw_value(capabilities).unwrap();
        let capabilities = ClientCapabilities::read(&raw).unwrap();
        let conversation = Conversation::opened(Handshake { revision, capabilities });
        Self { server, conversation }
    }

    /// One message, as it is written.
    pub(crate) fn exchange<'m>(&'m self, message: &'m str) -> Exchange<'m, u32> {
        Exchange {
            principal: &CALLER,
            message: message.as_bytes(),
            headers: None,
            conversation: Some(&self.conversation),
        }
    }

    /// Sends what wants no answer.
    pub(crate) fn tell(&self, message: &Value) {
        let message = message.to_string();
        let reply = now(self.server.handle(self.exchange(&message), Output::held()));
        assert_eq!(reply.status, Status::Accepted);
    }

    pub(crate) fn send(&self, method: &str, params: &Value) -> Outcome {
        self.send_answering(method, params, &nothing)
    }

    /// Sends a request, and answers each question while it waits.
    pub(crate) fn send_answering(
        &self,
        method: &str,
        params: &Value,
        answering: Answering<'_>,
    ) -> Outcome {
        let message = request(1, method, params);
        let wire = Arc::new(Wire::default());
        let output = Output::streamed(Arc::clone(&wire) as Arc<_>);
        let mut work = pin!(self.server.handle(self.exchange(&message), output));
        let mut told = Vec::new();
        loop {
            let polled = poll(work.as_mut());
            let (asked, said): (Vec<_>, Vec<_>) =
                wire.take().into_iter().partition(|message| message["id"].is_u64());
            told.extend(said);
            if let Poll::Ready(reply) = polled {
                let (status, answer) = read(&wire, reply);
                return Outcome { status, answer, told };
            }
            assert!(!asked.is_empty(), "it waits for nothing");
            for question in asked {
                let (id, result) = (&question["id"], answering(&question));
                self.tell(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
            }
        }
    }
}

/// A client of the modern era.
pub(crate) struct Modern<'s> {
    pub(crate) server: &'s Server<u32>,
    /// What it adds to `_meta`.
    pub(crate) meta: Value,
    /// It answers one question of several, and waits for the others to be asked again.
    pub(crate) one_at_a_time: bool,
}

impl<'s> Modern<'s> {
    pub(crate) fn new(server: &'s Server<u32>) -> Self {
        Self::with(server, &every_capability())
    }

    pub(crate) fn with(server: &'s Server<u32>, capabilities: &Value) -> Self {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        Self { server, meta, one_at_a_time: false }
    }

    /// Says one more thing of itself with each request.
    pub(crate) fn saying(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.meta[name] = value.into();
        self
    }

    /// A request, as it is written.
    pub(crate) fn request(&self, method: &str, params: &Value) -> String {
        let mut params = params.clone();
        params["_meta"] = self.meta.clone();
        request(1, method, &params)
    }

    pub(crate) fn send(&self, method: &str, params: &Value) -> Outcome {
        self.send_answering(method, params, &nothing)
    }

    /// Sends a request, and again with answers as long as that is what it is answered with.
    pub(crate) fn send_answering(
        &self,
        method: &str,
        params: &Value,
        answering: Answering<'_>,
    ) -> Outcome {
        let mut params = params.clone();
        let mut told = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let message = self.request(method, &params);
            let wire = Arc::new(Wire::default());
            let exchange = Exchange {
                principal: &CALLER,
                message: message.as_bytes(),
                headers: None,
                conversation: None,
            };
            let output = Output::streamed(Arc::clone(&wire) as Arc<_>);
            let (status, answer) = read(&wire, now(self.server.handle(exchange, output)));
            told.extend(wire.take());
            let result = &answer["result"];
            if result["resultType"] != "input_required" {
                return Outcome { status, answer, told };
            }
            let asked = result["inputRequests"].as_object().unwrap();
            assert!(!asked.is_empty(), "it asks for nothing");
            let count = if self.one_at_a_time { 1 } else { asked.len() };
            let answers: Map<_, _> = asked
                .iter()
                .take(count)
                .map(|(key, question)| (key.clone(), answering(question)))
                .collect();
            params["inputResponses"] = answers.into();
            params["requestState"] = result["requestState"].clone();
        }
        panic!("it asks for ever");
    }
}
