//! Tools that ask their client: in the legacy era it answers while the call waits, in the modern
//! one it calls again with its answers. The tool sees the same.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use mcp_protocol::{Exchange, Output, Question, Revision, Status, Tool, ToolResult};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::client::{CALLER, Legacy, Modern, Wire, now, poll, request};
use crate::content::{data, text};
use crate::offer::{builder, tool};

/// A question, as its tool asks it, and what the client answers.
#[derive(Clone, Debug)]
struct Asked {
    key: String,
    kind: Kind,
    answer: Value,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Form,
    Model,
    Roots,
}

impl Asked {
    fn question(&self) -> Question {
        match self.kind {
            Kind::Form => Question::Elicit {
                message: self.key.clone(),
                schema: json!({ "type": "object", "properties": {} }),
            },
            Kind::Model => Question::Sample { params: json!({ "systemPrompt": self.key }) },
            Kind::Roots => Question::ListRoots,
        }
    }

    /// Whether the client was sent this question. Roots are asked for without words.
    fn is(&self, question: &Value) -> bool {
        let (method, said) = match self.kind {
            Kind::Form => ("elicitation/create", &question["params"]["message"]),
            Kind::Model => ("sampling/createMessage", &question["params"]["systemPrompt"]),
            Kind::Roots => return question["method"] == "roots/list",
        };
        question["method"] == method && *said == self.key
    }
}

/// A kind, and an answer to it.
fn answered() -> impl Strategy<Value = (Kind, Value)> {
    let action = prop::sample::select(vec!["accept", "decline", "cancel"]);
    let form = (action, prop::option::of((text(), data()))).prop_map(|(action, filled)| {
        let content: serde_json::Map<_, _> = filled.into_iter().collect();
        (Kind::Form, json!({ "action": action, "content": content }))
    });
    let model = text().prop_map(|said| {
        let content = json!({ "type": "text", "text": said });
        (Kind::Model, json!({ "role": "assistant", "content": content, "model": "m" }))
    });
    prop_oneof![form, model]
}

