//! Objects are objects: what is written as an array of an object's members is none, and what is
//! wrong with one member hides none of the others.

use mcp_protocol::{
    Announcer, Code, Exchange, Failure, Output, RoutingHeaders, Server, Status, ToolResult, parse,
};
use serde_json::{Value, json};

use crate::client::{CALLER, Legacy, Modern, every_capability, now, request};
use crate::offer::{builder, prompt, tool};

fn server() -> Server<u32> {
    builder()
        .announcer(Announcer::new())
        .tool(tool("t", |_, _| Box::pin(async { Ok(ToolResult::default()) })))
        .prompt(prompt("p", |_| Box::pin(async { Err(Failure::NotFound) })))
        .build()
}

#[test]
fn an_array_of_the_members_of_a_message_is_no_message() {
    let array = r#"["2.0",1,"ping",{},null,null]"#;
    assert_eq!(parse(array.as_bytes()).unwrap_err().error.code, Code::InvalidRequest);
    let server = server();
    let batch = format!("[{array}]");
    let exchange = Exchange {
        principal: &CALLER,
        message: batch.as_bytes(),
        headers: Some(RoutingHeaders::default()),
        conversation: None,
    };
    let reply = now(server.handle(exchange, Output::held()));
    let answers: Value = serde_json::from_slice(&reply.output.into_rest()).unwrap();
    assert_eq!(answers[0]["error"]["code"], -32600);
    assert_eq!(answers[0]["id"], Value::Null);
}

#[test]
fn an_array_of_the_members_of_meta_makes_no_modern_request() {
    let server = server();
    let meta = json!(["2026-07-28", every_capability(), "debug", 1]);
    let outcome = Legacy::new(&server).send("tools/list", &json!({ "_meta": meta }));
    assert_eq!(outcome.answer["result"]["resultType"], Value::Null);
}

#[test]
fn a_modern_request_stays_one_whatever_its_log_level_is() {
    let server = server();
    for level in [json!(7), json!(null), json!({}), json!(["debug"])] {
        let client = Modern::new(&server).saying("io.modelcontextprotocol/logLevel", level);
        let outcome = client.send("tools/list", &json!({}));
        assert_eq!(outcome.answer["result"]["resultType"], "complete");
        assert_eq!(client.send("ping", &json!({})).code(), -32601);
        // Its headers have to agree with it, too.
        let message = client.request("tools/list", &json!({}));
        let exchange = Exchange {
            principal: &CALLER,
            message: message.as_bytes(),
            headers: Some(RoutingHeaders::default()),
            conversation: None,
        };
        let reply = now(server.handle(exchange, Output::held()));
        assert_eq!(reply.status, Status::Refused(Code::HeaderMismatch, None));
    }
}

#[test]
fn an_array_of_the_members_of_a_parameter_is_none() {
    let server = server();
    let reference = json!({ "type": "ref/prompt", "name": "p" });
    let argument = json!({ "name": "topic", "value": "3" });
    let complete = |reference: &Value, argument: &Value, context: &Value| {
        let params = json!({ "ref": reference, "argument": argument, "context": context });
        Modern::new(&server).send("completion/complete", &params)
    };
    let context = json!({ "arguments": {} });
    assert_eq!(complete(&reference, &argument, &context).status, Status::Answered);
    for outcome in [
        complete(&json!(["ref/prompt", "p"]), &argument, &context),
        complete(&reference, &json!(["topic", "3"]), &context),
        complete(&reference, &argument, &json!([{}])),
    ] {
        assert_eq!(outcome.code(), -32602);
    }
    let params = json!({ "notifications": [true, true, true, []] });
    let outcome = Modern::new(&server).send("subscriptions/listen", &params);
    assert_eq!(outcome.code(), -32602);
}

#[test]
fn a_doubled_key_is_refused_wherever_it_stands() {
    let server = server();
    let call = request(1, "tools/call", &json!({ "name": "t", "arguments": { "a": { "b": 1 } } }));
    for (key, doubled) in [
        (r#""b":1"#, r#""b":1,"b":1"#),
        (r#""b":1"#, r#""b":1,"\u0062":2"#),
        (r#""name":"t""#, r#""name":"t","name":"t""#),
        (r#""id":1"#, r#""id":1,"id":1"#),
        (r#""id":1"#, r#""id":1,"unknown":[{"x":1,"x":2}]"#),
    ] {
        assert!(call.contains(key));
        let message = call.replace(key, doubled);
        let client = Legacy::new(&server);
        let reply = now(server.handle(client.exchange(&message), Output::held()));
        assert_eq!(reply.status, Status::Refused(Code::ParseError, None), "{message}");
        let answer: Value = serde_json::from_slice(&reply.output.into_rest()).unwrap();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32700), &Value::Null));
    }
}
