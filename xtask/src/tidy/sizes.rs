//! Long files and long functions. A size is a smell, not a fault: these warn.

use super::finding::Finding;
use super::rust::RustText;
use super::tree::Tree;

/// Lines of a file, without its test modules.
const LONGEST_FILE: usize = 500;

/// Lines of a function, from its `fn` to its closing brace.
const LONGEST_FUNCTION: usize = 40;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust_files().flat_map(|(path, text)| check_file(path, &text)).collect()
}

fn check_file(path: &str, text: &RustText<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tests: usize = text.test_lines().into_iter().map(Iterator::count).sum();
    let length = text.lines.len() - tests;
    if length > LONGEST_FILE {
        let message = format!("{length} lines without tests, over {LONGEST_FILE}");
        findings.push(Finding::warning(path, 0, message, "two ideas may live here"));
    }
    // A test tells its story from top to bottom, however long that is.
    let functions = if is_test(path) { Vec::new() } else { text.functions() };
    for function in functions {
        let length = 1 + function.last_line - function.line;
        if length > LONGEST_FUNCTION {
            let message =
                format!("`{}` has {length} lines, over {LONGEST_FUNCTION}", function.name);
            findings.push(Finding::warning(path, function.line, message, ""));
        }
    }
    findings
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/")
}

#[cfg(test)]
mod tests {
    use super::super::finding::told;
    use super::*;

    fn told_about(path: &str, text: &str) -> Vec<String> {
        told(&check(&Tree::of(&[(path, text)])))
    }

    #[test]
    fn a_function_of_forty_lines_is_fine_and_one_more_is_not() {
        let function = |lines: usize| format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2));
        assert!(told_about("a.rs", &function(40)).is_empty());
        let told = told_about("a.rs", &function(41));
        assert_eq!(told, ["warning: a.rs:1: `a` has 41 lines, over 40"]);
        assert!(told_about("tests/it/a.rs", &function(41)).is_empty());
    }

    #[test]
    fn the_tests_of_a_file_do_not_count() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    // b\n".repeat(600));
        assert!(told_about("a.rs", &tests).is_empty());
        let told = told_about("a.rs", &"// a\n".repeat(501));
        assert!(told[0].starts_with("warning: a.rs: 501 lines without tests, over 500"));
    }
}
