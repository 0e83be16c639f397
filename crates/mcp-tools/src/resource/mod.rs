//! What can be read at an address. One file each; the tool `read_resource` reads the same.

pub(crate) mod system_info;
pub(crate) mod table;

use std::borrow::Cow;

use mcp_protocol::{Code, Failure, ResourceBody, ResourceContents, RpcError};
use mcp_query::Limits;

/// The media type of all of them.
pub(crate) const JSON: Cow<'static, str> = Cow::Borrowed("application/json");

/// What a resource holds, if it is not more than one call may return.
fn contents(
    uri: &str,
    text: String,
    limits: Option<&Limits>,
) -> Result<Vec<ResourceContents>, Failure> {
    let most = limits.map_or(0, |limits| limits.max_result_bytes);
    if text.len() as u64 > most {
        let message = format!("it is larger than the {most} bytes that one call returns");
        return Err(Failure::Refused(RpcError::new(Code::InternalError, message)));
    }
    let body = ResourceBody::Text(text);
    Ok(vec![ResourceContents { uri: uri.to_owned(), mime_type: Some(JSON), body }])
}
