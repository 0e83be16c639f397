//! The YAML that is refused before it is parsed.
//!
//! An anchor, an alias, a tag or a directive makes a value come from somewhere else than where it
//! is read. The parser resolves them without a word, so they are looked for in the text: by a
//! scanner that knows where a node may start (behind quotes, comments, block scalars and the
//! continuation of plain text, none can).

/// How many `[` and `{` may be open at once: the parser's time grows with the square of it.
const DEEPEST: usize = 64;

/// The first construct that is refused: its line, counted from 1, and its name.
pub(crate) fn find_refused(text: &str) -> Option<(usize, &'static str)> {
    let mut scanner = Scanner::default();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if let Some(what) = scanner.line(line.as_bytes()) {
            return Some((index + 1, what));
        }
    }
    None
}

#[derive(Default)]
struct Scanner {
    /// How many `[` and `{` are open.
    flow: usize,
    within: Within,
    /// The column of the innermost key or dash so far: what is indented deeper belongs to it.
    parent: usize,
}

/// What the end of the last line left open.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    /// A quoted text, by its quote.
    Quotes(u8),
    /// Plain text, which goes on while lines are indented deeper than its parent.
    Plain,
    /// A block scalar (`|` or `>`), which does the same and may hold anything.
    Block,
}

impl Scanner {
    fn line(&mut self, line: &[u8]) -> Option<&'static str> {
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        let blank = line[indent..].iter().all(u8::is_ascii_whitespace);
        let mut at = 0;
        match self.within {
            Within::Quotes(_) => at = self.quoted(line, 0)?,
            Within::Plain | Within::Block if blank || self.continues(indent) => return None,
            Within::Plain | Within::Block | Within::Nothing => {
                self.within = Within::Nothing;
                if line.first() == Some(&b'%') && self.flow == 0 {
                    return Some("a directive (%)");
                }
                if line.starts_with(b"---") || line.starts_with(b"...") {
                    at = 3;
                }
            }
        }
        self.nodes(line, at)
    }

    /// Is a line of that indent still part of the text above it? At the top of the document
    /// (`parent` 0, no key yet) a text has no parent that it must be deeper than; no
    /// configuration is one.
    fn continues(&self, indent: usize) -> bool {
        self.flow == 0 && indent > self.parent
    }

    /// Looks at each place of the line where a node may start.
    fn nodes(&mut self, line: &[u8], mut at: usize) -> Option<&'static str> {
        while let Some(&byte) = line.get(at) {
            let spaced = line.get(at + 1).is_none_or(u8::is_ascii_whitespace);
            match byte {
                b' ' | b'\t' | b'\r' | b',' | b':' => at += 1,
                b'#' => return None,
                b'&' => return Some("an anchor (&)"),
                b'*' => return Some("an alias (*)"),
                b'!' => return Some("a tag (!)"),
                b'[' | b'{' if self.flow == DEEPEST => return Some("nesting this deep"),
                b'[' | b'{' => (self.flow, at) = (self.flow + 1, at + 1),
                b']' | b'}' => (self.flow, at) = (self.flow.saturating_sub(1), at + 1),
                b'-' | b'?' if spaced => (self.parent, at) = (at, at + 1),
                b'|' | b'>' if self.flow == 0 => {
                    self.within = Within::Block;
                    return None;
                }
                b'"' | b'\'' => {
                    self.within = Within::Quotes(byte);
                    let end = self.quoted(line, at + 1)?;
                    self.note_key(line, at, end);
                    at = end;
                }
                _ => {
                    let end = self.plain(line, at);
                    self.note_key(line, at, end);
                    at = end;
                }
            }
        }
        None
    }

    /// Skips to behind the closing quote. `None`: it is not on this line.
    fn quoted(&mut self, line: &[u8], mut at: usize) -> Option<usize> {
        let Within::Quotes(quote) = self.within else { return Some(at) };
        while let Some(&byte) = line.get(at) {
            let doubled = quote == b'\'' && line.get(at + 1) == Some(&b'\'');
            match byte {
                b'\\' if quote == b'"' => at += 2,
                _ if byte == quote && doubled => at += 2,
                _ if byte == quote => {
                    self.within = Within::Nothing;
                    return Some(at + 1);
                }
                _ => at += 1,
            }
        }
        None
    }

    /// Skips plain text, up to the `:` that makes it a key, a comment, or the end of the line.
    fn plain(&mut self, line: &[u8], start: usize) -> usize {
        for at in start + 1..line.len() {
            let next = line.get(at + 1);
            let ends = match line[at] {
                b':' => next.is_none_or(|byte| {
                    byte.is_ascii_whitespace() || (self.flow > 0 && b",[]{}".contains(byte))
                }),
                b'#' => line[at - 1].is_ascii_whitespace(),
                b',' | b'[' | b']' | b'{' | b'}' => self.flow > 0,
                _ => false,
            };
            if ends {
                return at;
            }
        }
        self.within = Within::Plain;
        line.len()
    }

    /// Remembers the column of a text that turned out to be a key.
    fn note_key(&mut self, line: &[u8], start: usize, end: usize) {
        let rest = line[end..].trim_ascii_start();
        if self.flow == 0 && rest.first() == Some(&b':') {
            self.parent = start;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::find_refused;

    #[test]
    fn an_anchor_an_alias_a_tag_or_a_directive_is_found_wherever_a_node_may_start() {
        for (text, line) in [
            ("a: &x 1\n", 1),
            ("a: 1\nb: *x\n", 2),
            ("a:\n  - &x {b: 1}\n", 2),
            ("a: !!str 1\n", 1),
            ("a: [1, *x]\n", 1),
            ("a: {b: 'c', d: !x e}\n", 1),
            ("&x a: 1\n", 1),
            ("? !x a\n: 1\n", 1),
            ("'a': |\n  text\nb: *x\n", 3),
            ("a: \"x\n  y\"\nb: &y 1\n", 3),
            ("a: plain\n  *not an alias\nb: *x\n", 3),
            ("--- !x\na: 1\n", 1),
            ("\u{feff}%YAML 1.2\n---\na: 1\n", 1),
            ("a:\n- >-\n  text\n- *x\n", 4),
        ] {
            assert_eq!(find_refused(text).map(|found| found.0), Some(line), "{text}");
        }
        assert_eq!(find_refused(&"[".repeat(64)), None);
        assert!(find_refused(&"[".repeat(65)).is_some());
    }

    #[test]
    fn the_same_characters_inside_text_are_text() {
        for text in [
            "a: 'it''s *x &y !z'\n",
            "a: \"\\\"*x\" # &comment *here\n",
            "a: b*c&d!e\n",
            "a: |\n  *x\n  &y\n\n  !z\nb: 1\n",
            "a:\n  - b: >\n      *x\n    c: 1\n",
            "a: plain\n  *still plain\n  'and this\n",
            "a: http://x.example/#!frag\n",
            "# &a *b !c\na: 1\n",
            "a: [\"*\", '&']\n",
        ] {
            assert_eq!(find_refused(text), None, "{text}");
        }
    }
}
