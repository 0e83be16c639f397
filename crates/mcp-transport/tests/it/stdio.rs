//! Standard input and output, as a client at the other end of both pipes sees them.

use std::sync::Arc;

use mcp_identity::Principal;
use mcp_protocol::{Announcer, Change};
use mcp_transport::serve_stdio;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinHandle;

use crate::client::{cancelled, modern, play, request, written};
use crate::play::{PART, Stage, not_soon, soon};
use crate::service::server;

/// A client that started the server as its child.
struct Child {
    stage: Stage,
    announcer: Announcer,
    input: Option<WriteHalf<DuplexStream>>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Child {
    fn start() -> Self {
        let (stage, announcer) = (Stage::new(), Announcer::new());
        let server = Arc::new(server(&stage, Some(announcer.clone())));
        let (near, far) = tokio::io::duplex(16 * 1024);
        let serving = tokio::spawn(async move {
            let (principal, _end) = Principal::local();
            let (input, output) = tokio::io::split(far);
            serve_stdio(&server, &principal, BufReader::new(input), output).await
        });
        let (output, input) = tokio::io::split(near);
        let output = BufReader::new(output).lines();
        Self { stage, announcer, input: Some(input), output, serving }
    }

    /// One that has shaken hands, as a client that can ask its user.
    async fn initialized() -> Self {
        let mut child = Self::start();
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "elicitation": {} },
            "clientInfo": { "name": "client", "version": "1" },
        });
        let answer = child.ask(&request("initialize", &params)).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        child
    }

    async fn say(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        soon(self.input.as_mut().unwrap().write_all(bytes)).await.unwrap();
    }

    /// The next line, which is there.
    async fn hear(&mut self) -> Value {
        let line = soon(self.output.next_line()).await.unwrap();
        serde_json::from_str(&line.expect("the server says no more")).unwrap()
    }

    async fn ask(&mut self, message: &Value) -> Value {
        self.say(message).await;
        self.hear().await
    }

    async fn says_nothing(&mut self) {
        not_soon(self.output.next_line()).await;
    }

    /// Says nothing more.
    async fn close(&mut self) {
        soon(self.input.as_mut().unwrap().shutdown()).await.unwrap();
    }

    /// Says nothing more, and reads all that still comes.
    async fn end(mut self) -> Vec<Value> {
        self.close().await;
        let mut rest = Vec::new();
        while let Some(line) = soon(self.output.next_line()).await.unwrap() {
            rest.push(serde_json::from_str(&line).unwrap());
        }
        soon(self.serving).await.unwrap().unwrap();
        rest
    }
}

