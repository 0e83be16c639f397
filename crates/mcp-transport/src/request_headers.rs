//! The request headers that the endpoint reads.

use http::header::{ACCEPT, AsHeaderName, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use mcp_protocol::{Found, ParameterHeaders, RoutingHeaders};

/// Names a protocol session.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Names the revision that a request is written in.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// A header that is there twice, or is no text.
pub(crate) struct Unusable;

/// The value of a header that may stand there once.
pub(crate) fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Result<Option<&str>, Unusable> {
    let mut said = headers.get_all(name).iter();
    let Some(first) = said.next() else { return Ok(None) };
    match (first.to_str(), said.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(Unusable),
    }
}

/// `application/json`, with or without parameters; said once.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (said.next(), said.next()) else { return false };
    // As nearly everybody writes it, or as anybody may.
    value == "application/json"
        || value.to_str().is_ok_and(|text| essence(text).eq_ignore_ascii_case("application/json"))
}

/// Whether the client says that it takes an event stream. Whoever says nothing, or takes
/// anything (`*/*`, as curl does), gets plain JSON.
pub(crate) fn takes_event_stream(headers: &HeaderMap) -> bool {
    let said = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    said.flat_map(|text| text.split(',')).any(|range| {
        let is_refused = range
            .split(';')
            .skip(1)
            .filter_map(|parameter| parameter.trim().split_once('='))
            .filter(|(name, _)| name.eq_ignore_ascii_case("q"))
            .any(|(_, quality)| quality.parse::<f32>().is_ok_and(|quality| quality <= 0.0));
        essence(range).eq_ignore_ascii_case("text/event-stream") && !is_refused
    })
}

/// A media type without its parameters.
fn essence(text: &str) -> &str {
    text.split(';').next().unwrap_or_default().trim()
}

/// The headers that repeat the body of a modern request.
pub(crate) fn routing_headers<'h>(
    headers: &'h HeaderMap,
    parameters: &'h Parameters<'h>,
) -> RoutingHeaders<'h> {
    let mut unusable = None;
    let mut once = |name: HeaderName, shown: &'static str| {
        let mut said = headers.get_all(name).iter();
        let first = said.next();
        let text = first.map(HeaderValue::to_str);
        if said.next().is_some() || matches!(text, Some(Err(_))) {
            unusable = Some(shown);
        }
        text.and_then(Result::ok)
    };
    let version = once(VERSION, "MCP-Protocol-Version");
    let method = once(METHOD, "Mcp-Method");
    let name = once(NAME, "Mcp-Name");
    RoutingHeaders { version, method, name, unusable, parameters: Some(parameters) }
}

/// The headers that repeat arguments of a tool.
#[derive(Debug)]
pub(crate) struct Parameters<'h>(pub(crate) &'h HeaderMap);

impl ParameterHeaders for Parameters<'_> {
    fn find(&self, name: &str) -> Found<'_> {
        match only(self.0, name) {
            Ok(None) => Found::Nothing,
            Ok(Some(text)) => Found::Once(text),
            Err(Unusable) => Found::Unusable,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accepting(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_who_names_event_streams_takes_them() {
        for yes in [
            &["application/json, text/event-stream"][..],
            &["text/event-stream"],
            &["application/json", "TEXT/Event-Stream ; q=0.5"],
        ] {
            assert!(takes_event_stream(&accepting(yes)), "{yes:?}");
        }
        for no in [
            &[][..],
            &["*/*"],
            &["text/*"],
            &["application/json"],
            &["text/event-stream;q=0"],
            &["text/event-stream; Q=0.000"],
        ] {
            assert!(!takes_event_stream(&accepting(no)), "{no:?}");
        }
    }
}
