//! Everything that the protocol knows, as the fixture says it, held against the published schema
//! of each revision: answers, notifications, and the questions that a server asks.

use serde_json::{Value, json};
use support::schema::{self, LEGACY, MODERN};

use crate::fixture::Fixture;

/// Requests of every kind. All are answered with a result, in every revision.
fn requests() -> Vec<(&'static str, Value)> {
    let mut requests = vec![
        ("tools/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "test://static-text" })),
        ("resources/read", json!({ "uri": "test://static-binary" })),
        ("resources/read", json!({ "uri": "test://template/7/data" })),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "test_simple_prompt" })),
        ("prompts/get", json!({ "name": "test_prompt_with_image" })),
    ];
    let filled = json!({ "arg1": "a", "arg2": "b" });
    requests.push((
        "prompts/get",
        json!({ "name": "test_prompt_with_arguments", "arguments": filled }),
    ));
    let prompt = json!({ "type": "ref/prompt", "name": "test_prompt_with_arguments" });
    let argument = json!({ "name": "arg1", "value": "" });
    requests.push(("completion/complete", json!({ "ref": prompt, "argument": argument })));
    for tool in [
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_error_handling",
        "test_tool_with_progress",
        "test_tool_with_logging",
        "test_custom_header",
        "test_input_required_result_elicitation",
        "test_input_required_result_multiple_inputs",
    ] {
        let meta = json!({ "progressToken": "p" });
        requests.push(("tools/call", json!({ "name": tool, "arguments": {}, "_meta": meta })));
    }
    requests
}

/// What the user, the model and the client itself answer.
fn answer(question: &str) -> Value {
    match question {
        "elicitation/create" => json!({ "action": "accept", "content": { "name": "Ada" } }),
        "sampling/createMessage" => json!({
            "role": "assistant",
            "content": { "type": "text", "text": "Hello" },
            "model": "m",
        }),
        _ => json!({ "roots": [{ "uri": "file:///home" }] }),
    }
}

/// Sends a request and holds all that comes of it against the schema, up to its answer; what is
/// asked meanwhile is answered.
fn hold(fixture: &mut Fixture, revision: &str, id: u32, method: &str, params: &Value) -> Value {
    fixture.request(id, method, params);
    loop {
        let said = fixture.next();
        let Some(name) = said["method"].as_str() else {
            schema::assert_message(revision, method, &said);
            assert_eq!(said["id"], id);
            return said;
        };
        schema::assert_message(revision, name, &said);
        if said["id"].is_number() {
            let result = answer(name);
            fixture.send(&json!({ "jsonrpc": "2.0", "id": said["id"], "result": result }));
        }
    }
}

#[test]
fn all_that_a_server_says_in_a_legacy_revision_is_as_that_revision_has_it() {
    for revision in LEGACY {
        let mut fixture = Fixture::start();
        let capabilities = json!({ "elicitation": {}, "sampling": {}, "roots": {} });
        let client = json!({ "name": "wire", "version": "1" });
        let begin = json!({
            "protocolVersion": revision,
            "capabilities": capabilities,
            "clientInfo": client,
        });
        hold(&mut fixture, revision, 0, "initialize", &begin);
        hold(&mut fixture, revision, 1, "logging/setLevel", &json!({ "level": "debug" }));
        let watched = json!({ "uri": "test://watched-resource" });
        hold(&mut fixture, revision, 2, "resources/subscribe", &watched);
        for trigger in ["tool", "prompt", "resource"] {
            let call = json!({ "name": format!("test_trigger_{trigger}_change") });
            hold(&mut fixture, revision, 3, "tools/call", &call);
        }
        for (id, (method, params)) in (10..).zip(requests()) {
            let said = hold(&mut fixture, revision, id, method, &params);
            assert!(said["result"].is_object(), "{revision} {method} {params}: {said}");
        }
        let unknown = json!({ "uri": "test://nothing" });
        let said = hold(&mut fixture, revision, 4, "resources/read", &unknown);
        assert_eq!(said["error"]["code"], -32002);
        fixture.end();
    }
}

#[test]
fn all_that_a_server_says_in_the_modern_revision_is_as_that_revision_has_it() {
    let mut fixture = Fixture::start();
    let with_meta = |mut params: Value| {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
            json!({ "elicitation": {}, "sampling": {}, "roots": {} });
        params["_meta"]["io.modelcontextprotocol/logLevel"] = json!("debug");
        params
    };
    hold(&mut fixture, MODERN, 1, "server/discover", &with_meta(json!({})));
    for (id, (method, params)) in (10..).zip(requests()) {
        let mut params = with_meta(params);
        let mut said = hold(&mut fixture, MODERN, id, method, &params);
        if said["result"]["resultType"] == "input_required" {
            let asked = said["result"]["inputRequests"].as_object().unwrap().clone();
            let method_of = |question: &Value| question["method"].as_str().unwrap().to_owned();
            let answers = asked.iter().map(|(key, question)| (key, answer(&method_of(question))));
            params["inputResponses"] = answers.map(|(key, answer)| (key.clone(), answer)).collect();
            params["requestState"] = said["result"]["requestState"].clone();
            said = hold(&mut fixture, MODERN, id, method, &params);
        }
        assert_eq!(said["result"]["resultType"], "complete", "{method} {params}: {said}");
    }
    let unknown = with_meta(json!({ "uri": "test://nothing" }));
    let said = hold(&mut fixture, MODERN, 4, "resources/read", &unknown);
    assert_eq!(said["error"]["code"], -32602);
    fixture.end();
}
