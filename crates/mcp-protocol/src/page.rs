//! Lists, page by page, in a fixed order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::RpcError;

/// A list whose entries were written once, when the server was built.
pub(crate) struct Listing {
    /// The member that holds it: `tools`.
    member: &'static str,
    entries: Vec<Entry>,
}

struct Entry {
    key: &'static str,
    written: Vec<u8>,
}

/// The version of a cursor, in front of it.
const VERSION: &str = "v1";

impl Listing {
    pub(crate) fn new(member: &'static str) -> Self {
        Self { member, entries: Vec::new() }
    }

    /// Adds an entry. Lists keep the order in which entries were added.
    pub(crate) fn push(&mut self, key: &'static str, written: Vec<u8>) {
        self.entries.push(Entry { key, written });
    }

    /// The members of one page: `"tools":[…],"nextCursor":"…"`, of those entries that
    /// `shows` says the caller may see.
    pub(crate) fn page(
        &self,
        cursor: Option<&str>,
        size: usize,
        shows: impl Fn(&str) -> bool,
    ) -> Result<Vec<u8>, RpcError> {
        let begin = match cursor {
            None => 0,
            Some(cursor) => self.place_after(cursor).ok_or_else(|| {
                RpcError::invalid_params("params.cursor is not one of this server's")
            })?,
        };
        let mut members = Vec::with_capacity(4096);
        for part in ["\"", self.member, "\":["] {
            members.extend_from_slice(part.as_bytes());
        }
        let mut page = self.entries.iter().skip(begin).filter(|entry| shows(entry.key)).peekable();
        let mut last = None;
        for entry in page.by_ref().take(size) {
            if last.is_some() {
                members.push(b',');
            }
            members.extend_from_slice(&entry.written);
            last = Some(entry.key);
        }
        members.push(b']');
        if let (Some(last), Some(_)) = (last, page.peek()) {
            members.extend_from_slice(b",\"nextCursor\":\"");
            members.extend_from_slice(self.cursor(last).as_bytes());
            members.push(b'"');
        }
        Ok(members)
    }

    /// An opaque mark of the place after `key`.
    fn cursor(&self, key: &str) -> String {
        URL_SAFE_NO_PAD.encode(format!("{VERSION} {} {key}", self.member))
    }

    fn place_after(&self, cursor: &str) -> Option<usize> {
        let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let key = decoded.strip_prefix(VERSION)?.strip_prefix(' ')?.strip_prefix(self.member)?;
        let key = key.strip_prefix(' ')?;
        let place = self.entries.iter().position(|entry| entry.key == key)?;
        Some(place + 1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn listing() -> Listing {
        let mut listing = Listing::new("tools");
        for name in ["a", "b", "c", "d", "e"] {
            listing.push(name, format!("\"{name}\"").into_bytes());
        }
        listing
    }

    fn page(cursor: Option<&str>, shows: fn(&str) -> bool) -> (Value, Option<String>) {
        let members = listing().page(cursor, 2, shows).unwrap();
        let page: Value =
            serde_json::from_str(&format!("{{{}}}", String::from_utf8(members).unwrap())).unwrap();
        (page["tools"].clone(), page["nextCursor"].as_str().map(String::from))
    }

    #[test]
    fn the_pages_together_are_the_list_and_the_last_one_says_so() {
        let mut cursor = None;
        let mut all = Vec::new();
        loop {
            let (names, next) = page(cursor.as_deref(), |_| true);
            all.extend(names.as_array().unwrap().clone());
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(all, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn what_a_caller_may_not_see_leaves_no_gap() {
        let (names, next) = page(None, |name| name != "b" && name != "e");
        assert_eq!(names, serde_json::json!(["a", "c"]));
        let (names, next) = page(next.as_deref(), |name| name != "b" && name != "e");
        assert_eq!((names, next), (serde_json::json!(["d"]), None));
    }

    #[test]
    fn a_cursor_that_was_never_given_out_is_refused() {
        let other = Listing::new("prompts").cursor("a");
        for cursor in ["", "x", "djE", &other, &listing().cursor("z")] {
            assert!(listing().page(Some(cursor), 2, |_| true).is_err(), "{cursor}");
        }
    }
}
