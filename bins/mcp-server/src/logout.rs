//! `POST /auth/logout`: ends the session whose token it carries.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use mcp_auth::Auth;
use mcp_identity::{Caller, Principal};
use mcp_transport::ResponseBody;
use tower_service::Service;

use crate::health::json;

/// Answers `/auth/logout`. Stands behind authentication.
#[derive(Clone)]
pub(crate) struct Logout {
    auth: Auth,
}

impl Logout {
    pub(crate) fn new(auth: Auth) -> Self {
        Self { auth }
    }

    async fn answer(self, who: Option<Arc<Principal>>, caller: Option<Caller>) -> Answer {
        let (Some(principal), Some(caller)) = (who, caller) else {
            let mut response = json(StatusCode::UNAUTHORIZED, UNAUTHORIZED);
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return response;
        };
        match self.auth.log_out(&principal, &caller).await {
            Ok(true) => json(StatusCode::OK, r#"{"message":"Logged out successfully"}"#),
            // An API token is no session: it is ended where it was made.
            Ok(false) => json(StatusCode::FORBIDDEN, r#"{"detail":"Not authorized"}"#),
            Err(fault) => {
                tracing::error!(error = %fault, "A session could not be ended");
                let body = r#"{"detail":"Service unavailable"}"#;
                let mut response = json(StatusCode::SERVICE_UNAVAILABLE, body);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
        }
    }
}

type Answer = Response<ResponseBody>;

const UNAUTHORIZED: &str = r#"{"detail":"Invalid or expired token"}"#;

/// The bodies of refusals under `/auth`.
pub(crate) fn refusal_body(status: StatusCode) -> Bytes {
    Bytes::from_static(match status {
        StatusCode::UNAUTHORIZED => UNAUTHORIZED.as_bytes(),
        StatusCode::FORBIDDEN => br#"{"detail":"Not authorized"}"#,
        StatusCode::TOO_MANY_REQUESTS => br#"{"detail":"Too many failed attempts"}"#,
        StatusCode::SERVICE_UNAVAILABLE => br#"{"detail":"Service unavailable"}"#,
        _ => br#"{"detail":"Internal Server Error"}"#,
    })
}

impl<B> Service<Request<B>> for Logout {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.method() != Method::POST {
            let mut response =
                json(StatusCode::METHOD_NOT_ALLOWED, r#"{"detail":"Method Not Allowed"}"#);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return Box::pin(async { Ok(response) });
        }
        let who = request.extensions().get::<Arc<Principal>>().cloned();
        let caller = request.extensions().get::<Caller>().cloned();
        let logout = self.clone();
        Box::pin(async move { Ok(logout.answer(who, caller).await) })
    }
}
