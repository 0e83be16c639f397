//! The passwords that are guessed first.

use std::collections::HashSet;
use std::sync::LazyLock;

/// In lower case; `ORIGIN.md` beside it says where they come from.
static COMMON: &str = include_str!("../../third-party/common-passwords/passwords.txt");

/// Passwords that systems which this one replaces were delivered with, and that are not among
/// the common ones.
const DELIVERED_WITH: [&str; 2] = ["operator123", "viewer123"];

static BLOCKED: LazyLock<HashSet<&str>> =
    LazyLock::new(|| COMMON.lines().chain(DELIVERED_WITH).collect());

/// Is it one of them? `folded` is after NFKC and in lower case.
pub(super) fn contains(folded: &str) -> bool {
    BLOCKED.contains(folded)
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;

    const ORIGIN: &str = include_str!("../../third-party/common-passwords/ORIGIN.md");
    const LICENCE: &str = include_str!("../../third-party/common-passwords/LICENSE");

    #[test]
    fn the_files_are_the_ones_whose_origin_is_told() {
        for text in [COMMON, LICENCE] {
            // ring shows a digest as `SHA256:` and hex digits.
            let shown = format!("{:?}", digest(&SHA256, text.as_bytes()));
            let (_, hex) = shown.split_once(':').unwrap();
            assert!(ORIGIN.contains(&format!("`{hex}`")), "{hex}");
        }
    }

    #[test]
    fn three_thousand_of_them_would_otherwise_be_allowed_by_the_classic_policy() {
        let has = |it: &str, kind: fn(&u8) -> bool| it.bytes().any(|b| kind(&b));
        let allowed = COMMON.lines().filter(|it| {
            it.len() >= 8 && has(it, u8::is_ascii_lowercase) && has(it, u8::is_ascii_digit)
        });
        assert!(allowed.count() >= 3000);
    }

    #[test]
    fn every_line_can_be_met_by_a_folded_password() {
        for line in COMMON.lines() {
            assert_eq!(super::super::fold(line), line);
        }
        assert_eq!(BLOCKED.len(), COMMON.lines().count() + DELIVERED_WITH.len());
    }
}
