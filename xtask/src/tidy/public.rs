//! What the crates with a public interface owe their users.

use super::finding::Finding;
use super::tables::Law;
use super::tree::Tree;

/// Asks rustc for the rest: a public item without documentation then stops CI.
const ASKED: &str = "#![warn(missing_docs)]";

pub(super) fn check(tree: &Tree, law: &Law) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust_files() {
        let Some(inside) = inside_public_crate(path, law) else { continue };
        if inside == "lib.rs" && !text.code.iter().any(|line| line.trim() == ASKED) {
            let message = format!("a public crate says `{ASKED}`");
            findings.push(Finding::error(path, 0, message, "below the crate's documentation"));
        }
        let fallible =
            text.functions().into_iter().filter(|it| it.is_public && is_result(&it.returns));
        for function in fallible {
            let documentation = text.documentation(function.line);
            if !documentation.iter().any(|line| line.trim_end().ends_with("# Errors")) {
                let message = format!("`{}` returns a `Result` without `# Errors`", function.name);
                findings.push(Finding::error(path, function.line, message, "say when it fails"));
            }
        }
    }
    findings
}

/// The path below `src` of a file that belongs to a public crate.
fn inside_public_crate<'a>(path: &'a str, law: &Law) -> Option<&'a str> {
    let (name, inside) = path.strip_prefix("crates/")?.split_once("/src/")?;
    law.is_public(name).then_some(inside)
}

/// `Result<…>`, `io::Result<…>`, and an alias such as `LoadResult`.
fn is_result(returns: &str) -> bool {
    let name = returns.split('<').next().unwrap_or_default();
    name.rsplit("::").next().is_some_and(|last| last.trim().ends_with("Result"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::told;
    use super::super::tables::law;
    use super::*;

    fn told_about(path: &str, text: &str) -> Vec<String> {
        told(&check(&Tree::of(&[(path, text)]), &law("identity ▶ –")))
    }

    #[test]
    fn a_public_crate_asks_for_documentation() {
        let told = told_about("crates/mcp-identity/src/lib.rs", "//! A.\n");
        assert!(told[0].contains("lib.rs: a public crate says `#![warn(missing_docs)]`"));
        let asking = "//! A.\n#![warn(missing_docs)]\n";
        assert!(told_about("crates/mcp-identity/src/lib.rs", asking).is_empty());
        assert!(told_about("crates/mcp-auth/src/lib.rs", "//! A.\n").is_empty());
    }

    #[test]
    fn a_public_function_says_when_it_fails() {
        let path = "crates/mcp-identity/src/a.rs";
        let told = told_about(path, "/// A.\npub fn a() -> Result<u8, E> {}\n");
        assert!(told[0].contains("a.rs:2: `a` returns a `Result` without `# Errors`"));
        let saying = "/// A.\n///\n/// # Errors\n///\n/// B.\npub fn a() -> Result<u8, E> {}\n";
        assert!(told_about(path, saying).is_empty());
        assert!(told_about(path, "pub(crate) fn a() -> Result<u8, E> {}\n").is_empty());
        assert!(told_about(path, "pub fn a() -> Option<Result<u8, E>> {}\n").is_empty());
    }
}
