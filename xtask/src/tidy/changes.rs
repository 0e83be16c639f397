//! The files of `docs/changes/unreleased`, from which the changelog of a release is made.
//!
//! The form is told in that folder's README: a line `Kind: …`, an empty line, and what changed
//! for whoever runs or embeds the product, in sentences.

use super::finding::Finding;
use super::tree::{TextFile, Tree};

const FOLDER: &str = "docs/changes/unreleased/";
const HINT: &str = "the form is in docs/changes/unreleased/README.md";
const KINDS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let inside =
        tree.files().iter().filter_map(|file| Some((file, file.path.strip_prefix(FOLDER)?)));
    let changes = inside.filter(|(_, name)| *name != "README.md");
    changes.flat_map(|(file, name)| check_file(file, name)).collect()
}

fn check_file(file: &TextFile, name: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line: usize, message: &str| {
        findings.push(Finding::error(&file.path, line, message.to_owned(), HINT));
    };
    let stem = name.strip_suffix(".md").unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if stem.is_empty() || !stem.chars().all(plain) {
        find(0, "is not named `lower-case-words.md`");
    }
    let mut lines = file.text.lines();
    let kind = lines.next().and_then(|line| line.strip_prefix("Kind: ")).unwrap_or_default();
    if !KINDS.contains(&kind) {
        find(1, "does not begin with `Kind:` and one of the kinds");
    }
    if lines.next() != Some("") {
        find(2, "has no empty line below the kind");
    }
    let text: Vec<&str> = lines.collect();
    let sentence =
        text.first().is_some_and(|line| line.starts_with(|c: char| c.is_uppercase() || c == '`'));
    if !sentence || !text.last().is_some_and(|line| line.ends_with('.')) {
        find(3, "does not say what changed in whole sentences");
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::told;
    use super::*;

    fn told_about(name: &str, text: &str) -> Vec<String> {
        told(&check(&Tree::of(&[(&format!("{FOLDER}{name}"), text)])))
    }

    #[test]
    fn a_change_in_the_form_is_fine() {
        assert!(
            told_about(
                "a.md",
                "Kind: Added

`tokens list` shows times.
"
            )
            .is_empty()
        );
        assert!(
            told_about("tokens-list.md", "Kind: Added\n\nLists show\ntimes in UTC.\n").is_empty()
        );
        assert!(told_about("README.md", "The form.").is_empty());
    }

    #[test]
    fn each_departure_from_the_form_fails() {
        let good = "Kind: Added\n\nLists show times.\n";
        assert!(told_about("Tokens List.md", good)[0].contains("is not named"));
        assert!(
            told_about("a.md", "Kind: New\n\nLists show times.\n")[0]
                .contains(":1: does not begin")
        );
        assert!(
            told_about("a.md", "Kind: Added\nLists show times.\n")[0].contains(":2: has no empty")
        );
        assert!(told_about("a.md", "Kind: Added\n\nlist times\n")[0].contains(":3: does not say"));
    }
}
