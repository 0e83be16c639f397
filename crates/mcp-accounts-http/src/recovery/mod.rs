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
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use mcp_accounts::{MintRejection, Recovery};
use mcp_auth::Auth;
use mcp_auth_http::{AuthLayer, AuthService};
use mcp_identity::{Caller, Clock, Password, Principal, PrincipalId};
use tower_layer::Layer as _;

use self::answers::{Answer, detail, method_not_allowed};
use self::bodies::{Forgot, NewPassword, ResetByToken, Unread};
use self::route::{Route, route_of};
use crate::answer::refusal_body;
use crate::percent;
use crate::view::LinkBody;

pub(crate) use self::document::DESCRIBED;
pub use self::route::{is_recovery, is_reset_page};

/// The longest body that a stranger may send, in bytes.
const MAX_BODY_BYTES: usize = 16 << 10;

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
    async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let Some(route) = route_of(&path) else {
            return detail(StatusCode::NOT_FOUND, "Not Found");
        };
        let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
        let allowed = route.methods();
        if !allowed.contains(method) {
            return method_not_allowed(allowed);
        }
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            // Nobody can be counted: a stack that is put together wrongly.
            tracing::error!("A request without a caller");
            return detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };
        if *method == Method::GET {
            return self.look(route).await;
        }
        let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return detail(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large");
            }
            Err(_) => return detail(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        self.act(route, &parts, &body, &caller).await
    }

    /// What changes nothing.
    async fn look(&self, route: Route<'_>) -> Answer {
        match route {
            Route::ResetPage(secret) => page::show(self.recovery.look(secret).await),
            Route::ResetLink(secret) => answers::looked_at(self.recovery.look(secret).await),
            // `methods` lets nobody get here.
            Route::Request | Route::Forgot | Route::ResetByToken | Route::AdminLink(_) => {
                method_not_allowed(route.methods())
            }
        }
    }

    async fn act(&self, route: Route<'_>, parts: &Parts, body: &[u8], caller: &Caller) -> Answer {
        match route {
            Route::Request => self.request(parts, body, caller).await,
            Route::Forgot => self.forgot(parts, body, caller).await,
            Route::ResetByToken => self.reset_by_token(parts, body, caller).await,
            Route::ResetLink(secret) => self.reset_by_link(secret, parts, body, caller).await,
            Route::ResetPage(secret) => self.reset_by_page(secret, parts, body, caller).await,
            Route::AdminLink(whom) => self.mint(whom, parts, caller).await,
        }
    }

    async fn request(&self, parts: &Parts, body: &[u8], caller: &Caller) -> Answer {
        // Before anything is looked at: it is the same for everybody.
        if !self.recovery.has_mail() {
            return detail(StatusCode::SERVICE_UNAVAILABLE, "Email service not configured");
        }
        let email = match Forgot::read(parts, body) {
            Ok(Forgot { email }) => email,
            Err(unread) => return unread.answer(),
        };
        let asked = self.recovery.forgot(&email, caller).await;
        answers::asked(
            asked,
            r#"{"message":"If the email exists, a password reset link has been sent."}"#,
        )
    }

    async fn forgot(&self, parts: &Parts, body: &[u8], caller: &Caller) -> Answer {
        let email = match Forgot::read(parts, body) {
            Ok(Forgot { email }) => email,
            Err(unread) => return unread.answer(),
        };
        let asked = self.recovery.forgot(&email, caller).await;
        let said = r#"{"success":true,"message":"If this email is registered, you will receive a reset link."}"#;
        answers::asked(asked, said)
    }

    async fn reset_by_token(&self, parts: &Parts, body: &[u8], caller: &Caller) -> Answer {
        let ResetByToken { token, new_password } = match ResetByToken::read(parts, body) {
            Ok(read) => read,
            Err(unread) => return unread.answer(),
        };
        let password = Password::presented(new_password);
        let reset = self.recovery.reset(&token, &password, caller).await;
        answers::reset(reset, StatusCode::BAD_REQUEST)
    }

    async fn reset_by_link(
        &self,
        secret: &str,
        parts: &Parts,
        body: &[u8],
        caller: &Caller,
    ) -> Answer {
        let password = match NewPassword::read_json(parts, body).and_then(NewPassword::agreed) {
            Ok(password) => password,
            Err(unread) => return unread.answer(),
        };
        let reset = self.recovery.reset(secret, &password, caller).await;
        answers::reset(reset, StatusCode::GONE)
    }

    async fn reset_by_page(
        &self,
        secret: &str,
        parts: &Parts,
        body: &[u8],
        caller: &Caller,
    ) -> Answer {
        let password = match NewPassword::read_form(parts, body).and_then(NewPassword::agreed) {
            Ok(password) => password,
            Err(Unread::Differ) => return page::differ(),
            Err(_) => return page::unread(),
        };
        page::done(self.recovery.reset(secret, &password, caller).await)
    }

    async fn mint(&self, whom: &str, parts: &Parts, caller: &Caller) -> Answer {
        let Some(principal) = parts.extensions.get::<Arc<Principal>>() else {
            return answers::needs_credential();
        };
        if !is_admin(principal) {
            self.recovery.record_denied(principal, caller);
            return detail(StatusCode::FORBIDDEN, "Not authorized");
        }
        // What is no text is nobody's name.
        let whom = percent::decode(whom).unwrap_or_default();
        match self.recovery.mint_for(&whom, caller, &principal.id).await {
            Ok(link) => {
                let expires_at = answers::time(link.expires_at);
                let reset_link = link.expose().to_owned();
                answers::ok(&LinkBody { reset_link, expires_at })
            }
            Err(MintRejection::NotFound) => detail(StatusCode::NOT_FOUND, "User not found"),
            Err(MintRejection::Entropy(_)) => {
                detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
            Err(MintRejection::Store(error)) => answers::down(&error),
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

type Answering = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

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
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}
