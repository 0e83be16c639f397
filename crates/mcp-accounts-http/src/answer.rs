//! What goes back.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use mcp_accounts::{CreateRejection, NewPasswordRejection};
use mcp_auth::LoginRejection;
use mcp_auth_http::denial;
use mcp_identity::{CredentialFault, Denial, EndReason};
use serde::Serialize;

use crate::view::{Detail, FailedRules, FieldProblem};

/// An answer. Whatever it says, nobody may keep it.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    /// Boxed, because what stops a handler is handed up through every function.
    headers: Box<HeaderMap>,
    body: Bytes,
}

/// An answer either way: what stops a handler is one, too.
pub(crate) type Reply = Result<Answer, Answer>;

const INVALID_TOKEN: &str = "Invalid or expired token";
const NOT_AUTHORIZED: &str = "Not authorized";
const UNAVAILABLE: &str = "Service unavailable";
const TOO_MANY: &str = "Too many failed attempts";
/// Of whoever logs in: unknown, wrong, disabled and locked are one.
const WRONG: &str = "Invalid username or password";

/// After so long a part that is down is asked again.
pub(crate) const DOWN: Duration = Duration::from_secs(5);

impl Answer {
    /// A body of JSON.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // Strings, numbers and maps with keys of text: this cannot fail.
        let body = serde_json::to_vec(body).unwrap_or_default().into();
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self { status, headers: Box::new(headers), body }
    }

    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// A sentence for whoever reads it.
    pub(crate) fn detail(status: StatusCode, detail: &'static str) -> Self {
        Self::json(status, &Detail { detail: detail.to_owned() })
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// 422: that field is not what it should be. What it held is not repeated.
    pub(crate) fn field(field: &'static str, what: &'static str) -> Self {
        let detail = format!("{field}: {what}");
        let problem = FieldProblem { detail, field: field.to_owned() };
        Self::json(StatusCode::UNPROCESSABLE_ENTITY, &problem)
    }

    /// The answer to a refused caller.
    pub(crate) fn denied(denial: Denial) -> Self {
        let (status, headers) = denial::head(denial);
        Self { status, headers: Box::new(headers), body: refusal_body(status) }
    }

    /// The credential held when the request began, and holds no more.
    pub(crate) fn ended(why: EndReason) -> Self {
        match why {
            // Nothing is known against it.
            EndReason::Unkept => Self::later(DOWN),
            EndReason::Expired | EndReason::Revoked | EndReason::Replaced => {
                Self::denied(Denial::BadCredential(CredentialFault::Ended))
            }
        }
    }

    /// 401 to a name and a password.
    pub(crate) fn wrong_login() -> Self {
        Self::wrong(WRONG)
    }

    /// 401 to a password.
    pub(crate) fn wrong(detail: &'static str) -> Self {
        let challenge = HeaderValue::from_static("Bearer");
        Self::detail(StatusCode::UNAUTHORIZED, detail).with(WWW_AUTHENTICATE, challenge)
    }

    pub(crate) fn not_found() -> Self {
        Self::detail(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn method_not_allowed(allowed: &str) -> Self {
        let answer = Self::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        match HeaderValue::from_str(allowed) {
            Ok(allowed) => answer.with(ALLOW, allowed),
            Err(_) => answer,
        }
    }

    pub(crate) fn too_many(retry_after: Duration) -> Self {
        Self::denied(Denial::TooManyAttempts { retry_after })
    }

    /// A part is down. Logged here, where it is handled.
    pub(crate) fn down(fault: &impl Display) -> Self {
        tracing::error!(error = %fault, "A request about accounts could not be done");
        Self::later(DOWN)
    }

    /// Too much waits already.
    pub(crate) fn later(wait: Duration) -> Self {
        Self::detail(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE).after(wait)
    }

    /// With word of when to ask again.
    pub(crate) fn after(self, wait: Duration) -> Self {
        self.with(RETRY_AFTER, whole_seconds(wait).into())
    }

    pub(crate) fn login(rejection: &LoginRejection) -> Self {
        match rejection {
            LoginRejection::Refused(_) | LoginRejection::Disabled => Self::wrong_login(),
            LoginRejection::TooManyAttempts { retry_after } => Self::too_many(*retry_after),
            LoginRejection::Busy { retry_after } => Self::later(*retry_after),
            LoginRejection::Store(fault) => Self::down(fault),
        }
    }

    /// 400 with every rule that a password breaks, and no other.
    pub(crate) fn password(rejection: &NewPasswordRejection) -> Self {
        match rejection {
            NewPasswordRejection::Policy(_) | NewPasswordRejection::SameAsBefore => {
                Self::failed_rules(rejection.failed_rules())
            }
            NewPasswordRejection::Ended(why) => Self::ended(*why),
            NewPasswordRejection::Busy { retry_after } => Self::later(*retry_after),
        }
    }

    /// 400 with these rules of the policy.
    pub(crate) fn failed_rules(failed_rules: Vec<String>) -> Self {
        let detail = "The password does not meet the requirements".to_owned();
        Self::json(StatusCode::BAD_REQUEST, &FailedRules { detail, failed_rules })
    }

    pub(crate) fn bad_full_name() -> Self {
        Self::field("full_name", "must be one line of text")
    }

    /// No account was made; `name` is the field that was to name it.
    pub(crate) fn not_created(rejection: &CreateRejection, name: &'static str) -> Self {
        match rejection {
            CreateRejection::Name => Self::field(name, "cannot be a user name"),
            CreateRejection::Email => Self::field("email", "must be an address of mail"),
            CreateRejection::FullName => Self::bad_full_name(),
            CreateRejection::Password(rejection) => Self::password(rejection),
            CreateRejection::Taken => {
                Self::detail(StatusCode::CONFLICT, "Username or email already registered")
            }
            CreateRejection::Store(fault) => Self::down(fault),
        }
    }

    pub(crate) fn into_response<R: From<Bytes>>(self) -> Response<R> {
        let mut response = Response::new(R::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        response
    }
}

/// Rounded up, and at least one: who comes back as told must not be refused again.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    let started = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(started).max(1)
}

/// The bodies of refusals under `/auth`.
pub(crate) fn refusal_body(status: StatusCode) -> Bytes {
    let detail = match status {
        StatusCode::BAD_REQUEST => "Bad Request",
        StatusCode::UNAUTHORIZED => INVALID_TOKEN,
        StatusCode::FORBIDDEN => NOT_AUTHORIZED,
        StatusCode::TOO_MANY_REQUESTS => TOO_MANY,
        StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
        _ => "Internal Server Error",
    };
    serde_json::to_vec(&Detail { detail: detail.to_owned() }).unwrap_or_default().into()
}
