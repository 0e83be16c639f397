//! Tables and views, as the catalog has them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What was found, in the order of schemas and names.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    pub(crate) list: Vec<Relation>,
    /// About how much memory it takes.
    pub(crate) bytes: usize,
    /// There is more than is ever read at once.
    pub(crate) cut: bool,
}

/// A table or view.
#[derive(Debug, Default)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Schema and name as SQL has them, in quotes where they need some.
    pub(crate) identifier: String,
    /// `table`, `partitioned table`, `view`, `materialized view` or `foreign table`.
    pub(crate) kind: String,
    /// How many rows PostgreSQL thinks there are.
    pub(crate) estimate: Option<String>,
    pub(crate) comment: Option<String>,
    /// `RANGE (day)`, of a partitioned table.
    pub(crate) partition_key: Option<String>,
    /// `events FOR VALUES FROM … TO …`, of a partition.
    pub(crate) partition_of: Option<String>,
    /// In ordinal order.
    pub(crate) columns: Vec<ColumnInfo>,
    pub(crate) constraints: Vec<Constraint>,
    /// Those that no constraint made.
    pub(crate) indexes: Vec<Index>,
}

/// A column.
#[derive(Debug, Default)]
pub(crate) struct ColumnInfo {
    pub(crate) name: String,
    /// The name as SQL has it.
    pub(crate) identifier: String,
    pub(crate) data_type: String,
    pub(crate) not_null: bool,
    pub(crate) default: Option<String>,
    /// `generated always as identity` and its kin.
    pub(crate) generated: Option<String>,
    pub(crate) comment: Option<String>,
    /// What constraints say of this column alone: `primary key`, `references customers(id)`.
    pub(crate) keys: Vec<String>,
}

/// A key, reference, check or exclusion.
#[derive(Debug)]
pub(crate) struct Constraint {
    pub(crate) name: String,
    /// `primary key`, `unique`, `foreign key`, `check` or `exclusion`.
    pub(crate) kind: String,
    pub(crate) definition: String,
    /// A column says it already.
    pub(crate) of_one_column: bool,
}

/// An index.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) definition: String,
}

/// An identifier as it can be written in SQL. One that holds line breaks or characters that turn
/// the reading direction is written with escapes: it must not look like another line of the
/// answer, and stays what it is.
pub(crate) fn shown_identifier(name: &str, quoted: &str) -> String {
    if !name.contains(misleads) {
        return quoted.to_owned();
    }
    let mut shown = String::from("U&\"");
    for c in name.chars() {
        match c {
            '"' => shown.push_str("\"\""),
            '\\' => shown.push_str("\\\\"),
            c if misleads(c) => drop(write!(shown, "\\{:04X}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown.push('"');
    shown
}

/// Comments, defaults and definitions are other people's text: a line break in one must not look
/// like another table.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(misleads) { text.replace(misleads, " ").into() } else { text.into() }
}

/// Characters that begin a line or turn the reading direction (Unicode, UAX 9 and UAX 14).
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{one_line, shown_identifier};

    #[test]
    fn a_name_that_would_begin_a_line_is_written_with_escapes() {
        assert_eq!(shown_identifier("plain", "plain"), "plain");
        assert_eq!(shown_identifier("Ä b", "\"Ä b\""), "\"Ä b\"");
        let hostile = "a\n\"b\\\u{202e}";
        assert_eq!(shown_identifier(hostile, "unused"), "U&\"a\\000A\"\"b\\\\\\202E\"");
    }

    #[test]
    fn a_comment_stays_on_its_line() {
        assert_eq!(one_line("a\r\nb\u{2028}c"), "a  b c");
        assert_eq!(one_line("ä b"), "ä b");
    }
}
