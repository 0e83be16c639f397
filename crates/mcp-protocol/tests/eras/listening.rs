//! Hearing of changes: `subscriptions/listen` in the modern era, the feed of a conversation in the
//! legacy one.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use mcp_protocol::{
    Announcer, Change, Exchange, Failure, Output, Reply, Server, Status, ToolResult,
};
use serde_json::{Value, json};

use crate::client::{CALLER, Legacy, Modern, Wire, now, poll};
use crate::offer::{builder, prompt, resource, tool};

fn changing() -> (Server<u32>, Announcer) {
    let announcer = Announcer::new();
    let server = builder()
        .announcer(announcer.clone())
        .tool(tool("t", |_, _| Box::pin(async { Ok(ToolResult::default()) })))
        .prompt(prompt("p", |_| Box::pin(async { Err(Failure::NotFound) })))
        .resource(resource("test://one", |_| Box::pin(async { Ok(Vec::new()) })))
        .build();
    (server, announcer)
}

/// Everything that can change.
fn all_changes() -> [Change; 5] {
    [
        Change::Tools,
        Change::Prompts,
        Change::Resources,
        Change::Resource("test://one".into()),
        Change::Resource("test://two".into()),
    ]
}

/// A request to listen, under way.
struct Listening<'a> {
    wire: Arc<Wire>,
    work: Pin<Box<dyn Future<Output = Reply> + 'a>>,
}

impl<'a> Listening<'a> {
    fn begin(server: &'a Server<u32>, message: &'a str) -> Self {
        let wire = Arc::new(Wire::default());
        let exchange = Exchange {
            principal: &CALLER,
            message: message.as_bytes(),
            headers: None,
            conversation: None,
        };
        let output = Output::streamed(Arc::clone(&wire) as Arc<_>);
        Self { wire, work: Box::pin(server.handle(exchange, output)) }
    }

    /// What was heard since the last time; it goes on.
    fn hear(&mut self) -> Vec<Value> {
        assert!(poll(self.work.as_mut()).is_pending(), "it ended");
        self.wire.take()
    }
}

fn listen(server: &Server<u32>, wanted: &Value) -> String {
    Modern::new(server).request("subscriptions/listen", &json!({ "notifications": wanted }))
}

const TAG: &str = "io.modelcontextprotocol/subscriptionId";

#[test]
fn whoever_listens_is_told_first_to_what_and_then_of_that_and_nothing_else() {
    let (server, announcer) = changing();
    for (wanted, heard) in [
        (json!({}), &[][..]),
        (json!({ "toolsListChanged": true }), &["notifications/tools/list_changed"]),
        (
            json!({ "promptsListChanged": true, "resourcesListChanged": true }),
            &["notifications/prompts/list_changed", "notifications/resources/list_changed"],
        ),
        (json!({ "resourceSubscriptions": ["test://one"] }), &["notifications/resources/updated"]),
    ] {
        let message = listen(&server, &wanted);
        let mut listening = Listening::begin(&server, &message);
        let first = listening.hear();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0]["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(first[0]["params"]["notifications"], wanted);
        assert_eq!(first[0]["params"]["_meta"][TAG], 1);
        for change in all_changes() {
            announcer.announce(change);
        }
        let said = listening.hear();
        let methods: Vec<_> = said.iter().map(|said| said["method"].as_str().unwrap()).collect();
        assert_eq!(methods, heard);
        for said in said {
            assert_eq!(said["params"]["_meta"][TAG], 1, "tagged with the request it belongs to");
            let uri = &said["params"]["uri"];
            assert!(uri.is_null() || uri == "test://one");
        }
    }
}

#[test]
fn nobody_is_promised_what_can_never_come() {
    let server = builder().announcer(Announcer::new()).build();
    let everything = json!({
        "toolsListChanged": true,
        "promptsListChanged": true,
        "resourcesListChanged": false,
        "resourceSubscriptions": ["test://one"],
    });
    let message = listen(&server, &everything);
    let first = Listening::begin(&server, &message).hear();
    assert_eq!(first[0]["params"]["notifications"], json!({}));
}

