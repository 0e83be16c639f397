//! What tools, prompts and resources hold, in both eras.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_protocol::{
    Content, PromptMessage, PromptResult, ResourceBody, ResourceContents, Revision, Role, RpcError,
    ToolFailure, ToolResult,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::client::{Legacy, Modern};
use crate::offer::{builder, prompt, resource, template, tool};

/// Every character that there is, those that have to be escaped among them.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec!['"', '\\', '\n', '\r', '\0', '\u{7f}', '\u{2028}']);
    vec(prop_oneof![3 => any::<char>(), 1 => special], 0..24).prop_map(String::from_iter)
}

fn mime_type() -> impl Strategy<Value = Cow<'static, str>> {
    prop::sample::select(vec!["text/plain", "image/png", "audio/wav"]).prop_map(Cow::Borrowed)
}

fn contents() -> impl Strategy<Value = ResourceContents> {
    let body = prop_oneof![
        text().prop_map(ResourceBody::Text),
        vec(any::<u8>(), 0..24).prop_map(ResourceBody::Bytes),
    ];
    (text(), prop::option::of(mime_type()), body)
        .prop_map(|(uri, mime_type, body)| ResourceContents { uri, mime_type, body })
}

fn content() -> impl Strategy<Value = Content> {
    let media = || (vec(any::<u8>(), 0..24), mime_type());
    prop_oneof![
        text().prop_map(Content::Text),
        media().prop_map(|(data, mime_type)| Content::Image { data, mime_type }),
        media().prop_map(|(data, mime_type)| Content::Audio { data, mime_type }),
        contents().prop_map(Content::Embedded),
    ]
}

/// JSON of any shape, of what fits into it exactly.
pub(crate) fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// A revision of the legacy era that knows every kind of content.
fn revision() -> impl Strategy<Value = Revision> {
    prop::sample::select(vec![Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25])
}

/// One thing that a tool does.
#[derive(Clone, Debug)]
enum Step {
    Write(String),
    Show(Content),
}

/// How it ends.
#[derive(Clone, Debug)]
enum End {
    Well(Option<Value>),
    Told(String),
    Refused(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![text().prop_map(Step::Write), content().prop_map(Step::Show)], 0..6)
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        prop::option::of(data()).prop_map(End::Well),
        text().prop_map(End::Told),
        text().prop_map(End::Refused),
    ]
}

/// The piece of content as the protocol has it.
fn written(content: &Content) -> Value {
    let media = |kind: &str, data: &[u8], mime_type: &str| json!({ "type": kind, "data": STANDARD.encode(data), "mimeType": mime_type });
    match content {
        Content::Text(text) => json!({ "type": "text", "text": text }),
        Content::Image { data, mime_type } => media("image", data, mime_type),
        Content::Audio { data, mime_type } => media("audio", data, mime_type),
        Content::Embedded(contents) => {
            json!({ "type": "resource", "resource": written_contents(contents) })
        }
    }
}

fn written_contents(contents: &ResourceContents) -> Value {
    let mut written = json!({ "uri": contents.uri });
    if let Some(mime_type) = &contents.mime_type {
        written["mimeType"] = json!(mime_type);
    }
    match &contents.body {
        ResourceBody::Text(text) => written["text"] = json!(text),
        ResourceBody::Bytes(bytes) => written["blob"] = json!(STANDARD.encode(bytes)),
    }
    written
}

