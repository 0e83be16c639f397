//! From a request to an endpoint.
//!
//! ```text
//!   path and method ──▶ nothing: 404, another method: 405
//!     anyone ────────────────────────────▶ │
//!     a session, an admin ──▶ AuthLayer ──▶ │ may he? 401, 403 ──▶ JSON? 415 ──▶ 16 KiB? 413
//!     a password change ────▶ its own door ▶ │    ──▶ may he still? 401, 503 ──▶ run
//! ```

use std::convert::Infallible;
use std::fmt::Display;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body::Body;
use mcp_accounts::{AccountService, Requester};
use mcp_auth::{Auth, PasswordChangeDoor};
use mcp_auth_http::{AuthLayer, AuthService};
use mcp_identity::{Caller, Clock, Denial, Principal, PrincipalId, RoleName};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::answer::{Answer, refusal_body};
use crate::body::{must_be_json, read};
use crate::openapi;
use crate::route::{Access, Ask, Found, Route, find};

/// Answers everything under `/auth` and `/v1/auth`, and `/openapi.json`.
///
/// Stands below the layers that say who called and from where. To be polled to its end even if the
/// client leaves: what was begun counts.
pub struct AccountsHttp<R> {
    open: Endpoints<R>,
    closed: AuthService<Endpoints<R>>,
    changing: AuthService<Endpoints<R>>,
    document: Bytes,
}

/// What is behind the doors.
struct Endpoints<R> {
    accounts: Arc<AccountService>,
    answers: PhantomData<fn() -> R>,
}

/// What [`AccountsHttp`] found for a request, for what is behind the doors.
#[derive(Clone)]
struct Chosen {
    route: &'static Route,
    named: String,
}

impl<R: From<Bytes> + 'static> AccountsHttp<R> {
    /// The service over these accounts, judged by `auth`.
    #[must_use]
    pub fn new(accounts: Arc<AccountService>, auth: Auth, clock: &Arc<dyn Clock>) -> Self {
        let open = Endpoints { accounts, answers: PhantomData };
        let door = |door| {
            // A logout or a new password ends the very credential that it came with.
            AuthLayer::new(door, Arc::clone(clock)).render_with(refusal_body).outlasting()
        };
        Self {
            closed: door(Arc::new(auth.clone())).layer(open.clone()),
            changing: door(Arc::new(PasswordChangeDoor::new(auth))).layer(open.clone()),
            open,
            document: openapi::document().into(),
        }
    }

    /// Is this a path that is answered here?
    #[must_use]
    pub fn answers(path: &str) -> bool {
        path == DOCUMENT || path.starts_with("/auth/") || path.starts_with("/v1/auth/")
    }

    fn openapi(&self, method: &http::Method) -> Response<R> {
        if *method != http::Method::GET {
            return Answer::method_not_allowed("GET").into_response();
        }
        let mut response = Response::new(R::from(self.document.clone()));
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

const DOCUMENT: &str = "/openapi.json";

type Answering<R> = Pin<Box<dyn Future<Output = Result<Response<R>, Infallible>> + Send>>;

impl<B, R> Service<Request<B>> for AccountsHttp<R>
where
    B: Body<Data = Bytes, Error: Into<BoxError> + Display> + Send + 'static,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Answering<R>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if request.uri().path() == DOCUMENT {
            let response = self.openapi(request.method());
            return Box::pin(async { Ok(response) });
        }
        let (route, named) = match find(request.method(), request.uri().path()) {
            Found::Route(route, named) => (route, named),
            Found::OtherMethod(allowed) => {
                return Box::pin(async move {
                    Ok(Answer::method_not_allowed(&allowed).into_response())
                });
            }
            Found::Nothing => return Box::pin(async { Ok(Answer::not_found().into_response()) }),
        };
        request.extensions_mut().insert(Chosen { route, named });
        match route.access {
            Access::Anyone => Box::pin(self.open.call(request)),
            Access::Session | Access::Admin => Box::pin(self.closed.call(request)),
            Access::PasswordChange => Box::pin(self.changing.call(request)),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<R> Clone for AccountsHttp<R> {
    fn clone(&self) -> Self {
        Self {
            open: self.open.clone(),
            closed: self.closed.clone(),
            changing: self.changing.clone(),
            document: self.document.clone(),
        }
    }
}

impl<R> Clone for Endpoints<R> {
    fn clone(&self) -> Self {
        Self { accounts: Arc::clone(&self.accounts), answers: PhantomData }
    }
}

impl<B, R> Service<Request<B>> for Endpoints<R>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    R: From<Bytes> + Send + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Answering<R>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let accounts = Arc::clone(&self.accounts);
        Box::pin(async move {
            let answer = answer(accounts, request).await.unwrap_or_else(|refused| refused);
            Ok(answer.into_response())
        })
    }
}

async fn answer<B>(accounts: Arc<AccountService>, request: Request<B>) -> Result<Answer, Answer>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let (mut head, body) = request.into_parts();
    let chosen: Option<Chosen> = head.extensions.remove();
    let caller: Option<Caller> = head.extensions.get().cloned();
    // The service puts the one there, the layers above the other.
    let (Some(Chosen { route, named }), Some(caller)) = (chosen, caller) else {
        tracing::error!("A request about accounts came without its caller");
        return Err(Answer::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"));
    };
    let principal = head.extensions.get::<Arc<Principal>>();
    let by = admit(route.access, principal, &caller, &accounts)?;
    let body = match route.body {
        Some(_) => {
            must_be_json(&head.headers)?;
            read(body).await?
        }
        None => Bytes::new(),
    };
    // Whoever sends a body slowly does not keep for that long what was taken from him meanwhile.
    if let Some(why) = by.as_ref().and_then(Requester::ended) {
        return Err(Answer::ended(why));
    }
    let query = head.uri.query().unwrap_or_default().to_owned();
    (route.run)(Ask { accounts, caller, by, named, query, body }).await
}

/// Is this somebody who may ask?
fn admit(
    access: Access,
    principal: Option<&Arc<Principal>>,
    caller: &Caller,
    accounts: &AccountService,
) -> Result<Option<Requester>, Answer> {
    if access == Access::Anyone {
        return Ok(None);
    }
    let principal = principal.ok_or_else(|| Answer::denied(Denial::NoCredential))?;
    let may = match (access, &principal.id) {
        (Access::Anyone, _) => true,
        (Access::Session, id) => matches!(id, PrincipalId::Session(_)),
        (Access::PasswordChange, id) => {
            matches!(id, PrincipalId::Session(_) | PrincipalId::PasswordChange(_))
        }
        (Access::Admin, _) => {
            principal.grants.roles.iter().map(RoleName::as_str).any(|role| role == "admin")
        }
    };
    let by = Requester { principal: Arc::clone(principal), caller: caller.clone() };
    if !may {
        accounts.record_denied(&by);
        return Err(Answer::denied(Denial::NotAllowed));
    }
    Ok(Some(by))
}
