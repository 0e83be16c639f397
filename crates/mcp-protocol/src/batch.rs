//! Several messages in one: the revision 2025-03-26 obliges a server to take them, no other does.

use serde_json::value::RawValue;

use crate::error::{Code, RpcError};
use crate::headers::RoutingHeaders;
use crate::revision::Revision;

/// The most messages of one batch.
const MAX_MESSAGES: usize = 50;

/// Is this an array rather than one message?
pub(crate) fn is_batch(message: &[u8]) -> bool {
    message.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// The messages of a batch, unread, if this client may send one: with the revision that has
/// them, which over HTTP is also what a client counts as that says nothing.
pub(crate) fn split<'a>(
    message: &'a [u8],
    headers: Option<&RoutingHeaders<'_>>,
    agreed: Option<Revision>,
) -> Result<Vec<&'a RawValue>, RpcError> {
    let invalid = |fault: String| RpcError::new(Code::InvalidRequest, fault);
    // What both agreed on counts more than what one of them says later.
    let agreed = agreed.map(Revision::as_str);
    let said = headers.and_then(|headers| headers.version);
    let version = agreed.or(said).or(headers.map(|_| Revision::ASSUMED.as_str()));
    if version != Some(Revision::ASSUMED.as_str()) {
        return Err(invalid("Invalid Request: this revision has no batches".into()));
    }
    let messages: Vec<&RawValue> = serde_json::from_slice(message)
        .map_err(|fault| RpcError::new(Code::ParseError, format!("Parse error: {fault}")))?;
    match messages.len() {
        0 => Err(invalid("Invalid Request: an empty batch".into())),
        1..=MAX_MESSAGES => Ok(messages),
        _ => Err(invalid(format!("Invalid Request: a batch has at most {MAX_MESSAGES} messages"))),
    }
}
