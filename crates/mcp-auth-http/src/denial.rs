//! What a refusal looks like on the wire.
//!
//! The body is made from the status alone, so that no renderer can tell an unknown token from an
//! expired one. The reason stays on the server: every response made here carries its [`Denial`]
//! in its extensions, for whoever writes the audit log.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::header::{HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use mcp_identity::Denial;

/// Makes the JSON body of a refusal. Each edge has its own; [`body`] is the one of the MCP path.
pub type RenderBody = fn(StatusCode) -> Bytes;

/// `{"error":"Unauthorized"}`, and likewise for the other statuses.
#[must_use]
pub fn body(status: StatusCode) -> Bytes {
    Bytes::from_static(match status {
        StatusCode::BAD_REQUEST => br#"{"error":"Bad Request"}"#,
        StatusCode::UNAUTHORIZED => br#"{"error":"Unauthorized"}"#,
        StatusCode::FORBIDDEN => br#"{"error":"Forbidden"}"#,
        StatusCode::TOO_MANY_REQUESTS => br#"{"error":"Too Many Requests"}"#,
        StatusCode::SERVICE_UNAVAILABLE => br#"{"error":"Service Unavailable"}"#,
        _ => br#"{"error":"Internal Server Error"}"#,
    })
}

/// The answer to a refused caller.
#[must_use]
pub fn respond<R: From<Bytes>>(denial: Denial, render: RenderBody) -> Response<R> {
    let (status, headers) = head(denial);
    let mut response = Response::new(R::from(render(status)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(denial);
    response
}

/// The answer to a caller of whom nobody knows whether to refuse him: a store is down.
#[must_use]
pub fn unavailable<R: From<Bytes>>(retry_after: Duration, render: RenderBody) -> Response<R> {
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, render);
    let seconds = HeaderValue::from(whole_seconds(retry_after));
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}

/// Status and headers of a denial, for an edge whose body is more than a status can say.
#[must_use]
pub fn head(denial: Denial) -> (StatusCode, HeaderMap) {
    // RFC 6750 §3: no error code where nothing was presented.
    let (status, challenge, retry_after) = match denial {
        Denial::NoCredential => (StatusCode::UNAUTHORIZED, Some("Bearer"), None),
        Denial::BadCredential(_) => {
            (StatusCode::UNAUTHORIZED, Some(r#"Bearer error="invalid_token""#), None)
        }
        Denial::NotAllowed => {
            (StatusCode::FORBIDDEN, Some(r#"Bearer error="insufficient_scope""#), None)
        }
        Denial::TooManyAttempts { retry_after } => {
            (StatusCode::TOO_MANY_REQUESTS, None, Some(whole_seconds(retry_after)))
        }
    };
    let mut headers = common_headers();
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    (status, headers)
}

/// The answer to a request that is refused for its shape, whoever sent it.
pub(crate) fn refuse<R: From<Bytes>>(status: StatusCode, render: RenderBody) -> Response<R> {
    let mut response = Response::new(R::from(render(status)));
    *response.status_mut() = status;
    *response.headers_mut() = common_headers();
    response
}

fn common_headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
}

/// Rounded up, and at least one: who comes back as told must not be refused again.
fn whole_seconds(wait: Duration) -> u64 {
    let started = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(started).max(1)
}

#[cfg(test)]
mod tests {
    use mcp_identity::CredentialFault;

    use super::*;

    #[test]
    fn a_bad_credential_looks_the_same_whatever_is_wrong_with_it() {
        let faults = [
            CredentialFault::Malformed,
            CredentialFault::Unknown,
            CredentialFault::Expired,
            CredentialFault::Ended,
        ];
        let heads = faults.map(|fault| head(Denial::BadCredential(fault)));
        assert!(heads.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn each_denial_has_its_status_and_challenge() {
        let challenge = |denial| {
            let (status, headers) = head(denial);
            let said = headers.get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
            (status.as_u16(), said.map(str::to_owned))
        };
        let says = |text: &str| Some(text.to_owned());
        assert_eq!(challenge(Denial::NoCredential), (401, says("Bearer")));
        let bad = Denial::BadCredential(CredentialFault::Unknown);
        assert_eq!(challenge(bad), (401, says(r#"Bearer error="invalid_token""#)));
        assert_eq!(
            challenge(Denial::NotAllowed),
            (403, says(r#"Bearer error="insufficient_scope""#))
        );
        let limited = Denial::TooManyAttempts { retry_after: Duration::from_secs(9) };
        assert_eq!(challenge(limited), (429, None));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_too_short() {
        for (millis, told) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (59_999, "60")] {
            let denial = Denial::TooManyAttempts { retry_after: Duration::from_millis(millis) };
            assert_eq!(head(denial).1[RETRY_AFTER], told, "{millis} ms");
        }
        let for_ever = Denial::TooManyAttempts { retry_after: Duration::MAX };
        assert_eq!(head(for_ever).1[RETRY_AFTER], u64::MAX.to_string().as_str());
    }
}
