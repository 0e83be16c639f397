//! As much of a Rust file as the checks need: its code without comments and strings, its
//! functions, and where its tests stand.

use std::ops::RangeInclusive;

/// A Rust file, taken apart.
pub(crate) struct RustText<'a> {
    /// As written.
    pub(super) lines: Vec<&'a str>,
    /// The same lines with comments and the insides of strings blanked.
    pub(super) code: Vec<String>,
}

/// A function with a body or, in a trait, without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// From 1.
    pub(super) line: usize,
    pub(super) last_line: usize,
    /// `pub`, not `pub(crate)`.
    pub(super) is_public: bool,
    /// What stands after the arrow; empty when there is none.
    pub(super) returns: String,
}

impl<'a> RustText<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let code = blank(text).lines().map(str::to_owned).collect();
        Self { lines: text.lines().collect(), code }
    }

    /// The lines, from 1, of the modules that are compiled for tests only.
    pub(super) fn test_lines(&self) -> Vec<RangeInclusive<usize>> {
        let marked = self.code.iter().enumerate().filter(|(_, line)| line.contains("#[cfg(test)]"));
        let block = |(at, _): (usize, &String)| {
            let code = self.code[at..].join("\n");
            let open = code.find('{')?;
            // `#[cfg(test)] mod tests;` or a `use`: one line, and nothing to measure.
            let inside = code.find(';').is_none_or(|end| open < end);
            let end = if inside { closing(&code, open)? } else { open };
            inside.then(|| at + 1..=at + 1 + code[..end].matches('\n').count())
        };
        marked.filter_map(block).collect()
    }

    /// Every function outside the test modules.
    pub(super) fn functions(&self) -> Vec<Function> {
        let tests = self.test_lines();
        let code = self.code.join("\n");
        let starts =
            code.match_indices("fn ").map(|(at, _)| at).filter(|at| starts_word(&code, *at));
        let functions = starts.filter_map(|at| function(&code, at));
        functions.filter(|it| !tests.iter().any(|lines| lines.contains(&it.line))).collect()
    }

    /// The documentation of the item that begins at `line`.
    pub(super) fn documentation(&self, line: usize) -> Vec<&'a str> {
        let mut documentation = Vec::new();
        let mut inside_attribute = false;
        for above in self.lines[..line - 1].iter().rev().map(|line| line.trim()) {
            if above == ")]" {
                inside_attribute = true;
            } else if above.starts_with("#[") {
                inside_attribute = false;
            } else if above.starts_with("///") {
                documentation.push(above);
            } else if !inside_attribute {
                break;
            }
        }
        documentation.reverse();
        documentation
    }
}

/// Does a word begin at `at`, rather than go on?
pub(super) fn starts_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
}

fn function(code: &str, at: usize) -> Option<Function> {
    let after = &code[at + "fn ".len()..];
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.is_empty() {
        return None;
    }
    let end_of_signature = at + code[at..].find(['{', ';'])?;
    let end = match code.as_bytes().get(end_of_signature) {
        Some(b'{') => closing(code, end_of_signature)?,
        _ => end_of_signature,
    };
    let before = code[..at].rsplit('\n').next().unwrap_or_default().trim();
    let line = 1 + code[..at].matches('\n').count();
    Some(Function {
        name,
        line,
        last_line: line + code[at..end].matches('\n').count(),
        is_public: before == "pub" || before.starts_with("pub "),
        returns: returned(&code[at..end_of_signature]),
    })
}

/// What stands after the arrow behind the parameters. Arrows in the parameters and the bounds
/// belong to closures.
fn returned(signature: &str) -> String {
    let mut depth = 0_i32;
    let mut result = String::new();
    let mut rest = signature.split("where").next().unwrap_or_default();
    while let Some(next) = rest.chars().next() {
        if depth == 0
            && let Some(after) = rest.strip_prefix("->")
        {
            after.trim().clone_into(&mut result);
        }
        let arrow = rest.starts_with("->");
        depth += match next {
            '(' | '[' | '<' => 1,
            ')' | ']' | '>' => -1,
            _ => 0,
        };
        rest = &rest[if arrow { 2 } else { next.len_utf8() }..];
    }
    result
}

