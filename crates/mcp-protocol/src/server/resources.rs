//! `resources/list`, `resources/templates/list`, `resources/read`, and subscriptions of the
//! legacy era.

use std::collections::BTreeMap;

use serde_json::json;

use super::answer::{Answer, Cache};
use super::{Call, Server, Stop};
use crate::content::ResourceContents;
use crate::error::{Code, RpcError};
use crate::output::Messages;
use crate::params::required_text;
use crate::prompt::Failure;
use crate::request_state::Binding;
use crate::resource::{ReadCall, Resource, ResourceTemplate};
use crate::revision::Era;

/// The longest address, in bytes.
pub(super) const MAX_URI_BYTES: usize = 2_048;

/// What stands at an address.
enum Found<'s, P> {
    Resource(&'s dyn Resource<P>),
    OfTemplate(&'s dyn ResourceTemplate<P>, BTreeMap<String, String>),
}

impl<P: Sync> Server<P> {
    pub(super) fn list_resources(&self, call: &Call<'_, P>) -> Result<Answer, RpcError> {
        let cursor = Self::cursor(call)?;
        let members = self.resources.listing.page(cursor.as_deref(), self.page_size, |_| true)?;
        Ok(Answer { members, ..Answer::default() }.kept(Cache::SHARED))
    }

    pub(super) fn list_templates(&self, call: &Call<'_, P>) -> Result<Answer, RpcError> {
        let cursor = Self::cursor(call)?;
        let listing = &self.resources.template_listing;
        let members = listing.page(cursor.as_deref(), self.page_size, |_| true)?;
        Ok(Answer { members, ..Answer::default() }.kept(Cache::SHARED))
    }

    pub(super) async fn read_resource(
        &self,
        call: &Call<'_, P>,
        messages: Messages,
    ) -> Result<Answer, Stop> {
        let uri = required_text(call.params.uri, "uri")?;
        let found = self.find_resource(&uri).ok_or_else(|| not_found(call.era(), &uri))?;
        let binding = Binding { method: &call.request.method, target: &uri, arguments: None };
        let context = self.context(call, messages, &binding)?;
        let none = BTreeMap::new();
        let read_call = |variables| {
            let (principal, context) = (call.principal, &context);
            ReadCall { principal, uri: &uri, variables, context }
        };
        let outcome = match &found {
            Found::Resource(resource) => resource.read(read_call(&none)).await,
            Found::OfTemplate(template, variables) => template.read(read_call(variables)).await,
        };
        match outcome {
            Ok(contents) => {
                let contents: Vec<_> = contents.iter().map(ResourceContents::to_json).collect();
                Ok(Answer::of(&json!({ "contents": contents })).kept(Cache::FRESH))
            }
            Err(Failure::NotFound) => Err(Stop::Refused(not_found(call.era(), &uri))),
            Err(failure) => self.stopped(call, &binding, &context, failure),
        }
    }

    pub(super) fn subscribe(&self, call: &Call<'_, P>) -> Result<Answer, RpcError> {
        let uri = required_text(call.params.uri, "uri")?;
        if self.find_resource(&uri).is_none() {
            return Err(not_found(call.era(), &uri));
        }
        // Without a conversation there is no way to tell the client anything later.
        let room = call.conversation.is_none_or(|conversation| conversation.subscribe(&uri));
        if room {
            Ok(Answer::default())
        } else {
            Err(RpcError::invalid_params("this client watches too many resources"))
        }
    }

    pub(super) fn unsubscribe(call: &Call<'_, P>) -> Result<Answer, RpcError> {
        let uri = required_text(call.params.uri, "uri")?;
        if let Some(conversation) = call.conversation {
            conversation.unsubscribe(&uri);
        }
        Ok(Answer::default())
    }

    fn find_resource(&self, uri: &str) -> Option<Found<'_, P>> {
        // What is watched is remembered: an address has an end.
        if uri.len() > MAX_URI_BYTES {
            return None;
        }
        if let Some((_, resource)) = self.resources.all.iter().find(|(known, _)| *known == uri) {
            return Some(Found::Resource(&**resource));
        }
        self.resources.templates.iter().find_map(|registered| {
            let variables = registered.pattern.variables(uri)?;
            Some(Found::OfTemplate(&*registered.template, variables))
        })
    }
}

/// The eras have different codes for it.
fn not_found(era: Era, uri: &str) -> RpcError {
    let code = match era {
        Era::Legacy => Code::ResourceNotFound,
        Era::Modern => Code::InvalidParams,
    };
    RpcError::new(code, "Resource not found").with_data(json!({ "uri": uri }))
}
