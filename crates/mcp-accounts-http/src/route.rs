//! The table of endpoints.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use mcp_accounts::{AccountService, Requester};
use mcp_identity::Caller;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::answer::{Answer, Reply};
use crate::endpoint;
use crate::percent;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody. A credential is not looked at: who logs in may still send one that is over.
    Anyone,
    /// Who has a session.
    Session,
    /// Who has a session, were it for this alone.
    PasswordChange,
    /// Admins: by a session, or by an API token of that role.
    Admin,
}

/// One endpoint.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// The path; `{name}` stands for one segment.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// What it is called, uniquely.
    pub(crate) id: &'static str,
    /// What it does.
    pub(crate) summary: &'static str,
    /// The schema of what is sent, if something is.
    pub(crate) body: Option<fn() -> Value>,
    /// What the query may hold.
    pub(crate) query: &'static [Parameter],
    /// Its own answers; those that many have are added where they are documented.
    pub(crate) answers: &'static [(u16, &'static str, SchemaOf)],
    pub(crate) run: fn(Ask) -> Running,
}

/// What the document says of an endpoint, whoever answers it.
#[derive(Clone)]
pub(crate) struct Described {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) body: Option<fn() -> Value>,
    pub(crate) query: &'static [Parameter],
    pub(crate) answers: &'static [(u16, &'static str, SchemaOf)],
}

impl Route {
    pub(crate) fn described(&self) -> Described {
        let Self { path, access, id, summary, body, query, answers, .. } = *self;
        Described { method: self.method.clone(), path, access, id, summary, body, query, answers }
    }
}

/// What may stand in a query.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) schema: fn() -> Value,
    pub(crate) meaning: &'static str,
}

/// The schema of the body of an answer.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A handler at work.
pub(crate) type Running = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// The schema of that body.
pub(crate) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A request that may be answered.
pub(crate) struct Ask {
    pub(crate) accounts: Arc<AccountService>,
    pub(crate) caller: Caller,
    /// Who asks; somebody, where the route does not let in anyone.
    pub(crate) by: Option<Requester>,
    /// The segment that `{name}` stands for.
    pub(crate) named: String,
    /// As it stands behind `?`.
    pub(crate) query: String,
    pub(crate) body: Bytes,
}

impl Ask {
    /// Who asks.
    pub(crate) fn by(&self) -> Result<&Requester, Answer> {
        self.by.as_ref().ok_or_else(|| Answer::denied(mcp_identity::Denial::NoCredential))
    }

    /// What the query says, each name once.
    pub(crate) fn query(&self) -> Result<BTreeMap<String, String>, Answer> {
        let broken = || Answer::field("query", "must be names and values, each name once");
        let mut said = BTreeMap::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent::decode(name).ok_or_else(broken)?;
            let value = percent::decode(value).ok_or_else(broken)?;
            if said.insert(name, value).is_some() {
                return Err(broken());
            }
        }
        Ok(said)
    }
}

/// All endpoints.
pub(crate) fn all() -> impl Iterator<Item = &'static Route> {
    endpoint::ROUTES.iter().flat_map(|part| part.iter())
}

/// What a path and a method come to.
pub(crate) enum Found {
    /// The endpoint, and the segment that it names.
    Route(&'static Route, String),
    /// The path has endpoints, for these methods.
    OtherMethod(String),
    /// There is nothing.
    Nothing,
}

/// Finds the endpoint. `/v1/auth/email` is another name of `/auth/email`.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let path = match path.strip_prefix("/v1") {
        Some(rest) if rest.starts_with("/auth/email/") => rest,
        Some(_) => return Found::Nothing,
        None => path,
    };
    let mut allowed: Vec<&str> = Vec::new();
    for route in all() {
        let Some(named) = matches(route.path, path) else { continue };
        if route.method == *method {
            return Found::Route(route, named);
        }
        allowed.push(route.method.as_str());
    }
    if allowed.is_empty() { Found::Nothing } else { Found::OtherMethod(allowed.join(", ")) }
}

/// The segment that `{name}` stands for, decoded; nothing where none does.
fn matches(template: &str, path: &str) -> Option<String> {
    let mut named = String::new();
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(named),
            (Some(wanted), Some(given)) if wanted.starts_with('{') => {
                named = percent::decode(given).filter(|text| !text.is_empty())?;
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn id(method: &Method, path: &str) -> Option<(&'static str, String)> {
        match find(method, path) {
            Found::Route(route, named) => Some((route.id, named)),
            Found::OtherMethod(_) | Found::Nothing => None,
        }
    }

    #[test]
    fn a_path_names_an_account_in_one_segment() {
        let path = "/auth/email/admin/users/user%40example.com/unlock";
        let named = "user@example.com".to_owned();
        assert_eq!(id(&Method::POST, path), Some(("unlockUser", named.clone())));
        assert_eq!(id(&Method::POST, &format!("/v1{path}")), Some(("unlockUser", named)));
        for other in ["/auth/email/admin/users/", "/auth/email/admin/users//unlock", "/v1/auth/me"]
        {
            assert_eq!(id(&Method::GET, other), None, "{other}");
        }
    }

    #[test]
    fn another_method_is_told_which_there_are() {
        let Found::OtherMethod(allowed) = find(&Method::PUT, "/auth/sessions") else { panic!() };
        assert_eq!(allowed, "GET, DELETE");
    }

    #[test]
    fn no_two_endpoints_share_a_name() {
        let mut names = HashSet::new();
        assert!(all().all(|route| names.insert(route.id)));
    }
}
