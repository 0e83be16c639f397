//! The sealed states that clients carry: nothing opens but what was given, for what it was given.
//!
//! The input is text. Its first line is a state in which `@` stands for a real one; each of the
//! next changes one byte of it (`12 A`). Behind an empty line stands how the request that carries
//! it differs from the one that was given it: the name of who asks, the method's target, and the
//! arguments, a line each.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcp_fuzz::{check_answer, modern, now, principal, server};
use mcp_identity::Principal;
use mcp_protocol::{Code, Exchange, Output, Server, Status};
use serde_json::{Value, json};

static SERVER: LazyLock<Server<Principal>> = LazyLock::new(server);

/// The request that is given states.
const GIVEN: Request<'static> =
    Request { caller: "alice", target: "ask", arguments: r#"{"amount":1,"to":"bob"}"# };

/// A state with an answer in it.
static REAL: LazyLock<String> = LazyLock::new(|| {
    let answers = json!({ "first": { "action": "accept", "content": { "secret": "s3cret" } } });
    let asked = GIVEN.send(None, &answers);
    let state = asked["result"]["requestState"].as_str().expect("a state");
    let again = GIVEN.send(Some(state), &json!({}));
    assert_eq!(asked_for(&again), ["model", "roots"], "the state carries the first answer");
    state.to_owned()
});

fuzz_target!(|input: &str| {
    let (state, request) = input.split_once("\n\n").unwrap_or((input, ""));
    let mut lines = request.lines();
    let mut next = |otherwise| lines.next().filter(|line| !line.is_empty()).unwrap_or(otherwise);
    let request = Request {
        caller: next(GIVEN.caller),
        target: next(GIVEN.target),
        arguments: next(GIVEN.arguments),
    };
    let state = made(state);
    let Some(answer) = request.try_send(Some(&state), &json!({})) else { return };
    if state == *REAL && request.is_given() {
        assert_eq!(asked_for(&answer), ["model", "roots"]);
    } else {
        assert_eq!(answer["error"]["code"], Code::InvalidParams.number(), "{answer}");
    }
    // Whatever else is sent along, an answer of somebody else's state never comes to light.
    assert!(!answer.to_string().contains("s3cret"));
});

/// The state that the input asks for.
fn made(text: &str) -> String {
    let mut lines = text.lines();
    let mut state = lines.next().unwrap_or_default().replace('@', &REAL).into_bytes();
    for line in lines {
        let Some((place, byte)) = line.split_once(' ') else { continue };
        let (Ok(place), [byte]) = (place.parse::<usize>(), byte.as_bytes()) else { continue };
        if let Some(changed) = state.get_mut(place) {
            *changed = *byte;
        }
    }
    String::from_utf8_lossy(&state).into_owned()
}

fn asked_for(answer: &Value) -> Vec<&str> {
    let asked = answer["result"]["inputRequests"].as_object();
    asked.map(|asked| asked.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// A call of a tool that may ask.
struct Request<'r> {
    caller: &'r str,
    target: &'r str,
    arguments: &'r str,
}

impl Request<'_> {
    /// Whether it is the one that was given the state. Key order and spaces make no difference.
    fn is_given(&self) -> bool {
        let read = |text| serde_json::from_str::<BTreeMap<String, Value>>(text).ok();
        self.caller == GIVEN.caller
            && self.target == GIVEN.target
            && read(self.arguments) == read(GIVEN.arguments)
    }

    fn send(&self, state: Option<&str>, responses: &Value) -> Value {
        self.try_send(state, responses).expect("a caller and arguments that can be")
    }

    /// `None`: nobody has that name, or the arguments are no JSON object without doubled keys.
    fn try_send(&self, state: Option<&str>, responses: &Value) -> Option<Value> {
        mcp_identity::TokenId::parse(self.caller).ok()?;
        serde_json::from_str::<serde_json::Map<String, Value>>(self.arguments).ok()?;
        let (caller, _end) = principal(self.caller);
        let mut params = json!({ "name": self.target, "inputResponses": responses });
        if let Some(state) = state {
            params["requestState"] = state.into();
        }
        // The arguments go as they are written.
        let message = modern("tools/call", params);
        let begin = br#""params":{"#;
        let place = message.windows(begin.len()).position(|at| at == begin)? + begin.len();
        let arguments = format!(r#""arguments":{},"#, self.arguments);
        let message = [&message[..place], arguments.as_bytes(), &message[place..]].concat();
        let exchange =
            Exchange { principal: &caller, message: &message, headers: None, conversation: None };
        let reply = now(SERVER.handle(exchange, Output::held())).expect("an answer at once");
        if matches!(reply.status, Status::Refused(Code::ParseError | Code::InvalidRequest, _)) {
            return None;
        }
        let answer = check_answer(&message, Vec::new(), reply);
        serde_json::from_slice(&answer).ok()
    }
}
