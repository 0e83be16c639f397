//! Who called, as far as the wire says.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Where a request came from. Recorded, counted and limited by; never a reason to let anybody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client's address: the TCP peer, or what a configured proxy says it is.
    pub address: IpAddr,
    /// The `User-Agent` header as sent, if any. Hostile text: escape it before showing it.
    pub agent: Option<Arc<str>>,
    /// Ties the answer, the log lines and the audit lines of one request together.
    pub request_id: RequestId,
}

/// The name of one request: as the client sent it in `X-Request-Id`, or made here.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The longest id that a client may choose, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Takes a client's id if it is 1 to 64 letters, digits or `-_.:/=+`; such an id is safe in
    /// a header and in a log line. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_BYTES).contains(&text.len());
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/=+".contains(&b);
        (fits && text.bytes().all(safe)).then(|| Self(text.into()))
    }

    /// An id made from 16 random bytes, as 32 hex digits.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(crate::secret::hex(&bytes).into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn a_request_id_that_could_break_a_line_is_not_taken() {
        for hostile in ["", "a\nb", "a\r\nX: y", "ü", "a b", &"x".repeat(65)] {
            assert_eq!(RequestId::parse(hostile), None, "{hostile:?}");
        }
        assert!(RequestId::parse("req-1.2:3").is_some());
    }
}