/// The whole result of a tool, as the protocol has it.
fn result(steps: &[Step], end: &End) -> Value {
    let mut content: Vec<Value> = Vec::new();
    // The text that the next text goes on with.
    let mut open: Option<String> = None;
    let close = |open: &mut Option<String>, content: &mut Vec<Value>| {
        content.extend(open.take().map(|text| json!({ "type": "text", "text": text })));
    };
    for step in steps {
        match step {
            Step::Write(text) => open.get_or_insert_default().push_str(text),
            Step::Show(shown) => {
                close(&mut open, &mut content);
                content.push(written(shown));
            }
        }
    }
    if let End::Told(told) = end {
        let open = open.get_or_insert_default();
        // On a line of its own, and no empty one before it.
        if !open.is_empty() && !open.ends_with('\n') {
            open.push('\n');
        }
        open.push_str(told);
    }
    close(&mut open, &mut content);
    if content.is_empty() {
        content.push(json!({ "type": "text", "text": "" }));
    }
    let mut result = json!({ "content": content, "isError": matches!(end, End::Told(_)) });
    if let End::Well(Some(data)) = end {
        result["structuredContent"] = data.clone();
    }
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_tool_shows_the_same_in_both_eras_and_all_that_it_wrote(
        steps in steps(),
        end in end(),
        revision in revision(),
    ) {
        let script = Arc::new((steps.clone(), end.clone()));
        let scripted = tool("scripted", move |_, output| {
            let script = Arc::clone(&script);
            Box::pin(async move {
                for step in &script.0 {
                    match step {
                        Step::Write(text) => output.write(text).await?,
                        Step::Show(content) => output.content(content).await?,
                    }
                }
                match &script.1 {
                    End::Well(data) => {
                        let structured = data.as_ref().map(|data| to_raw_value(data).unwrap());
                        Ok(ToolResult { structured })
                    }
                    End::Told(told) => Err(ToolFailure::Told(told.clone())),
                    End::Refused(why) => {
                        Err(ToolFailure::Refused(RpcError::invalid_params(why.clone())))
                    }
                }
            })
        });
        let server = builder().tool(scripted).build();
        let params = json!({ "name": "scripted" });
        let new = Modern::new(&server).send("tools/call", &params).content();
        let capabilities = json!({});
        let old = Legacy::with(&server, revision, &capabilities).send("tools/call", &params);
        prop_assert_eq!(old.content(), new.clone());
        if let End::Refused(why) = &end {
            prop_assert_eq!(&new["error"], &json!({ "code": -32602, "message": why }));
        } else {
            prop_assert_eq!(&new["result"], &result(&steps, &end));
        }
    }

    #[test]
    fn a_prompt_says_the_same_in_both_eras(
        description in prop::option::of(text()),
        said in vec((any::<bool>(), content()), 0..4),
        topic in text(),
        revision in revision(),
    ) {
        let role = |is_user| if is_user { Role::User } else { Role::Assistant };
        let messages =
            said.iter().map(|(is_user, content)| PromptMessage {
                role: role(*is_user),
                content: content.clone(),
            });
        let result = PromptResult { description: description.clone(), messages: messages.collect() };
        let expected_topic = topic.clone();
        let scripted = prompt("scripted", move |call| {
            assert_eq!(call.arguments["topic"], expected_topic);
            let result = result.clone();
            Box::pin(async move { Ok(result) })
        });
        let server = builder().prompt(scripted).build();
        let params = json!({ "name": "scripted", "arguments": { "topic": topic } });
        let new = Modern::new(&server).send("prompts/get", &params).content();
        let old = Legacy::with(&server, revision, &json!({})).send("prompts/get", &params);
        prop_assert_eq!(old.content(), new.clone());
        let messages: Vec<_> = said
            .iter()
            .map(|(is_user, content)| {
                let role = if *is_user { "user" } else { "assistant" };
                json!({ "role": role, "content": written(content) })
            })
            .collect();
        prop_assert_eq!(&new["result"]["messages"], &json!(messages));
        prop_assert_eq!(new["result"]["description"].as_str(), description.as_deref());
    }

    #[test]
    fn a_resource_holds_the_same_in_both_eras(
        held in vec(contents(), 0..4),
        value in "[a-zA-Z0-9._~-]{1,12}",
        revision in revision(),
    ) {
        let (one, many) = (held.clone(), held.clone());
        let fixed = resource("test://one", move |_| {
            let one = one.clone();
            Box::pin(async move { Ok(one) })
        });
        let expected = value.clone();
        let of_many = template("test://many/{value}", move |call| {
            assert_eq!(call.variables["value"], expected);
            let many = many.clone();
            Box::pin(async move { Ok(many) })
        });
        let server = builder().resource(fixed).template(of_many).build();
        let written: Vec<_> = held.iter().map(written_contents).collect();
        for uri in ["test://one".to_owned(), format!("test://many/{value}")] {
            let params = json!({ "uri": uri });
            let new = Modern::new(&server).send("resources/read", &params).content();
            let old = Legacy::with(&server, revision, &json!({})).send("resources/read", &params);
            prop_assert_eq!(old.content(), new.clone());
            prop_assert_eq!(&new["result"], &json!({ "contents": written }));
        }
    }
}

#[test]
fn a_sound_is_a_resource_to_a_client_that_knows_no_sounds() {
    let sound = tool("sound", |_, output| {
        Box::pin(async move {
            let mime_type = "audio/wav".into();
            output.content(&Content::Audio { data: b"RIFF".into(), mime_type }).await?;
            Ok(ToolResult::default())
        })
    });
    let server = builder().tool(sound).build();
    let params = json!({ "name": "sound" });
    let kind = |client: &Legacy<'_>| {
        client.send("tools/call", &params).answer["result"]["content"][0]["type"].clone()
    };
    assert_eq!(kind(&Legacy::with(&server, Revision::V2024_11_05, &json!({}))), "resource");
    assert_eq!(kind(&Legacy::with(&server, Revision::V2025_03_26, &json!({}))), "audio");
}

#[test]
fn an_answer_that_leaves_in_parts_is_the_same_in_both_eras() {
    let long = tool("long", |_, output| {
        Box::pin(async move {
            for number in 0..10_000 {
                output.write(&format!("{number}\u{2028}\n")).await?;
            }
            Err(ToolFailure::Refused(RpcError::invalid_params("too late to be refused")))
        })
    });
    let server = builder().tool(long).build();
    let params = json!({ "name": "long" });
    let old = Legacy::new(&server).send("tools/call", &params).content();
    let new = Modern::new(&server).send("tools/call", &params).content();
    assert_eq!(old, new);
    assert_eq!(new["result"]["isError"], true);
    let text = new["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.ends_with("9999\u{2028}\nError: the call broke off"));
}
