//! Words and names that do not stand in this tree, and one line that stands in each Rust file.

use super::finding::Finding;
use super::rust::{RustText, starts_word};
use super::tree::{TextFile, Tree};

/// Names under which anything could live.
const NAMES_OF_NOTHING: [&str; 5] = ["common.rs", "core.rs", "utils.rs", "types.rs", "helpers.rs"];

/// Put together here, so that this file does not find itself.
const LATER: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Folders of one machine, put together for the same reason.
const OF_ONE_MACHINE: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/fa", "rm/")];

/// Every machine has it and everybody shares it: seldom right, but a statement under test may
/// well name it.
const SHARED: &str = concat!("/tm", "p/");

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let texts = tree.files().iter().filter(|file| !file.path.ends_with("lock"));
    let mut findings: Vec<Finding> = texts.flat_map(check_text).collect();
    for (path, text) in tree.rust_files() {
        findings.extend(check_rust(path, &text));
    }
    findings
}

/// What no text of the tree says, code or not.
fn check_text(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let mut find = |message: String, hint| {
            findings.push(Finding::error(&file.path, number + 1, message, hint));
        };
        if let Some(word) = LATER.iter().find(|word| has_word(line, word)) {
            find(format!("`{word}`"), "do it now, or say what is so and why");
        }
        if let Some(path) = OF_ONE_MACHINE.iter().find(|path| has_path(line, path)) {
            find(format!("`{path}` is a place on one machine"), "take it out");
        }
        if has_path(line, SHARED) {
            let message = format!("`{SHARED}` is shared by everybody");
            let hint = "a test makes a folder of its own";
            findings.push(Finding::warning(&file.path, number + 1, message, hint));
        }
    }
    findings
}

fn check_rust(path: &str, text: &RustText<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = path.rsplit('/').next().unwrap_or_default();
    if NAMES_OF_NOTHING.contains(&name) {
        let message = format!("`{name}` says nothing");
        findings.push(Finding::error(path, 0, message, "name the file for the one thing in it"));
    }
    let first = text.lines.iter().find(|line| !line.trim().is_empty());
    if is_source(path) && !first.is_some_and(|line| line.starts_with("//!")) {
        let message = "does not begin with `//!`".to_owned();
        findings.push(Finding::error(path, 1, message, "say what lives here"));
    }
    for (number, line) in text.code.iter().enumerate() {
        if line.contains("[allow(") {
            let message = "a lint is silenced for ever".to_owned();
            let hint = "`#[expect(lint, reason = \"…\")]` goes when its reason does";
            findings.push(Finding::error(path, number + 1, message, hint));
        }
        if ["struct", "enum", "trait", "type"].iter().any(|kind| names_session(line, kind)) {
            let message = "a bare `Session`".to_owned();
            let hint = "it is a LoginSession or a McpSession";
            findings.push(Finding::error(path, number + 1, message, hint));
        }
    }
    findings
}

/// A file of a `src` folder, or of the package that has its sources in `tests`. The tests of a
/// crate speak by their names.
fn is_source(path: &str) -> bool {
    path.contains("/src/") || path.starts_with("tests/")
}

fn has_word(line: &str, word: &str) -> bool {
    let goes_on =
        |at: usize| line[at + word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| starts_word(line, at) && !goes_on(at))
}

/// At the start of a path, not in the middle of one: `target/work/` is no such place.
fn has_path(line: &str, path: &str) -> bool {
    let starts = |at: usize| {
        starts_word(line, at) && !line[..at].ends_with(['/', '.', '-', '}', ')', '$', '*'])
    };
    line.match_indices(path).any(|(at, _)| starts(at))
}

fn names_session(line: &str, kind: &str) -> bool {
    let mut words =
        line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty());
    words.by_ref().any(|word| word == kind) && words.next() == Some("Session")
}

#[cfg(test)]
mod tests {
    use super::super::finding::told;
    use super::*;

    fn told_about(path: &str, text: &str) -> Vec<String> {
        told(&check(&Tree::of(&[(path, text)])))
    }

    #[test]
    fn a_file_begins_by_saying_what_lives_in_it() {
        assert!(told_about("xtask/src/a.rs", "//! A.\n").is_empty());
        let told = told_about("xtask/src/a.rs", "use b::c;\n");
        assert!(told[0].contains("a.rs:1: does not begin with `//!`"));
        assert!(told_about("crates/mcp-sql/tests/a.rs", "use b::c;\n").is_empty());
    }

    #[test]
    fn a_file_named_for_nothing_fails() {
        assert!(
            told_about("crates/a/src/utils.rs", "//! A.\n")[0].contains("`utils.rs` says nothing")
        );
    }

    #[test]
    fn a_silenced_lint_fails() {
        let told = told_about("a.rs", "//! A.\n#[allow(dead_code)]\nfn b() {}\n");
        assert!(told[0].contains("a.rs:2: a lint is silenced for ever"));
        assert!(told_about("a.rs", "//! Never `#[allow(lint)]`.\n").is_empty());
    }

    #[test]
    fn a_bare_session_fails() {
        assert!(told_about("a.rs", "//! A.\npub struct Session {}\n")[0].contains("a.rs:2"));
        assert!(told_about("a.rs", "//! A.\npub struct LoginSession {}\n").is_empty());
        assert!(told_about("a.rs", "//! A.\nstruct A { b: Session }\n").is_empty());
    }

    #[test]
    fn work_put_off_fails_in_any_text() {
        let text = format!("a\n{}: b\n", LATER[0]);
        assert!(told_about("docs/a.md", &text)[0].starts_with("error: docs/a.md:2:"));
        assert!(told_about("docs/a.md", &text.to_lowercase()).is_empty());
    }

    #[test]
    fn the_place_that_everybody_shares_is_named() {
        let told = told_about("a.sh", &format!("cd {SHARED}a\n"));
        assert!(told[0].starts_with("warning: a.sh:1:"));
    }

    #[test]
    fn a_place_on_one_machine_fails() {
        for path in OF_ONE_MACHINE {
            let told = told_about("a.sh", &format!("cd {path}main\n"));
            assert!(told[0].contains("is a place on one machine"), "{path}");
            assert!(told_about("a.sh", &format!("cd target{path}main\n")).is_empty());
        }
    }
}
