//! The resources, and the template of many.

use std::sync::Arc;

use mcp_identity::Principal;
use mcp_protocol::{
    BoxFuture, Completion, CompletionCall, Failure, ReadCall, Resource, ResourceBody,
    ResourceContents, ResourceDescriptor, ResourceTemplate,
};
use serde_json::json;

use crate::media::PICTURE;
use crate::prompts::beginning_with;

type Contents<'a> = BoxFuture<'a, Result<Vec<ResourceContents>, Failure>>;

/// The address of the resource that clients watch.
pub(crate) const WATCHED: &str = "test://watched-resource";

pub(crate) fn all() -> Vec<Arc<dyn Resource<Principal>>> {
    let text = |text: &str| ResourceBody::Text(text.into());
    vec![
        Arc::new(Fixed {
            descriptor: ResourceDescriptor {
                uri: "test://static-text",
                name: "static-text",
                title: "Static text",
                description: "A text that never changes.".into(),
                mime_type: Some("text/plain".into()),
                icons: Vec::new(),
            },
            body: text("This is the content of the static text resource."),
        }),
        Arc::new(Fixed {
            descriptor: ResourceDescriptor {
                uri: "test://static-binary",
                name: "static-binary",
                title: "Static picture",
                description: "A picture that never changes.".into(),
                mime_type: Some("image/png".into()),
                icons: Vec::new(),
            },
            body: ResourceBody::Bytes(PICTURE.into()),
        }),
        Arc::new(Fixed {
            descriptor: ResourceDescriptor {
                uri: WATCHED,
                name: "watched-resource",
                title: "Watched text",
                description: "A text whose changes are announced.".into(),
                mime_type: Some("text/plain".into()),
                icons: Vec::new(),
            },
            body: text("Watched resource content"),
        }),
    ]
}

pub(crate) fn templates() -> Vec<Arc<dyn ResourceTemplate<Principal>>> {
    vec![Arc::new(Numbered)]
}

/// A resource that holds the same whenever it is read.
struct Fixed {
    descriptor: ResourceDescriptor,
    body: ResourceBody,
}

impl Resource<Principal> for Fixed {
    fn descriptor(&self) -> ResourceDescriptor {
        self.descriptor.clone()
    }

    fn read<'a>(&'a self, call: ReadCall<'a, Principal>) -> Contents<'a> {
        Box::pin(async move {
            Ok(vec![ResourceContents {
                uri: call.uri.to_owned(),
                mime_type: self.descriptor.mime_type.clone(),
                body: self.body.clone(),
            }])
        })
    }
}

/// Data for every id there may be.
struct Numbered;

impl ResourceTemplate<Principal> for Numbered {
    fn descriptor(&self) -> ResourceDescriptor {
        ResourceDescriptor {
            uri: "test://template/{id}/data",
            name: "template",
            title: "Data by id",
            description: "Data for the id in its address.".into(),
            mime_type: Some("application/json".into()),
            icons: Vec::new(),
        }
    }

    fn read<'a>(&'a self, call: ReadCall<'a, Principal>) -> Contents<'a> {
        Box::pin(async move {
            let id = call.variables.get("id").ok_or(Failure::NotFound)?;
            let data = format!("Data for ID: {id}");
            let text = json!({ "id": id, "templateTest": true, "data": data }).to_string();
            Ok(vec![ResourceContents {
                uri: call.uri.to_owned(),
                mime_type: Some("application/json".into()),
                body: ResourceBody::Text(text),
            }])
        })
    }

    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            match call.argument {
                "id" => Ok(beginning_with(call.value, &["1", "12", "123"])),
                _ => Err(Failure::NotFound),
            }
        })
    }
}
