//! What is sent, before it is looked into: of which type it says it is, and how long it may be.

use std::error::Error;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::answer::Answer;

/// The largest body that is read, in bytes. No form is longer, whoever sends it.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// `application/json`, with whatever parameters; said once.
pub(crate) fn must_be_json(headers: &HeaderMap) -> Result<(), Answer> {
    if is_of(headers, "application/json") {
        return Ok(());
    }
    Err(Answer::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be application/json"))
}

/// Is the body of this type? Said once, parameters aside.
pub(crate) fn is_of(headers: &HeaderMap, wanted: &str) -> bool {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    match (said.next().and_then(|value| value.to_str().ok()), said.next()) {
        (Some(value), None) => {
            let kind = value.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case(wanted)
        }
        _ => false,
    }
}

/// All of a body.
pub(crate) async fn read<B>(body: B) -> Result<Bytes, Answer>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let too_large = || Answer::detail(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err(too_large()),
        // The client left, or was too slow: nobody reads this.
        Err(_) => Err(Answer::detail(StatusCode::BAD_REQUEST, "Bad Request")),
    }
}
