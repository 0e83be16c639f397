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
        let shows = |uri: &str| self.may_read(call.principal, uri);
        let members = self.resources.listing.page(cursor.as_deref(), self.page_size, shows)?;
        let cache = Cache::of_list(self.permits_resource.is_some());
        Ok(Answer { members, ..Answer::default() }.kept(cache))
    }

    pub(super) fn list_templates(&self, call: &Call<'_, P>) -> Result<Answer, RpcError> {
        let cursor = Self::cursor(call)?;
        let listing = &self.resources.template_listing;
        let shows = |uri: &str| self.may_read(call.principal, uri);
        let members = listing.page(cursor.as_deref(), self.page_size, shows)?;
        let cache = Cache::of_list(self.permits_resource.is_some());
        Ok(Answer { members, ..Answer::default() }.kept(cache))
    }

    pub(super) async fn read_resource(
        &self,
        call: &Call<'_, P>,
        messages: Messages,
    ) -> Result<Answer, Stop> {
        let uri = required_text(call.params.uri, "uri")?;
        let found = self.find_resource(call, &uri).ok_or_else(|| not_found(call.era(), &uri))?;
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
        if self.find_resource(call, &uri).is_none() {
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

    /// What stands at an address. What this caller may not read does not stand there.
    fn find_resource(&self, call: &Call<'_, P>, uri: &str) -> Option<Found<'_, P>> {
        // What is watched is remembered: an address has an end.
        if uri.len() > MAX_URI_BYTES {
            return None;
        }
        let readable = |known: &str| self.may_read(call.principal, known);
        if let Some((known, resource)) = self.resources.all.iter().find(|(known, _)| *known == uri)
        {
            return readable(known).then_some(Found::Resource(&**resource));
        }
        self.resources.templates.iter().find_map(|registered| {
            let variables =
                registered.pattern.variables(uri).filter(|_| readable(registered.uri))?;
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
