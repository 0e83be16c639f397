//! Lost passwords over HTTP.

mod answers;
mod bodies;
mod document;
mod page;
mod route;

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use mcp_accounts::{MintRejection, Recovery};
use mcp_auth::Auth;
use mcp_auth_http::{AuthLayer, AuthService};
use mcp_identity::{Caller, Clock, Denial, Principal, PrincipalId};
use tower_layer::Layer as _;

use self::answers::{Style, method_not_allowed};
use self::bodies::{Forgot, NewPassword, ResetByToken, Unread};
use self::page::Page;
use self::route::{Route, route_of};
use crate::answer::{Answer, Reply, refusal_body};
use crate::body::{must_be_json, read};
use crate::form::Form as _;
use crate::percent;
use crate::view::{LinkBody, Message, Success};

pub(crate) use self::document::DESCRIBED;
pub use self::route::{is_recovery, is_reset_page};

/// Answers the paths of [`is_recovery`]. Stands below the layers that say who called and from
/// where. To be polled to its end even if the client leaves: what was begun counts.
#[derive(Clone)]
pub struct RecoveryHttp {
    /// Whoever lost a password has no credential; one that is over, and sent along, is not looked
    /// at.
    open: Endpoints,
    closed: AuthService<Endpoints>,
}

/// What is behind the doors.
#[derive(Clone)]
struct Endpoints {
    recovery: Arc<Recovery>,
}

impl RecoveryHttp {
    /// The service over that use case; admins are judged by `auth`.
    #[must_use]
    pub fn new(recovery: Arc<Recovery>, auth: Auth, clock: Arc<dyn Clock>) -> Self {
        let open = Endpoints { recovery };
        let layer = AuthLayer::new(Arc::new(auth), clock).render_with(refusal_body);
        Self { closed: layer.layer(open.clone()), open }
    }
}

