//! Rows as JSON: each value in PostgreSQL's own text form, or null.

use std::fmt::Write as _;

use mcp_connect::Row;

/// Appends a row as an array. NULL is `null`; every other value is a string, because no number of
/// JSON holds a `numeric`, and an empty string is an empty string.
pub fn push_json_row(line: &mut String, row: &Row<'_>) {
    line.push('[');
    for (place, value) in row.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        match value {
            None => line.push_str("null"),
            Some(value) => push_json_text(line, value),
        }
    }
    line.push(']');
}

/// Appends a text as a JSON string (RFC 8259 §7). U+2028 and U+2029 are escaped too, because they
/// end a line for some readers, and U+007F because a terminal obeys it.
pub fn push_json_text(line: &mut String, text: &str) {
    line.push('"');
    let mut rest = text;
    while let Some(place) = rest.find(is_escaped) {
        line.push_str(&rest[..place]);
        let mut behind = rest[place..].chars();
        match behind.next() {
            Some('"') => line.push_str("\\\""),
            Some('\\') => line.push_str("\\\\"),
            Some('\n') => line.push_str("\\n"),
            Some('\r') => line.push_str("\\r"),
            Some('\t') => line.push_str("\\t"),
            Some(other) => drop(write!(line, "\\u{:04x}", u32::from(other))),
            None => {}
        }
        rest = behind.as_str();
    }
    line.push_str(rest);
    line.push('"');
}

fn is_escaped(c: char) -> bool {
    matches!(c, '"' | '\\' | '\0'..='\x1f' | '\x7f' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::push_json_text;

    #[test]
    fn every_character_that_there_is_comes_back() {
        let every: String = ('\0'..=char::MAX).collect();
        let mut line = String::new();
        push_json_text(&mut line, &every);
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), every);
        assert!(!line.contains(['\n', '\r', '\u{2028}', '\u{2029}', '\x1b', '\x7f']));
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let mut line = String::new();
            push_json_text(&mut line, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