/// Several rounds of several questions, each under a key of its own; perhaps the roots first.
fn rounds() -> impl Strategy<Value = Vec<Vec<Asked>>> {
    let roots = vec(text(), 0..3).prop_map(|uris| {
        let roots: Vec<_> = uris.into_iter().map(|uri| json!({ "uri": uri })).collect();
        (Kind::Roots, json!({ "roots": roots }))
    });
    (prop::option::of(roots), vec(vec(answered(), 1..4), 1..4)).prop_map(|(roots, mut rounds)| {
        rounds[0].extend(roots);
        let number = |(round, asked): (usize, Vec<(Kind, Value)>)| {
            let key = |place| format!("question {round}.{place}");
            let asked = asked.into_iter().enumerate();
            asked.map(|(place, (kind, answer))| Asked { key: key(place), kind, answer }).collect()
        };
        rounds.into_iter().enumerate().map(number).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_tool_that_asks_gets_the_same_answers_in_both_eras(
        rounds in rounds(),
        one_at_a_time in any::<bool>(),
    ) {
        let script = Arc::new(rounds.clone());
        let asks = tool("asks", move |call, output| {
            let script = Arc::clone(&script);
            Box::pin(async move {
                let mut got = BTreeMap::new();
                for round in &*script {
                    let questions = round.iter().map(|asked| (&*asked.key, asked.question()));
                    let answers = call.context.ask_all(questions).await?;
                    got.extend(round.iter().map(|asked| (&asked.key, answers.get(&asked.key).clone())));
                }
                output.write(&json!(got).to_string()).await?;
                Ok(ToolResult::default())
            })
        });
        let server = builder().tool(asks).build();
        let all: Vec<Asked> = rounds.into_iter().flatten().collect();
        let answering = |question: &Value| {
            all.iter().find(|asked| asked.is(question)).unwrap().answer.clone()
        };
        let params = json!({ "name": "asks", "arguments": { "n": 1 } });
        let old = Legacy::new(&server).send_answering("tools/call", &params, &answering);
        let client = Modern { one_at_a_time, ..Modern::new(&server) };
        let new = client.send_answering("tools/call", &params, &answering);
        prop_assert_eq!(old.content(), new.content());
        let text = new.answer["result"]["content"][0]["text"].as_str().unwrap();
        let got: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
        let given: BTreeMap<_, _> =
            all.into_iter().map(|asked| (asked.key, asked.answer)).collect();
        prop_assert_eq!(got, given);
    }
}

/// A tool that asks one thing and says what it was told.
fn asks_once() -> Arc<dyn Tool<u32>> {
    tool("asks", |call, output| {
        Box::pin(async move {
            let schema = json!({ "type": "object", "properties": {} });
            let question = Question::Elicit { message: "Well?".into(), schema };
            let answer = call.context.ask("well", question).await?;
            output.write(answer["action"].as_str().unwrap()).await?;
            Ok(ToolResult::default())
        })
    })
}

#[test]
fn a_client_that_cannot_be_asked_is_not_and_is_told_why() {
    let server = builder().tool(asks_once()).build();
    let params = json!({ "name": "asks" });
    let unable = json!({ "sampling": {} });
    let new = Modern::with(&server, &unable).send("tools/call", &params);
    assert_eq!(new.code(), -32021);
    assert_eq!(
        new.answer["error"]["data"],
        json!({ "requiredCapabilities": { "elicitation": {} } })
    );
    let revision = Revision::V2025_11_25;
    let old = Legacy::with(&server, revision, &unable).send("tools/call", &params);
    assert_eq!(old.answer["result"]["isError"], true);
    let text = &old.answer["result"]["content"][0]["text"];
    assert_eq!(text, "Error: the client has no elicitation");
}

#[test]
fn an_answer_of_no_use_ends_a_legacy_call_and_is_asked_for_again_in_the_modern_era() {
    let server = builder().tool(asks_once()).build();
    let params = json!({ "name": "asks" });
    let useless = |_: &Value| json!({ "action": "perhaps" });
    let old = Legacy::new(&server).send_answering("tools/call", &params, &useless);
    assert_eq!(old.answer["result"]["isError"], true);
    let count = std::cell::Cell::new(0);
    let better = |_: &Value| {
        count.set(count.get() + 1);
        json!({ "action": if count.get() == 1 { "perhaps" } else { "accept" } })
    };
    let new = Modern::new(&server).send_answering("tools/call", &params, &better);
    assert_eq!(new.answer["result"]["content"][0]["text"], "accept");
    assert_eq!(count.get(), 2);
}

#[test]
fn a_question_stays_open_until_its_own_answer_comes() {
    let server = builder().tool(asks_once()).build();
    let client = Legacy::new(&server);
    let call = request("c", "tools/call", &json!({ "name": "asks" }));
    let wire = Arc::new(Wire::default());
    let output = Output::streamed(Arc::clone(&wire) as Arc<_>);
    let mut work = pin!(server.handle(client.exchange(&call), output));
    assert!(poll(work.as_mut()).is_pending());
    let id = wire.take()[0]["id"].as_u64().unwrap();
    let result = json!({ "action": "accept" });
    for foreign in [json!(id + 1), json!(id.to_string()), json!("c")] {
        client.tell(&json!({ "jsonrpc": "2.0", "id": foreign, "result": result }));
        assert!(poll(work.as_mut()).is_pending(), "{foreign}");
    }
    client.tell(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    let Poll::Ready(reply) = poll(work.as_mut()) else { panic!("it was answered") };
    assert_eq!(reply.status, Status::Answered);
}

#[test]
fn a_question_without_an_answer_ends_with_the_conversation() {
    let server = builder().tool(asks_once()).build();
    let client = Legacy::new(&server);
    let call = request(1, "tools/call", &json!({ "name": "asks" }));
    let output = Output::streamed(Arc::new(Wire::default()));
    let mut work = pin!(server.handle(client.exchange(&call), output));
    assert!(poll(work.as_mut()).is_pending());
    client.conversation.end();
    let Poll::Ready(reply) = poll(work.as_mut()) else { panic!("nobody is left to wait for") };
    let answer: Value = serde_json::from_slice(&reply.output.into_rest()).unwrap();
    assert_eq!(answer["result"]["isError"], true);
}

#[test]
fn a_state_is_of_no_use_to_another_call_or_another_caller() {
    let server = builder().tool(asks_once()).tool(tool("other", |call, _| {
        Box::pin(async move {
            call.context.ask("well", Question::ListRoots).await?;
            Ok(ToolResult::default())
        })
    }));
    let server = server.build();
    let client = Modern::new(&server);
    let ask = |caller: u32, params: &Value| {
        let message = client.request("tools/call", params);
        let exchange = Exchange {
            principal: &caller,
            message: message.as_bytes(),
            headers: None,
            conversation: None,
        };
        let reply = now(server.handle(exchange, Output::held()));
        serde_json::from_slice::<Value>(&reply.output.into_rest()).unwrap()
    };
    let asked = ask(CALLER, &json!({ "name": "asks", "arguments": { "to": "bob" } }));
    let state = &asked["result"]["requestState"];
    let with = |name: &str, to: &str| {
        let responses = json!({ "well": { "action": "accept" } });
        json!({
            "name": name,
            "arguments": { "to": to },
            "requestState": state,
            "inputResponses": responses,
        })
    };
    assert_eq!(ask(CALLER, &with("asks", "bob"))["result"]["isError"], false);
    for (caller, params) in [
        (CALLER + 1, with("asks", "bob")),
        (CALLER, with("other", "bob")),
        (CALLER, with("asks", "eve")),
    ] {
        assert_eq!(ask(caller, &params)["error"]["code"], -32602, "{caller} {params}");
    }
}
