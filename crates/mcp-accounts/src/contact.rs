//! Addresses of mail and names of people, in the one form in which they are kept.

use mcp_mail::{Address, Line};
use unicode_normalization::UnicodeNormalization as _;

/// The longest name of a person, in bytes.
const LONGEST_NAME: usize = 255;

/// An address, in NFKC and its domain as DNS writes it. `None`: it is none that a letter could be
/// sent to, or holds something that would act in a header, a log or a terminal.
pub(crate) fn email(text: &str) -> Option<String> {
    // Four times what an address may be: nothing that long is normalised.
    if text.len() > 1_016 {
        return None;
    }
    let text: String = text.nfkc().collect();
    Address::parse(&text).ok().map(|address| address.to_string())
}

/// What somebody is called, in NFKC: one line without characters that act.
pub(crate) fn full_name(text: &str) -> Option<String> {
    if text.len() > 4 * LONGEST_NAME {
        return None;
    }
    let text: String = text.nfkc().collect();
    let name = text.trim();
    let fits = name.len() <= LONGEST_NAME && Line::parse(name).is_ok();
    fits.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form_however_it_is_typed() {
        assert_eq!(email("ann@Bücher.example").as_deref(), Some("ann@xn--bcher-kva.example"));
        assert_eq!(email("ａｎｎ@example.com").as_deref(), Some("ann@example.com"));
        for hostile in
            ["", "ann", "a\r\nBcc: eve@example.com", "a b@example.com", "a@b\u{202e}.com", "a@1.2"]
        {
            assert_eq!(email(hostile), None, "{hostile:?}");
        }
        assert_eq!(email(&format!("{}@example.com", "x".repeat(100_000))), None);
    }

    #[test]
    fn a_name_of_a_person_is_one_line() {
        assert_eq!(full_name(" Ann Lee ").as_deref(), Some("Ann Lee"));
        for hostile in ["", "a\r\nX: y", "a\u{1b}[31m", "a\u{202e}b", &"x".repeat(256)] {
            assert_eq!(full_name(hostile), None, "{hostile:?}");
        }
    }
}