#[test]
fn listening_ends_with_a_result_when_nothing_more_will_change() {
    let (server, announcer) = changing();
    let message = listen(&server, &json!({ "toolsListChanged": true }));
    let mut listening = Listening::begin(&server, &message);
    listening.hear();
    announcer.announce(Change::Tools);
    announcer.end();
    let Poll::Ready(reply) = poll(listening.work.as_mut()) else { panic!("nothing more comes") };
    assert_eq!(listening.wire.take().len(), 1, "what changed before the end is told");
    assert_eq!(reply.status, Status::Answered);
    let answer: Value = serde_json::from_slice(&reply.output.into_rest()).unwrap();
    assert_eq!(answer["id"], 1);
    assert_eq!(answer["result"]["resultType"], "complete");
    assert_eq!(answer["result"]["_meta"][TAG], 1);
    // Who comes after the end is told the same at once.
    let late = Modern::new(&server)
        .send("subscriptions/listen", &json!({ "notifications": { "toolsListChanged": true } }));
    assert_eq!(late.answer["result"]["resultType"], "complete");
}

#[test]
fn a_listener_that_was_too_slow_hears_that_everything_may_have_changed() {
    let (server, announcer) = changing();
    let wanted = json!({ "toolsListChanged": true, "resourceSubscriptions": ["test://one"] });
    let message = listen(&server, &wanted);
    let mut listening = Listening::begin(&server, &message);
    listening.hear();
    for _ in 0..1_000 {
        announcer.announce(Change::Prompts);
    }
    let said = listening.hear();
    let methods: Vec<_> = said.iter().map(|said| said["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["notifications/tools/list_changed", "notifications/resources/updated"]);
}

#[test]
fn listening_needs_a_filter_and_a_stream() {
    let (server, _announcer) = changing();
    let client = Modern::new(&server);
    for params in [
        json!({}),
        json!({ "notifications": true }),
        json!({ "notifications": { "toolsListChanged": "yes" } }),
        json!({ "notifications": { "resourceSubscriptions": [1] } }),
    ] {
        assert_eq!(client.send("subscriptions/listen", &params).code(), -32602, "{params}");
    }
    let many: Vec<_> = (0..1_001).map(|number| format!("test://{number}")).collect();
    let params = json!({ "notifications": { "resourceSubscriptions": many } });
    assert_eq!(client.send("subscriptions/listen", &params).code(), -32602);
    let message = listen(&server, &json!({}));
    let exchange = Exchange {
        principal: &CALLER,
        message: message.as_bytes(),
        headers: None,
        conversation: None,
    };
    let reply = now(server.handle(exchange, Output::held()));
    let answer: Value = serde_json::from_slice(&reply.output.into_rest()).unwrap();
    assert_eq!(answer["error"]["code"], -32600);
}

#[test]
fn a_legacy_client_hears_of_every_list_and_of_the_resources_it_subscribed_to() {
    let (server, announcer) = changing();
    let client = Legacy::new(&server);
    let mut feed = server.feed().unwrap();
    let one = json!({ "uri": "test://one" });
    assert_eq!(client.send("resources/subscribe", &one).status, Status::Answered);
    let mut hear = |announcer: &Announcer| {
        let mut heard = Vec::new();
        for change in all_changes() {
            announcer.announce(change);
            if let Poll::Ready(messages) = poll(pin!(feed.next(&client.conversation))) {
                heard.extend(messages.unwrap());
            }
        }
        let read = |message: &Vec<u8>| serde_json::from_slice::<Value>(message).unwrap();
        heard.iter().map(read).collect::<Vec<_>>()
    };
    let heard = hear(&announcer);
    assert_eq!(heard.len(), 4);
    assert_eq!(heard[3]["method"], "notifications/resources/updated");
    assert_eq!(heard[3]["params"], one);
    assert!(heard[0].get("params").is_none(), "nothing of the modern era");
    assert_eq!(client.send("resources/unsubscribe", &one).status, Status::Answered);
    assert_eq!(hear(&announcer).len(), 3);
    let nowhere = json!({ "uri": "test://nowhere" });
    assert_eq!(client.send("resources/subscribe", &nowhere).code(), -32002);
}