impl Endpoints {
    async fn answer<B>(&self, request: Request<B>) -> Result<Page, Answer>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let route = route_of(&path).ok_or_else(Answer::not_found)?;
        let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
        let allowed = route.methods();
        if !allowed.contains(method) {
            return Err(method_not_allowed(allowed));
        }
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            // Nobody can be counted: a stack that is put together wrongly.
            tracing::error!("A request without a caller");
            return Err(Answer::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"));
        };
        if *method == Method::GET {
            return self.look(route).await;
        }
        if route.wants_json() {
            must_be_json(&parts.headers)?;
        }
        let body = read(body).await?;
        self.act(route, &parts, &body, &caller).await
    }

    /// What changes nothing.
    async fn look(&self, route: Route<'_>) -> Result<Page, Answer> {
        match route {
            Route::ResetPage(secret) => Ok(page::show(self.recovery.look(secret).await)),
            Route::ResetLink(secret) => {
                answers::looked_at(self.recovery.look(secret).await).map(Answer::into_response)
            }
            // `methods` lets nobody get here.
            Route::Request | Route::Forgot | Route::ResetByToken | Route::AdminLink(_) => {
                Err(method_not_allowed(route.methods()))
            }
        }
    }

    async fn act(
        &self,
        route: Route<'_>,
        parts: &Parts,
        body: &[u8],
        caller: &Caller,
    ) -> Result<Page, Answer> {
        let reply = match route {
            Route::Request => self.request(body, caller).await,
            Route::Forgot => self.forgot(body, caller).await,
            Route::ResetByToken => self.reset_by_token(body, caller).await,
            Route::ResetLink(secret) => self.reset_by_link(secret, body, caller).await,
            Route::ResetPage(secret) => {
                return Ok(self.reset_by_page(secret, parts, body, caller).await);
            }
            Route::AdminLink(whom) => self.mint(whom, parts, caller).await,
        };
        reply.map(Answer::into_response)
    }

    async fn request(&self, body: &[u8], caller: &Caller) -> Reply {
        // Before anything is looked at: it is the same for everybody.
        if !self.recovery.has_mail() {
            let said = "Email service not configured";
            return Err(Answer::detail(StatusCode::SERVICE_UNAVAILABLE, said));
        }
        let Forgot { email } = Forgot::parse(body)?;
        let asked = self.recovery.forgot(&email, caller).await;
        asked.map_err(|rejection| answers::unasked(&rejection))?;
        let message = "If the email exists, a password reset link has been sent.";
        Ok(Answer::ok(&Message { message }))
    }

    async fn forgot(&self, body: &[u8], caller: &Caller) -> Reply {
        let Forgot { email } = Forgot::parse(body)?;
        let asked = self.recovery.forgot(&email, caller).await;
        asked.map_err(|rejection| answers::unasked(&rejection))?;
        let message = "If this email is registered, you will receive a reset link.";
        Ok(Answer::ok(&Success { success: true, message }))
    }

    async fn reset_by_token(&self, body: &[u8], caller: &Caller) -> Reply {
        let ResetByToken { token, new_password } = ResetByToken::parse(body)?;
        let reset = self.recovery.reset(token.expose(), &new_password, caller).await;
        answers::reset(reset, Style::ByToken)
    }

    async fn reset_by_link(&self, secret: &str, body: &[u8], caller: &Caller) -> Reply {
        let password = NewPassword::parse(body)?.agreed().ok_or_else(bodies::differ)?;
        answers::reset(self.recovery.reset(secret, &password, caller).await, Style::ByLink)
    }

    async fn reset_by_page(
        &self,
        secret: &str,
        parts: &Parts,
        body: &[u8],
        caller: &Caller,
    ) -> Page {
        match NewPassword::read_page(parts, body) {
            Ok(password) => page::done(self.recovery.reset(secret, &password, caller).await),
            Err(Unread::Differ) => page::differ(),
            Err(Unread::Malformed) => page::unread(),
        }
    }

    async fn mint(&self, whom: &str, parts: &Parts, caller: &Caller) -> Reply {
        let principal = parts.extensions.get::<Arc<Principal>>();
        let principal = principal.ok_or_else(|| Answer::denied(Denial::NoCredential))?;
        if !is_admin(principal) {
            self.recovery.record_denied(principal, caller);
            return Err(Answer::denied(Denial::NotAllowed));
        }
        // What is no text is nobody's name.
        let whom = percent::decode(whom).unwrap_or_default();
        match self.recovery.mint_for(&whom, caller, &principal.id).await {
            Ok(link) => {
                let expires_at = answers::time(link.expires_at);
                let reset_link = link.expose().to_owned();
                Ok(Answer::ok(&LinkBody { reset_link, expires_at }))
            }
            Err(MintRejection::NotFound) => {
                Err(Answer::detail(StatusCode::NOT_FOUND, "User not found"))
            }
            Err(MintRejection::Entropy(_)) => {
                Err(Answer::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
            }
            Err(MintRejection::Store(fault)) => Err(Answer::down(&fault)),
        }
    }
}

/// A token or a session whose holder is an admin. Nobody is one by being local.
fn is_admin(principal: &Principal) -> bool {
    match principal.id {
        PrincipalId::Token(_) | PrincipalId::Session(_) => {
            principal.grants.roles.iter().any(|role| role.as_str() == "admin")
        }
        PrincipalId::PasswordChange(_) | PrincipalId::Local => false,
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Page, Infallible>> + Send>>;

impl<B> tower_service::Service<Request<B>> for RecoveryHttp
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>> + Display>
        + Send
        + 'static,
{
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match route_of(request.uri().path()) {
            Some(Route::AdminLink(_)) => Box::pin(self.closed.call(request)),
            _ => self.open.call(request),
        }
    }
}

impl<B> tower_service::Service<Request<B>> for Endpoints
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(
            async move { Ok(service.answer(request).await.unwrap_or_else(Answer::into_response)) },
        )
    }
}