/// Where the brace that opens at `open` closes.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The text with comments and the insides of strings and characters replaced by spaces. Line
/// breaks stay, so that lines keep their numbers.
fn blank(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = opaque(rest);
        if length == 0 {
            blanked.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            blanked.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    blanked
}

/// How many bytes at the start of `rest` are a comment, a string or a character; 0 if none are.
fn opaque(rest: &str) -> usize {
    let to = |found: Option<usize>| found.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return to(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        return to(end_of_comment(rest));
    }
    if rest.starts_with('"') {
        return to(end_of_string(rest));
    }
    // No word runs into a quote, so an r before one always opens a raw string.
    if let Some(end) = end_of_raw_string(rest) {
        return end;
    }
    if rest.starts_with('\'') {
        return end_of_character(rest).unwrap_or(0);
    }
    0
}

/// Comments nest.
fn end_of_comment(rest: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, pair) in rest.as_bytes().windows(2).enumerate() {
        match pair {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return Some(at + 2),
            b"*/" => depth -= 1,
            _ => {}
        }
    }
    None
}

fn end_of_string(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `r"…"` and `r#"…"#`; `None` for a word that begins with r, and for `r#name`.
fn end_of_raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - inside.len();
    Some(inside.find(&close).map_or(rest.len(), |end| start + end + close.len()))
}

/// `'a'` and `'\n'`; `None` for a lifetime.
fn end_of_character(rest: &str) -> Option<usize> {
    let inside = &rest[1..];
    let first = inside.chars().next()?;
    if first == '\\' {
        // The character after the backslash may itself be a quote.
        return inside[2..].find('\'').map(|end| 1 + 2 + end + 1);
    }
    let end = first.len_utf8();
    inside[end..].starts_with('\'').then_some(1 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let text = "a /* b /* c */ */ d // e\n\"f\\\"g\" r#\"h \" i\"# 'j' '\\'' b'{' &'k str r#l";
        let code = blank(text);
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(words, ["a", "d", "b", "&'k", "str", "r#l"]);
        assert_eq!(code.matches('\n').count(), 1);
    }

    #[test]
    fn a_function_is_found_with_its_lines() {
        let text =
            RustText::new("impl A {\n    pub async fn b(&self) -> u8 {\n        1\n    }\n}\n");
        let function = &text.functions()[0];
        assert_eq!((function.name.as_str(), function.line, function.last_line), ("b", 2, 4));
        assert!(function.is_public);
    }

    #[test]
    fn a_function_that_the_crate_alone_sees_is_not_public() {
        assert!(!RustText::new("pub(crate) fn a() {}").functions()[0].is_public);
        assert!(!RustText::new("fn a() {}").functions()[0].is_public);
    }

    #[test]
    fn only_the_arrow_behind_the_parameters_tells_what_is_returned() {
        let text = "fn a<F: Fn(u8) -> Result<(), E>>(f: impl Fn() -> Result<u8, E>) -> Option<u8>\n\
                    where F: Fn() -> Result<(), E> {}";
        assert_eq!(RustText::new(text).functions()[0].returns, "Option<u8>");
        assert_eq!(RustText::new("fn a(f: fn() -> u8) {}").functions()[0].returns, "");
    }

    #[test]
    fn functions_of_test_modules_are_left_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";
        let names: Vec<String> =
            RustText::new(text).functions().into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn a_test_only_import_hides_nothing() {
        let text = "#[cfg(test)]\nuse a::b;\nfn c() {}\n";
        assert_eq!(RustText::new(text).functions().len(), 1);
    }

    #[test]
    fn documentation_is_found_above_attributes() {
        let text = RustText::new("fn z() {}\n/// One.\n#[expect(\n    lint,\n)]\npub fn a() {}\n");
        assert_eq!(text.documentation(6), ["/// One."]);
    }
}
