//! What an embedder writes: a resource, or a template of many.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::completion::{Completion, CompletionCall};
use crate::content::{Icon, ResourceContents, add_icons};
use crate::context::Context;
use crate::prompt::Failure;
use crate::tool::BoxFuture;

/// Something that can be read at one address.
pub trait Resource<P>: Send + Sync {
    /// How it presents itself. The same for everybody, for as long as the server runs.
    fn descriptor(&self) -> ResourceDescriptor;

    /// What it holds now.
    fn read<'a>(
        &'a self,
        call: ReadCall<'a, P>,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Failure>>;
}

/// Things that can be read at addresses of one form.
pub trait ResourceTemplate<P>: Send + Sync {
    /// How it presents itself; `uri` is a template of RFC 6570, level 1 (`pg://{schema}`).
    fn descriptor(&self) -> ResourceDescriptor;

    /// What the thing at `call.uri` holds now.
    fn read<'a>(
        &'a self,
        call: ReadCall<'a, P>,
    ) -> BoxFuture<'a, Result<Vec<ResourceContents>, Failure>>;

    /// Suggests values for a variable. Without this: none.
    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, P>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        let _ = call;
        Box::pin(async { Ok(Completion::default()) })
    }
}

/// One request to read.
pub struct ReadCall<'a, P> {
    /// Who asks.
    pub principal: &'a P,
    /// The address as the client wrote it.
    pub uri: &'a str,
    /// What the template's variables stand for, decoded; empty for a resource.
    pub variables: &'a BTreeMap<String, String>,
    /// The client, and the way back to it.
    pub context: &'a Context<'a>,
}

/// How a resource or a template presents itself.
#[derive(Clone, Debug)]
pub struct ResourceDescriptor {
    /// The address, or the template of addresses.
    pub uri: &'static str,
    /// The name that programs use.
    pub name: &'static str,
    /// The name that people read.
    pub title: &'static str,
    /// What it holds.
    pub description: String,
    /// The media type of everything there, if it is one.
    pub mime_type: Option<Cow<'static, str>>,
    /// Pictures beside its name.
    pub icons: Vec<Icon>,
}

impl ResourceDescriptor {
    /// The entry of a list; `address` is the name of the member that holds the address.
    pub(crate) fn to_json(&self, address: &str) -> Value {
        let mut entry = Map::new();
        entry.insert(address.into(), self.uri.into());
        entry.insert("name".into(), self.name.into());
        entry.insert("title".into(), self.title.into());
        entry.insert("description".into(), self.description.clone().into());
        if let Some(mime_type) = &self.mime_type {
            entry.insert("mimeType".into(), mime_type.clone().into());
        }
        let mut entry = Value::Object(entry);
        add_icons(&mut entry, &self.icons);
        entry
    }
}
