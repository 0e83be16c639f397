//! What is answered about lost passwords.

use std::fmt::Display;
use std::time::SystemTime;

use http::{Method, StatusCode};
use mcp_accounts::{ForgotRejection, LinkWorth, ResetRejection};

use crate::answer::{Answer, Reply};
use crate::view::{LookBody, Message, Success};

const INVALID: &str = "Invalid or used reset link";
const EXPIRED: &str = "This reset link has expired";

/// How an endpoint says what became of a link. One of them has no word of its own for what is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    ByToken,
    ByLink,
}

/// Why no letter was asked for.
pub(super) fn unasked(rejection: &ForgotRejection) -> Answer {
    match rejection {
        ForgotRejection::Off => Answer::detail(StatusCode::FORBIDDEN, "Password reset is disabled"),
        ForgotRejection::Email => Answer::field("email", "must be an address of mail"),
        ForgotRejection::TooMany { retry_after } => {
            let said = "Too many password reset requests";
            Answer::detail(StatusCode::TOO_MANY_REQUESTS, said).after(*retry_after)
        }
        ForgotRejection::Store(fault) => Answer::down(fault),
    }
}

/// What a link is worth.
pub(super) fn looked_at(look: Result<LinkWorth, impl Display>) -> Reply {
    match look {
        Ok(LinkWorth::Valid { expires_at }) => {
            let message = "This reset link is valid";
            Ok(Answer::ok(&LookBody { valid: true, message, expires_at: time(expires_at) }))
        }
        Ok(LinkWorth::Invalid) => Err(Answer::detail(StatusCode::BAD_REQUEST, INVALID)),
        Ok(LinkWorth::Expired) => Err(Answer::detail(StatusCode::GONE, EXPIRED)),
        Err(fault) => Err(Answer::down(&fault)),
    }
}

/// A password was set, or not.
pub(super) fn reset(reset: Result<(), ResetRejection>, style: Style) -> Reply {
    let message = "Password reset successfully. Please log in with your new password.";
    match (reset, style) {
        (Ok(()), Style::ByLink) => Ok(Answer::ok(&Success { success: true, message })),
        (Ok(()), Style::ByToken) => Ok(Answer::ok(&Message { message })),
        (Err(ResetRejection::Invalid), Style::ByLink) => {
            Err(Answer::detail(StatusCode::BAD_REQUEST, INVALID))
        }
        (Err(ResetRejection::Expired), Style::ByLink) => {
            Err(Answer::detail(StatusCode::GONE, EXPIRED))
        }
        (Err(ResetRejection::Invalid | ResetRejection::Expired), Style::ByToken) => {
            Err(Answer::detail(StatusCode::BAD_REQUEST, "Invalid or expired token"))
        }
        (Err(rejection @ ResetRejection::Policy(_)), _) => {
            Err(Answer::failed_rules(rejection.failed_rules()))
        }
        (Err(ResetRejection::Busy { retry_after }), _) => Err(Answer::later(retry_after)),
        (Err(ResetRejection::Store(fault)), _) => Err(Answer::down(&fault)),
    }
}

/// The methods of a path, as the header `Allow` has them.
pub(super) fn method_not_allowed(allowed: &[Method]) -> Answer {
    let mut names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    if allowed.contains(&Method::GET) {
        names.push("HEAD");
    }
    Answer::method_not_allowed(&names.join(", "))
}

/// RFC 3339, in UTC, to the second.
pub(super) fn time(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
