//! What a tool or a prompt shows to the model, piece by piece.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::revision::Revision;

/// One piece of a tool's result or of a prompt's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// A picture.
    Image {
        /// The bytes of the file; base64 is the wire's business.
        data: Vec<u8>,
        /// Its media type.
        mime_type: Cow<'static, str>,
    },
    /// A sound.
    Audio {
        /// The bytes of the file; base64 is the wire's business.
        data: Vec<u8>,
        /// Its media type.
        mime_type: Cow<'static, str>,
    },
    /// A resource, with what it holds.
    Embedded(ResourceContents),
}

/// What a resource holds, or one part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceContents {
    /// Where it can be read again.
    pub uri: String,
    /// Its media type, if known.
    pub mime_type: Option<Cow<'static, str>>,
    /// The content itself.
    pub body: ResourceBody,
}

/// The content of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceBody {
    /// Text.
    Text(String),
    /// Anything else; base64 is the wire's business.
    Bytes(Vec<u8>),
}

impl Content {
    /// The piece as `revision` writes it. A kind that it does not know yet is sent as the nearest
    /// one that it does.
    pub(crate) fn to_json(&self, revision: Revision) -> Value {
        match self {
            Self::Text(text) => json!({ "type": "text", "text": text }),
            Self::Image { data, mime_type } => media("image", data, mime_type),
            Self::Audio { data, mime_type } if revision >= Revision::V2025_03_26 => {
                media("audio", data, mime_type)
            }
            Self::Audio { data, mime_type } => {
                let contents = ResourceContents {
                    uri: "data:,audio".into(),
                    mime_type: Some(mime_type.clone()),
                    body: ResourceBody::Bytes(data.clone()),
                };
                json!({ "type": "resource", "resource": contents.to_json() })
            }
            Self::Embedded(contents) => {
                json!({ "type": "resource", "resource": contents.to_json() })
            }
        }
    }
}

impl ResourceContents {
    pub(crate) fn to_json(&self) -> Value {
        let mut entry = json!({ "uri": self.uri });
        if let Some(mime_type) = &self.mime_type {
            entry["mimeType"] = json!(mime_type);
        }
        match &self.body {
            ResourceBody::Text(text) => entry["text"] = json!(text),
            ResourceBody::Bytes(bytes) => entry["blob"] = json!(STANDARD.encode(bytes)),
        }
        entry
    }
}

fn media(kind: &str, data: &[u8], mime_type: &str) -> Value {
    json!({ "type": kind, "data": STANDARD.encode(data), "mimeType": mime_type })
}

/// A picture that clients may show beside a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icon {
    /// Where it is: `https:` or `data:`.
    pub src: Cow<'static, str>,
    /// Its media type.
    pub mime_type: &'static str,
    /// The sizes it is made for, as `48x48` or `any`.
    pub sizes: &'static [&'static str],
}

/// Adds `icons` to an entry that has some.
pub(crate) fn add_icons(entry: &mut Value, icons: &[Icon]) {
    if !icons.is_empty() {
        entry["icons"] = icons
            .iter()
            .map(|icon| json!({ "src": icon.src, "mimeType": icon.mime_type, "sizes": icon.sizes }))
            .collect();
    }
}
