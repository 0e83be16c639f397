//! Tools that show every kind of content there is.

use mcp_protocol::{Content, Icon, ResourceBody, ResourceContents, ToolResult};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::to_raw_value;

use crate::arguments;
use crate::media::{ICON, PICTURE, SOUND};
use crate::simple::Simple;

pub(crate) fn tools() -> Vec<Simple> {
    vec![text(), image(), audio(), embedded_resource(), multiple_types(), structured(), schema()]
}

/// A piece of content, for prompts as for tools.
pub(crate) fn picture() -> Content {
    Content::Image { data: PICTURE.into(), mime_type: "image/png".into() }
}

/// A piece of content that stands for a resource.
pub(crate) fn embedded(uri: &str, mime_type: &'static str, text: &str) -> Content {
    Content::Embedded(ResourceContents {
        uri: uri.into(),
        mime_type: Some(mime_type.into()),
        body: ResourceBody::Text(text.into()),
    })
}

fn text() -> Simple {
    Simple::new("test_simple_text", "Simple text", "Shows a text.", |_, output| {
        Box::pin(async move {
            output.write("This is a simple text response for testing.").await?;
            Ok(ToolResult::default())
        })
    })
}

fn image() -> Simple {
    Simple::new("test_image_content", "Image", "Shows a picture of one pixel.", |_, output| {
        Box::pin(async move {
            output.content(&picture()).await?;
            Ok(ToolResult::default())
        })
    })
    .icon(Icon { src: ICON.into(), mime_type: "image/svg+xml", sizes: &["any"] })
}

fn audio() -> Simple {
    Simple::new("test_audio_content", "Audio", "Plays half a millisecond.", |_, output| {
        Box::pin(async move {
            let sound = Content::Audio { data: SOUND.into(), mime_type: "audio/wav".into() };
            output.content(&sound).await?;
            Ok(ToolResult::default())
        })
    })
}

fn embedded_resource() -> Simple {
    Simple::new("test_embedded_resource", "Resource", "Shows a resource.", |_, output| {
        Box::pin(async move {
            let text = "This is an embedded resource content.";
            output.content(&embedded("test://embedded-resource", "text/plain", text)).await?;
            Ok(ToolResult::default())
        })
    })
}

fn multiple_types() -> Simple {
    let description = "Shows a text, a picture and a resource.";
    Simple::new("test_multiple_content_types", "Several types", description, |_, output| {
        Box::pin(async move {
            let data = r#"{"test":"data","value":123}"#;
            output.write("Multiple content types test:").await?;
            output.content(&picture()).await?;
            output
                .content(&embedded("test://mixed-content-resource", "application/json", data))
                .await?;
            Ok(ToolResult::default())
        })
    })
}

#[derive(Serialize, Deserialize)]
struct Place {
    region: String,
}

/// Its argument travels in a header, too, so that a proxy can route the call by it; its result
/// is data, and the same data as text for clients that know text alone.
fn structured() -> Simple {
    let description = "Repeats the region that it is called for, as data.";
    Simple::new("test_custom_header", "Custom header", description, |call, output| {
        Box::pin(async move {
            let place: Place = arguments::read(call.arguments)?;
            let written = to_raw_value(&place).map_err(arguments::unwritable)?;
            output.write(written.get()).await?;
            Ok(ToolResult { structured: Some(written) })
        })
    })
    .takes(json!({
        "type": "object",
        "properties": { "region": { "type": "string", "x-mcp-header": "Region" } },
        "required": ["region"],
    }))
    .gives(json!({
        "type": "object",
        "properties": { "region": { "type": "string" } },
        "required": ["region"],
    }))
}

/// Whatever a schema says must reach the client as it was written.
fn schema() -> Simple {
    let description = "Tool with JSON Schema 2020-12 features";
    Simple::new("json_schema_2020_12_tool", "JSON Schema 2020-12", description, |call, output| {
        Box::pin(async move {
            output.write(call.arguments.get()).await?;
            Ok(ToolResult::default())
        })
    })
    .takes(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": {
            "properties": { "contactMethod": { "const": "phone" } },
            "required": ["contactMethod"],
        },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    }))
}
