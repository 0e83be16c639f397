//! The fixture on standard input and output: what its tools ask and tell beside their answers,
//! in both eras of the protocol. Over HTTP the conformance suite and other people's clients try it.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use support::binary;

/// A running fixture, and the client's ends of its pipes.
pub(crate) struct Fixture {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Fixture {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(binary("examples/conformance_server"))
            .arg("--stdio")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, output }
    }

    pub(crate) fn request(&mut self, id: u32, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    }

    pub(crate) fn send(&mut self, message: &Value) {
        writeln!(self.input, "{message}").unwrap();
    }

    pub(crate) fn next(&mut self) -> Value {
        serde_json::from_str(&self.output.next().unwrap().unwrap()).unwrap()
    }

    /// Everything up to the answer to the request `id`.
    fn until_answered(&mut self, id: u32) -> Vec<Value> {
        let mut said = vec![self.next()];
        while said.last().is_some_and(|message| message["id"] != id) {
            said.push(self.next());
        }
        said
    }

    /// Ends the input, and with it the server. What it still said by then.
    pub(crate) fn end(self) -> Vec<Value> {
        let Self { mut child, input, output } = self;
        drop(input);
        let said = output.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        assert!(child.wait().unwrap().success());
        said
    }
}

/// Parameters as a client of the modern era sends them: one that can ask its user.
fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
    });
    params
}

#[test]
fn after_a_handshake_a_tool_asks_while_its_call_waits() {
    let mut fixture = Fixture::start();
    let client = json!({ "name": "test", "version": "1" });
    let begin = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "elicitation": {} },
        "clientInfo": client,
    });
    fixture.request(1, "initialize", &begin);
    assert_eq!(fixture.next()["result"]["protocolVersion"], "2025-11-25");
    let call = json!({ "name": "test_input_required_result_elicitation" });
    fixture.request(2, "tools/call", &call);
    let question = fixture.next();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "What is your name?");
    let filled = json!({ "action": "accept", "content": { "name": "Ada" } });
    fixture.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": filled }));
    assert_eq!(fixture.next()["result"]["content"][0]["text"], "Hello, Ada!");
    fixture.end();
}

#[test]
fn without_a_handshake_a_tool_asks_by_its_answer_and_remembers_what_it_heard() {
    let mut fixture = Fixture::start();
    let mut call = modern(json!({ "name": "test_input_required_result_multi_round" }));
    for (id, key, filled) in
        [(1, "step1", json!({ "name": "Ada" })), (2, "step2", json!({ "color": "blue" }))]
    {
        fixture.request(id, "tools/call", &call);
        let asked = fixture.next();
        assert_eq!(asked["result"]["resultType"], "input_required");
        assert_eq!(asked["result"]["inputRequests"][key]["method"], "elicitation/create");
        call["requestState"] = asked["result"]["requestState"].clone();
        call["inputResponses"] = json!({ key: { "action": "accept", "content": filled } });
    }
    fixture.request(3, "tools/call", &call);
    assert_eq!(fixture.next()["result"]["content"][0]["text"], "Ada likes blue.");
    fixture.end();
}

#[test]
fn who_listens_hears_of_what_he_asked_for_and_of_nothing_else() {
    let mut fixture = Fixture::start();
    let wanted = json!({ "notifications": { "promptsListChanged": true } });
    fixture.request(1, "subscriptions/listen", &modern(wanted));
    assert_eq!(fixture.next()["method"], "notifications/subscriptions/acknowledged");
    fixture.request(2, "tools/call", &modern(json!({ "name": "test_trigger_tool_change" })));
    let mut said = fixture.until_answered(2);
    fixture.request(3, "tools/call", &modern(json!({ "name": "test_trigger_prompt_change" })));
    said.extend(fixture.until_answered(3));
    said.extend(fixture.end());
    said.retain(|message| message["method"].is_string());
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": 1 });
    let heard = json!({
        "jsonrpc": "2.0",
        "method": "notifications/prompts/list_changed",
        "params": { "_meta": meta },
    });
    assert_eq!(said, [heard]);
}
