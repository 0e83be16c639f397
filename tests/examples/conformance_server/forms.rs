//! Questions to the client's side, and what its answers say.

use mcp_protocol::Question;
use serde_json::{Value, json};

/// A form with one line to fill in.
pub(crate) fn line(message: &str, field: &str) -> Question {
    form(message, &json!({ field: { "type": "string" } }), &[field])
}

/// A form to agree with.
pub(crate) fn consent(message: &str) -> Question {
    form(message, &json!({ "ok": { "type": "boolean" } }), &["ok"])
}

/// A form that asks who somebody is.
pub(crate) fn person(message: &str) -> Question {
    let fields = json!({
        "username": { "type": "string", "description": "User's response" },
        "email": { "type": "string", "description": "User's email address" },
    });
    form(message, &fields, &["username", "email"])
}

/// A form that is filled in already.
pub(crate) fn filled_in() -> Question {
    let fields = json!({
        "name": { "type": "string", "description": "User name", "default": "John Doe" },
        "age": { "type": "integer", "description": "User age", "default": 30 },
        "score": { "type": "number", "description": "User score", "default": 95.5 },
        "status": {
            "type": "string",
            "description": "User status",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": { "type": "boolean", "description": "Verification status", "default": true },
    });
    form("Please review and update the form fields with defaults", &fields, &[])
}

/// A form with every way to choose from a list.
pub(crate) fn choices() -> Question {
    let plain = json!(["option1", "option2", "option3"]);
    let titled = json!([
        { "const": "value1", "title": "First Option" },
        { "const": "value2", "title": "Second Option" },
        { "const": "value3", "title": "Third Option" },
    ]);
    let fields = json!({
        "untitledSingle": { "type": "string", "enum": plain },
        "titledSingle": { "type": "string", "oneOf": titled },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled } },
    });
    form("Please select options from the enum fields", &fields, &[])
}

fn form(message: &str, fields: &Value, required: &[&str]) -> Question {
    let schema = json!({ "type": "object", "properties": fields, "required": required });
    Question::Elicit { message: message.into(), schema }
}

/// Something for the client's model to say.
pub(crate) fn prompt(text: &str, max_tokens: u32) -> Question {
    let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
    Question::Sample { params: json!({ "messages": [message], "maxTokens": max_tokens }) }
}

/// What became of a form, for people to read.
pub(crate) fn outcome(form: &Value) -> String {
    let action = form["action"].as_str().unwrap_or_default();
    format!("action={action}, content={}", form["content"])
}

/// What stands in a line of a form; `None` if the user declined, or the client sent another form.
pub(crate) fn filled<'f>(form: &'f Value, field: &str) -> Option<&'f str> {
    form["content"][field].as_str().filter(|_| form["action"] == "accept")
}

/// What the client's model said: one piece of content, or several.
pub(crate) fn completion(sampled: &Value) -> String {
    let content = &sampled["content"];
    let pieces = content.as_array().map_or(std::slice::from_ref(content), Vec::as_slice);
    pieces.iter().filter_map(|piece| piece["text"].as_str()).collect()
}

/// The places that the client works in.
pub(crate) fn places(listed: &Value) -> String {
    let roots = listed["roots"].as_array().map_or(&[][..], Vec::as_slice);
    let addresses: Vec<_> = roots.iter().filter_map(|root| root["uri"].as_str()).collect();
    addresses.join(", ")
}
