//! The principal as an argument of axum's handlers.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use mcp_identity::{Denial, Principal};

use crate::denial;

/// Whom [`AuthLayer`](crate::AuthLayer) let in, as an argument of an axum handler. Feature `axum`.
///
/// A stranger is answered 401 and does not reach the handler; `Option<Authenticated>` lets him.
/// Without an `AuthLayer` above, everybody is a stranger.
///
/// ```
/// use mcp_auth_http::Authenticated;
///
/// async fn whoami(principal: Authenticated) -> String {
///     principal.id.to_string()
/// }
/// # let _: axum::Router = axum::Router::new().route("/", axum::routing::get(whoami));
/// ```
#[derive(Clone, Debug)]
pub struct Authenticated(pub Arc<Principal>);

impl Deref for Authenticated {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Authenticated {
    type Rejection = NotAuthenticated;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotAuthenticated> {
        principal(parts).ok_or(NotAuthenticated)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Authenticated {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(principal(parts))
    }
}

fn principal(parts: &Parts) -> Option<Authenticated> {
    parts.extensions.get().map(|principal| Authenticated(Arc::clone(principal)))
}

/// Nobody was let in. As a response: 401, as every other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no credential was presented")]
pub struct NotAuthenticated;

impl IntoResponse for NotAuthenticated {
    fn into_response(self) -> Response {
        denial::respond(Denial::NoCredential, denial::body)
    }
}
