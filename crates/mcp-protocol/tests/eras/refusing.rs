//! Refusals: which code answers what, in which era.

use mcp_protocol::{
    Announcer, Capability, Code, Era, Failure, PromptResult, Server, Status, ToolResult,
};
use serde_json::{Value, json};

use crate::client::{Legacy, Modern};
use crate::offer::{builder, prompt, resource, template, tool};

fn server() -> Server<u32> {
    let needs = tool("needs", |call, _| {
        Box::pin(async move {
            call.context.require(Capability::Sampling)?;
            Ok(ToolResult::default())
        })
    });
    let says = prompt("says", |_| Box::pin(async { Ok(PromptResult::default()) }));
    let missing = template("test://many/{name}", |_| Box::pin(async { Err(Failure::NotFound) }));
    let holds = resource("test://one", |_| Box::pin(async { Ok(Vec::new()) }));
    builder().tool(needs).prompt(says).template(missing).resource(holds).build()
}

#[test]
fn a_resource_that_does_not_exist_has_a_code_of_its_own_in_the_legacy_era() {
    let server = server();
    // One of no form that is known, and one that its template does not have.
    for uri in ["test://nowhere", "test://many/nothing"] {
        let params = json!({ "uri": uri });
        let old = Legacy::new(&server).send("resources/read", &params);
        let new = Modern::new(&server).send("resources/read", &params);
        assert_eq!((old.code(), new.code()), (-32002, -32602), "{uri}");
        assert_eq!(old.answer["error"]["data"]["uri"], uri);
        assert_eq!(new.answer["error"]["data"]["uri"], uri);
    }
}

#[test]
fn a_prompt_wants_its_required_arguments_and_text_in_all_of_them() {
    let server = server();
    let get = |params: &Value| {
        let old = Legacy::new(&server).send("prompts/get", params);
        let new = Modern::new(&server).send("prompts/get", params);
        assert_eq!(old.content(), new.content());
        new
    };
    for arguments in [json!({}), json!({ "other": "x" }), json!(null)] {
        let outcome = get(&json!({ "name": "says", "arguments": arguments }));
        assert_eq!(outcome.code(), -32602);
        assert_eq!(outcome.answer["error"]["message"], "params.arguments.topic is missing");
    }
    for arguments in [json!({ "topic": 3 }), json!({ "topic": null }), json!(["topic"])] {
        assert_eq!(get(&json!({ "name": "says", "arguments": arguments })).code(), -32602);
    }
    assert_eq!(get(&json!({ "name": "nobody" })).code(), -32602);
    let good = get(&json!({ "name": "says", "arguments": { "topic": "" } }));
    assert_eq!(good.status, Status::Answered);
}

#[test]
fn a_completion_has_at_most_a_hundred_values_and_says_that_there_are_more() {
    let server = server();
    let complete = |count: u32| {
        let argument = json!({ "name": "topic", "value": count.to_string() });
        let params =
            json!({ "ref": { "type": "ref/prompt", "name": "says" }, "argument": argument });
        let old = Legacy::new(&server).send("completion/complete", &params).content();
        assert_eq!(old, Modern::new(&server).send("completion/complete", &params).content());
        let completion = &old["result"]["completion"];
        let values = completion["values"].as_array().unwrap();
        assert_eq!(completion["total"], count);
        (values.len(), completion["hasMore"].as_bool().unwrap())
    };
    assert_eq!(complete(0), (0, false));
    assert_eq!(complete(100), (100, false));
    assert_eq!(complete(101), (100, true));
    assert_eq!(complete(5_000), (100, true));
}

#[test]
fn a_completion_of_what_does_not_exist_is_refused() {
    let server = server();
    let argument = |value: &str| json!({ "name": "topic", "value": value });
    for (reference, argument) in [
        (json!({ "type": "ref/prompt", "name": "nobody" }), argument("1")),
        (json!({ "type": "ref/resource", "uri": "test://one" }), argument("1")),
        (json!({ "type": "ref/tool", "name": "needs" }), argument("1")),
        (json!({ "type": "ref/prompt", "name": "says" }), argument("many")),
        (json!({ "type": "ref/prompt", "name": "says" }), json!({ "name": "topic" })),
    ] {
        let params = json!({ "ref": reference, "argument": argument });
        let old = Legacy::new(&server).send("completion/complete", &params);
        let new = Modern::new(&server).send("completion/complete", &params);
        assert_eq!((old.code(), new.code()), (-32602, -32602), "{params}");
    }
}

#[test]
fn a_capability_that_a_client_lacks_is_an_error_of_the_modern_era() {
    let server = server();
    let params = json!({ "name": "needs" });
    let lacking = json!({ "elicitation": {} });
    let new = Modern::with(&server, &lacking).send("tools/call", &params);
    assert_eq!(new.status, Status::Refused(Code::MissingCapability, Some(Era::Modern)));
    assert_eq!(new.code(), -32021);
    assert_eq!(new.answer["error"]["data"], json!({ "requiredCapabilities": { "sampling": {} } }));
    let having = json!({ "sampling": {} });
    let new = Modern::with(&server, &having).send("tools/call", &params);
    assert_eq!(new.status, Status::Answered);
}

#[test]
fn methods_that_the_modern_era_has_not_kept_do_not_exist_there() {
    let server = builder()
        .logs()
        .announcer(Announcer::new())
        .resource(resource("test://one", |_| Box::pin(async { Ok(Vec::new()) })))
        .build();
    for (method, params) in [
        ("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {} })),
        ("ping", json!({})),
        ("logging/setLevel", json!({ "level": "debug" })),
        ("resources/subscribe", json!({ "uri": "test://one" })),
        ("resources/unsubscribe", json!({ "uri": "test://one" })),
    ] {
        let old = Legacy::new(&server).send(method, &params);
        assert_eq!(old.status, Status::Answered, "{method}");
        let new = Modern::new(&server).send(method, &params);
        assert_eq!(new.status, Status::Refused(Code::MethodNotFound, Some(Era::Modern)));
        assert_eq!(new.code(), -32601, "{method}");
    }
}

#[test]
fn a_server_has_no_methods_for_what_it_does_not_offer() {
    let server = builder().build();
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({ "name": "x" })),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "x" })),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "test://one" })),
        ("completion/complete", json!({})),
        ("subscriptions/listen", json!({ "notifications": {} })),
        ("resources/subscribe", json!({ "uri": "test://one" })),
        ("logging/setLevel", json!({ "level": "debug" })),
    ] {
        assert_eq!(Legacy::new(&server).send(method, &params).code(), -32601, "{method}");
        assert_eq!(Modern::new(&server).send(method, &params).code(), -32601, "{method}");
    }
    let begin = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    let old = Legacy::new(&server).send("initialize", &begin);
    assert_eq!(old.answer["result"]["capabilities"], json!({}));
    let new = Modern::new(&server).send("server/discover", &json!({}));
    assert_eq!(new.answer["result"]["capabilities"], json!({}));
}
