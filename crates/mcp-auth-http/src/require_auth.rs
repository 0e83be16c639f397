//! Nobody gets past here without a good credential.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use mcp_identity::{Denial, Principal};
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::MaybeAnswered;
use crate::denial::{self, RenderBody};

/// Answers 401 to strangers: whoever has no `Arc<Principal>` in the extensions.
///
/// Stands below [`AuthLayer`](crate::AuthLayer), which lets strangers pass, around exactly the
/// routes that are not for them. Without an `AuthLayer` above, everybody is a stranger.
#[derive(Clone, Copy, Debug)]
pub struct RequireAuthLayer {
    render: RenderBody,
}

impl RequireAuthLayer {
    /// Answers with [`denial::body`].
    #[must_use]
    pub fn new() -> Self {
        Self { render: denial::body }
    }

    /// Answers with a body of your own.
    #[must_use]
    pub fn render_with(self, render: RenderBody) -> Self {
        Self { render }
    }
}

impl Default for RequireAuthLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequireAuthLayer {
    type Service = RequireAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireAuthService { inner, render: self.render }
    }
}

/// The service of [`RequireAuthLayer`].
#[derive(Clone, Debug)]
pub struct RequireAuthService<S> {
    inner: S,
    render: RenderBody,
}

impl<S, B, R> Service<Request<B>> for RequireAuthService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = MaybeAnswered<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.extensions().get::<Arc<Principal>>().is_none() {
            return MaybeAnswered::answered(denial::respond(Denial::NoCredential, self.render));
        }
        MaybeAnswered::waiting(self.inner.call(request))
    }
}
