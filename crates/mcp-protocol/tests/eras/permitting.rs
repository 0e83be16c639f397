//! What a caller may not see does not exist for it: not in lists, not by name, not in suggestions.

use mcp_protocol::{
    Failure, PromptResult, ResourceBody, ResourceContents, Server, Status, ToolResult,
};
use serde_json::{Value, json};

use crate::client::{Legacy, Modern};
use crate::offer::{builder, prompt, resource, template, tool};

const HIDDEN: [&str; 3] = ["hidden", "test://hidden", "test://hidden/{id}"];

fn server(limited: bool) -> Server<u32> {
    let holds = |uri: &str| {
        let body = ResourceBody::Text("held".into());
        vec![ResourceContents { uri: uri.into(), mime_type: None, body }]
    };
    let builder = builder()
        .prompt(prompt("hidden", |_| Box::pin(async { Ok(PromptResult::default()) })))
        .prompt(prompt("open", |_| Box::pin(async { Ok(PromptResult::default()) })))
        .resource(resource("test://hidden", move |call| {
            Box::pin(async move { Ok(holds(call.uri)) })
        }))
        .resource(resource("test://open", move |call| Box::pin(async move { Ok(holds(call.uri)) })))
        .template(template("test://hidden/{id}", move |call| {
            Box::pin(async move { Ok(holds(call.uri)) })
        }))
        .template(template("test://open/{id}", |_| Box::pin(async { Err(Failure::NotFound) })));
    if limited {
        let permits = |_: &u32, name: &str| !HIDDEN.contains(&name);
        builder.permits_prompt(permits).permits_resource(permits).build()
    } else {
        builder.build()
    }
}

fn names(answer: &Value, member: &str, name: &str) -> Vec<String> {
    let entries = answer["result"][member].as_array().unwrap();
    entries.iter().map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_show_what_a_caller_may_have_and_only_then_are_they_its_own() {
    for (limited, scope, fewer) in [(true, "private", 1), (false, "public", 0)] {
        let server = server(limited);
        let client = Modern::new(&server);
        for (method, member, name) in [
            ("prompts/list", "prompts", "name"),
            ("resources/list", "resources", "uri"),
            ("resources/templates/list", "resourceTemplates", "uriTemplate"),
        ] {
            let answer = client.send(method, &json!({})).answer;
            let shown = names(&answer, member, name);
            assert_eq!(shown.len(), 2 - fewer, "{shown:?}");
            assert!(shown.iter().any(|name| name.contains("open")), "{shown:?}");
            assert_eq!(answer["result"]["cacheScope"], scope, "{method}");
        }
    }
}

#[test]
fn what_a_caller_may_not_have_is_answered_as_what_does_not_exist() {
    let server = server(true);
    let complete = |reference: Value| json!({ "ref": reference, "argument": { "name": "topic", "value": "3" } });
    let prompt = |name: &str| json!({ "name": name, "arguments": { "topic": "x" } });
    let of_prompt = |name: &str| complete(json!({ "type": "ref/prompt", "name": name }));
    let of_template = |uri: &str| complete(json!({ "type": "ref/resource", "uri": uri }));
    let at = |uri: &str| json!({ "uri": uri });
    for (method, hidden, missing) in [
        ("prompts/get", prompt("hidden"), prompt("never")),
        ("resources/read", at("test://hidden"), at("test://never")),
        ("resources/read", at("test://hidden/1"), at("test://never/1")),
        ("completion/complete", of_prompt("hidden"), of_prompt("never")),
        (
            "completion/complete",
            of_template("test://hidden/{id}"),
            of_template("test://never/{id}"),
        ),
    ] {
        let said = |params: &Value| {
            let answer = Legacy::new(&server).send(method, params).answer;
            answer["error"].to_string().replace("hidden", "never")
        };
        assert_eq!(said(&hidden), said(&missing), "{method}");
        assert_ne!(said(&hidden), "null", "{method}");
    }
    assert_eq!(Legacy::new(&server).send("prompts/get", &prompt("open")).status, Status::Answered);
}

#[test]
fn data_that_is_passed_on_as_it_comes_stands_before_the_content() {
    let server = builder()
        .tool(tool("t", |call, output| {
            Box::pin(async move {
                output.write_structured("{\"a\":\n").await?;
                output.write_structured("[1,2]}").await?;
                if call.arguments.get().contains("content") {
                    output.write("one").await?;
                }
                Ok(ToolResult::default())
            })
        }))
        .build();
    for (arguments, text) in [(json!({ "content": true }), "one"), (json!({}), "")] {
        let params = json!({ "name": "t", "arguments": arguments });
        for answer in [
            Legacy::new(&server).send("tools/call", &params).answer,
            Modern::new(&server).send("tools/call", &params).answer,
        ] {
            let result = &answer["result"];
            assert_eq!(result["structuredContent"], json!({ "a": [1, 2] }));
            assert_eq!(result["content"], json!([{ "type": "text", "text": text }]));
            assert_eq!(result["isError"], false);
        }
    }
}
