//! Rows as tab-separated text that can be read back.

use mcp_connect::{Column, Row};

/// Appends the header: the names of the columns, and a line feed.
pub fn push_header(line: &mut String, columns: &[Column]) {
    for (place, column) in columns.iter().enumerate() {
        if place > 0 {
            line.push('\t');
        }
        push_escaped(line, &column.name);
    }
    line.push('\n');
}

/// Appends one row and a line feed. NULL is `\N`, an empty string is empty, and `\t \n \r \\`
/// stand for the characters that would break a line or a column.
pub fn push_row(line: &mut String, row: &Row<'_>) {
    for place in 0..row.len() {
        if place > 0 {
            line.push('\t');
        }
        match row.get(place) {
            None => line.push_str("\\N"),
            Some(value) => push_escaped(line, value),
        }
    }
    line.push('\n');
}

fn push_escaped(line: &mut String, value: &str) {
    let mut rest = value;
    let is_escaped = |byte| matches!(byte, b'\t' | b'\n' | b'\r' | b'\\');
    while let Some(place) = rest.bytes().position(is_escaped) {
        line.push_str(&rest[..place]);
        line.push_str(match rest.as_bytes()[place] {
            b'\t' => "\\t",
            b'\n' => "\\n",
            b'\r' => "\\r",
            _ => "\\\\",
        });
        rest = &rest[place + 1..];
    }
    line.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::push_escaped;

    /// Reads a value back, as the first lines of this file say.
    fn read(written: &str) -> String {
        let mut text = String::new();
        let mut rest = written.chars();
        while let Some(c) = rest.next() {
            text.push(match c {
                '\\' => match rest.next().unwrap() {
                    't' => '\t',
                    'n' => '\n',
                    'r' => '\r',
                    other => other,
                },
                c => c,
            });
        }
        text
    }

    #[test]
    fn every_character_that_there_is_comes_back() {
        let every: String = ('\0'..=char::MAX).collect();
        let mut line = String::new();
        push_escaped(&mut line, &every);
        assert_eq!(read(&line), every);
        assert!(!line.contains(['\t', '\n', '\r']));
    }

    proptest! {
        #[test]
        fn no_value_can_be_taken_for_null(text in any::<String>()) {
            let mut line = String::new();
            push_escaped(&mut line, &text);
            prop_assert_eq!(read(&line), text);
            prop_assert_ne!(line, "\\N");
        }
    }

    #[test]
    fn a_value_never_breaks_its_line_or_column() {
        let mut line = String::new();
        push_escaped(&mut line, "a\tb\nc\rd\\e\\N");
        assert_eq!(line, "a\\tb\\nc\\rd\\\\e\\\\N");
    }
}
