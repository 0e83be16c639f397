//! The page that the link in a letter leads to: a form, without script, style or anything of
//! somebody else's. The secret stands in its address and nowhere in it.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use mcp_accounts::{LinkWorth, ResetRejection};

use crate::answer::{DOWN, whole_seconds};

/// A page for people.
pub(super) type Page = Response<Bytes>;

const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (CACHE_CONTROL, "no-store"),
    // The address of this page opens an account: no other site is told it.
    (REFERRER_POLICY, "no-referrer"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_FRAME_OPTIONS, "DENY"),
];

const FORM: &str = r#"<form method="post">
<p><label>New password<br><input type="password" name="new_password" autocomplete="new-password" maxlength="1024" required autofocus></label></p>
<p><label>The same again<br><input type="password" name="confirm_password" autocomplete="new-password" maxlength="1024" required></label></p>
<p><button type="submit">Set the password</button></p>
</form>
"#;

const ASK_AGAIN: &str = "<p>Ask for a new one where you log in, or ask your administrator.</p>\n";

/// What the link is worth: the form, if it is worth anything. Looking changes nothing.
pub(super) fn show(look: Result<LinkWorth, impl Display>) -> Page {
    match look {
        Ok(LinkWorth::Valid { .. }) => with_form(StatusCode::OK, ""),
        Ok(LinkWorth::Invalid) => invalid(),
        Ok(LinkWorth::Expired) => expired(),
        Err(error) => down(&error),
    }
}

/// The password was set, or not; the form again, if it may still be.
pub(super) fn done(reset: Result<(), ResetRejection>) -> Page {
    match reset {
        Ok(()) => {
            let said = "<p>Your password is set. Log in with it.</p>\n";
            page(StatusCode::OK, "Password set", said)
        }
        Err(ResetRejection::Invalid) => invalid(),
        Err(ResetRejection::Expired) => expired(),
        Err(rejection @ ResetRejection::Policy(_)) => {
            let rules = rejection.failed_rules().join("</li>\n<li>");
            let said = format!(
                "<p>This password cannot be used. What is asked for:</p>\n<ul>\n<li>{rules}</li>\n</ul>\n"
            );
            with_form(StatusCode::BAD_REQUEST, &said)
        }
        Err(ResetRejection::Busy { retry_after }) => {
            let said = "<p>The server is busy. Try again in a moment.</p>\n";
            after(with_form(StatusCode::SERVICE_UNAVAILABLE, said), retry_after)
        }
        Err(ResetRejection::Store(error)) => down(&error),
    }
}

/// The two passwords are not one.
pub(super) fn differ() -> Page {
    with_form(StatusCode::UNPROCESSABLE_ENTITY, "<p>The two passwords are not the same.</p>\n")
}

/// What was sent is not what the form sends.
pub(super) fn unread() -> Page {
    with_form(StatusCode::UNPROCESSABLE_ENTITY, "<p>Fill in both fields.</p>\n")
}

fn invalid() -> Page {
    let said = format!("<p>This link is not valid, or was used already.</p>\n{ASK_AGAIN}");
    page(StatusCode::BAD_REQUEST, "Not valid", &said)
}

fn expired() -> Page {
    let said = format!("<p>The time of this link is over.</p>\n{ASK_AGAIN}");
    page(StatusCode::GONE, "Expired", &said)
}

fn down(error: &impl Display) -> Page {
    tracing::error!(error = %error, "The store of accounts does not answer");
    let said = "<p>That did not work. Try again in a while.</p>\n";
    after(page(StatusCode::SERVICE_UNAVAILABLE, "Not now", said), DOWN)
}

/// With word of when to ask again.
fn after(mut page: Page, wait: Duration) -> Page {
    page.headers_mut().insert(RETRY_AFTER, whole_seconds(wait).into());
    page
}

fn with_form(status: StatusCode, said: &str) -> Page {
    page(status, "Choose a new password", &format!("{said}{FORM}"))
}

fn page(status: StatusCode, title: &str, body: &str) -> Page {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n\
         </html>\n"
    );
    let mut response = Response::new(Bytes::from(html));
    *response.status_mut() = status;
    for (name, text) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(text));
    }
    response
}