fn ping(id: u64) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_request_come_before_its_answer() {
    let mut child = Child::initialized().await;
    for steps in [&["progress", "log", "told"][..], &["told", "progress", "log"]] {
        child.say(&play(1, steps)).await;
        for _ in 0..2 {
            assert!(child.hear().await["method"].is_string());
        }
        assert_eq!(written(&child.hear().await), "told");
    }
    // Also the last thing that is said at all.
    child.say(&play(2, &["log", "log", "told"])).await;
    let rest = child.end().await;
    assert_eq!(rest.len(), 3);
    assert_eq!(rest[2]["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn more_messages_than_may_wait_come_in_order_and_none_is_lost() {
    let mut child = Child::initialized().await;
    let mut steps = vec!["progress"; 100];
    steps.push("told");
    child.say(&play(1, &steps)).await;
    for progress in 1..=100 {
        assert_eq!(child.hear().await["params"]["progress"], f64::from(progress));
    }
    assert_eq!(written(&child.hear().await), "told");
}

#[tokio::test(start_paused = true)]
async fn a_client_is_asked_while_its_other_requests_run() {
    let mut child = Child::initialized().await;
    child.say(&play(1, &["wait", "waited"])).await;
    child.say(&play(2, &["ask"])).await;
    let question = child.hear().await;
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(child.ask(&ping(3)).await["id"], 3);
    let result = json!({ "action": "accept", "content": { "name": "Ada" } });
    let response = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result });
    let answer = child.ask(&response).await;
    assert_eq!(answer["id"], 2);
    assert_eq!(serde_json::from_str::<Value>(written(&answer)).unwrap(), result);
    child.stage.go_on();
    assert_eq!(written(&child.hear().await), "waited");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_is_dropped_and_has_no_answer() {
    let mut child = Child::initialized().await;
    child.say(&play(1, &["wait"])).await;
    child.say(&play(2, &["wait", "told"])).await;
    child.stage.until(|calls| calls.waiting == 2).await;
    child.say(&cancelled(1)).await;
    child.stage.until(|calls| calls.dropped == 1).await;
    child.says_nothing().await;
    child.stage.go_on();
    assert_eq!(child.hear().await["id"], 2);
    assert_eq!(child.end().await, [] as [Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_after_initialize_and_not_before() {
    let mut child = Child::start();
    child.announcer.announce(Change::Tools);
    child.says_nothing().await;
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {} });
    assert!(child.ask(&request("initialize", &params)).await["result"].is_object());
    child.says_nothing().await;
    child.announcer.announce(Change::Resources);
    assert_eq!(child.hear().await["method"], "notifications/resources/list_changed");
}

#[tokio::test(start_paused = true)]
async fn a_modern_client_hears_what_it_listens_to_until_it_cancels_that() {
    let mut child = Child::start();
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let acknowledged = child.ask(&modern(7, "subscriptions/listen", wanted.clone())).await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    child.announcer.announce(Change::Resources);
    child.announcer.announce(Change::Tools);
    let message = child.hear().await;
    assert_eq!(message["method"], "notifications/tools/list_changed");
    assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7);
    child.say(&cancelled(7)).await;
    // Its answer says that the line before it was read.
    child.ask(&ping(9)).await;
    child.announcer.announce(Change::Tools);
    child.says_nothing().await;
    // The end of the input ends what still listens, with an answer.
    child.ask(&modern(8, "subscriptions/listen", wanted)).await;
    let [answer] = child.end().await.try_into().unwrap();
    assert_eq!(answer["id"], 8);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_input_ends_open_questions_and_waits_for_the_rest() {
    let mut child = Child::initialized().await;
    child.say(&play(1, &["ask"])).await;
    assert_eq!(child.hear().await["method"], "elicitation/create");
    child.say(&play(2, &["wait", "ask"])).await;
    child.stage.until(|calls| calls.waiting == 1).await;
    child.close().await;
    let answer = child.hear().await;
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(1), &json!(true)));
    child.stage.go_on();
    let [answer] = child.end().await.try_into().unwrap();
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(2), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_one_line_however_large_it_is() {
    let mut child = Child::initialized().await;
    child.say(&play(1, &["log", "part", "part", "log", "part"])).await;
    for _ in 0..2 {
        assert_eq!(child.hear().await["method"], "notifications/message");
    }
    assert_eq!(written(&child.hear().await).len(), 3 * PART);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_too_long_is_refused_and_the_next_one_is_served() {
    const MAX_LINE: usize = 1024 * 1024;
    let mut child = Child::start();
    let padded = |length: usize| {
        let ping = ping(1).to_string();
        ping.clone() + &" ".repeat(length - ping.len())
    };
    let longest = padded(MAX_LINE);
    child.write(format!("{longest}\n").as_bytes()).await;
    assert_eq!(child.hear().await["id"], 1);
    for length in [MAX_LINE + 1, 2 * MAX_LINE + 2, 5 * MAX_LINE] {
        child.write(format!("{}\n", padded(length)).as_bytes()).await;
        let refusal = child.hear().await;
        assert_eq!((&refusal["id"], &refusal["error"]["code"]), (&Value::Null, &json!(-32700)));
        assert_eq!(child.ask(&ping(2)).await["id"], 2);
    }
    // Also without an end.
    child.write(padded(MAX_LINE + 1).as_bytes()).await;
    assert_eq!(child.end().await[0]["error"]["code"], -32700);
}

#[tokio::test(start_paused = true)]
async fn blank_lines_are_nothing_and_the_last_line_needs_no_end() {
    let mut child = Child::start();
    child.write(b"\n  \r\n\n").await;
    child.write(ping(1).to_string().as_bytes()).await;
    child.says_nothing().await;
    let [answer] = child.end().await.try_into().unwrap();
    assert_eq!(answer["id"], 1);
}

#[tokio::test(start_paused = true)]
async fn three_hundred_requests_are_worked_on_at_once_and_the_next_one_waits() {
    const MAX_IN_FLIGHT: usize = 300;
    let mut child = Child::initialized().await;
    for id in 0..=MAX_IN_FLIGHT as u64 {
        child.say(&play(id, &["wait"])).await;
    }
    child.stage.until(|calls| calls.waiting == MAX_IN_FLIGHT).await;
    child.says_nothing().await;
    assert_eq!(child.stage.calls().running, MAX_IN_FLIGHT);
    for _ in 0..=MAX_IN_FLIGHT {
        child.stage.go_on();
        assert_eq!(child.hear().await["result"]["isError"], false);
    }
    assert_eq!(child.stage.calls().finished, MAX_IN_FLIGHT + 1);
}

#[tokio::test(start_paused = true)]
async fn as_many_questions_as_can_be_open_can_be_answered() {
    let mut child = Child::initialized().await;
    let mut questions = Vec::new();
    for id in 0..300 {
        let said = child.ask(&play(id, &["ask"])).await;
        match said["method"].as_str() {
            Some(_) => questions.push(said["id"].clone()),
            None => assert_eq!(said["result"]["isError"], true),
        }
    }
    assert_eq!(questions.len(), 256);
    for id in questions {
        let result = json!({ "action": "cancel" });
        let response = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        assert_eq!(child.ask(&response).await["result"]["isError"], false);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_no_more_ends_the_service() {
    let mut child = Child::initialized().await;
    child.say(&play(1, &["wait"])).await;
    child.stage.until(|calls| calls.waiting == 1).await;
    drop(child.output);
    drop(child.input.take());
    child.stage.go_on();
    assert!(soon(child.serving).await.unwrap().is_err());
}
