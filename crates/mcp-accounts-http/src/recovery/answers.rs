//! What is answered under `/auth`.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Method, Response, StatusCode};
use mcp_accounts::{ForgotRejection, LinkWorth, ResetRejection};
use serde::Serialize;
use serde_json::json as value;

use crate::view::LookBody;

pub(super) type Answer = Response<Bytes>;

const INVALID: &str = "Invalid or used reset link";
const EXPIRED: &str = "This reset link has expired";

/// When to come back after an outage.
const SOON: Duration = Duration::from_secs(5);

/// An answer that nobody keeps.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn ok(body: &impl Serialize) -> Answer {
    // Strings and booleans: this cannot fail.
    json(StatusCode::OK, serde_json::to_vec(body).unwrap_or_default())
}

pub(super) fn detail(status: StatusCode, text: &str) -> Answer {
    json(status, value!({ "detail": text }).to_string())
}

/// 422 names the field and never repeats what it held.
pub(super) fn field(name: &str, what: &str) -> Answer {
    let body = value!({ "detail": format!("{name}: {what}"), "field": name });
    json(StatusCode::UNPROCESSABLE_ENTITY, body.to_string())
}

pub(super) fn method_not_allowed(allowed: &[Method]) -> Answer {
    let mut response = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let mut names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    if allowed.contains(&Method::GET) {
        names.push("HEAD");
    }
    if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
        response.headers_mut().insert(ALLOW, names);
    }
    response
}

pub(super) fn needs_credential() -> Answer {
    let mut response = detail(StatusCode::UNAUTHORIZED, "Invalid or expired token");
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

pub(super) fn down(error: &impl Display) -> Answer {
    tracing::error!(error = %error, "The store of accounts does not answer");
    later(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable", SOON)
}

fn later(status: StatusCode, text: &str, wait: Duration) -> Answer {
    let mut response = detail(status, text);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

/// A letter was asked for: the same words for everybody.
pub(super) fn asked(asked: Result<(), ForgotRejection>, said: &'static str) -> Answer {
    match asked {
        Ok(()) => json(StatusCode::OK, said),
        Err(ForgotRejection::Off) => detail(StatusCode::FORBIDDEN, "Password reset is disabled"),
        Err(ForgotRejection::Email) => field("email", "not an email address"),
        Err(ForgotRejection::TooMany { retry_after }) => {
            let text = "Too many password reset requests";
            later(StatusCode::TOO_MANY_REQUESTS, text, retry_after)
        }
        Err(ForgotRejection::Store(error)) => down(&error),
    }
}

/// What a link is worth.
pub(super) fn looked_at(look: Result<LinkWorth, impl Display>) -> Answer {
    match look {
        Ok(LinkWorth::Valid { expires_at }) => {
            let message = "This reset link is valid";
            ok(&LookBody { valid: true, message, expires_at: time(expires_at) })
        }
        Ok(LinkWorth::Invalid) => detail(StatusCode::BAD_REQUEST, INVALID),
        Ok(LinkWorth::Expired) => detail(StatusCode::GONE, EXPIRED),
        Err(error) => down(&error),
    }
}

/// A password was set, or not. One of the endpoints has no word of its own for what is over.
pub(super) fn reset(reset: Result<(), ResetRejection>, over: StatusCode) -> Answer {
    match reset {
        Ok(()) => {
            let said = "Password reset successfully. Please log in with your new password.";
            let body = match over {
                StatusCode::GONE => value!({ "success": true, "message": said }),
                _ => value!({ "message": said }),
            };
            json(StatusCode::OK, body.to_string())
        }
        Err(ResetRejection::Invalid) if over == StatusCode::GONE => {
            detail(StatusCode::BAD_REQUEST, INVALID)
        }
        Err(ResetRejection::Expired) if over == StatusCode::GONE => detail(over, EXPIRED),
        Err(ResetRejection::Invalid | ResetRejection::Expired) => {
            detail(over, "Invalid or expired token")
        }
        Err(rejection @ ResetRejection::Policy(_)) => policy(&rejection.failed_rules()),
        Err(ResetRejection::Busy { retry_after }) => {
            later(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable", retry_after)
        }
        Err(ResetRejection::Store(error)) => down(&error),
    }
}

fn policy(rules: &[String]) -> Answer {
    let said = "Password does not meet the requirements";
    let body = value!({ "detail": said, "failed_rules": rules });
    json(StatusCode::BAD_REQUEST, body.to_string())
}

/// RFC 3339, in UTC, to the second.
pub(super) fn time(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
