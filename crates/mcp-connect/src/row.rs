//! Columns and rows.

use std::ops::Range;

use crate::error::WireError;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the statement names it; may be empty or repeat another's.
    pub name: String,
    /// The id in `pg_type`; see [`type_name`](crate::type_name).
    pub type_oid: u32,
}

/// One row, borrowed from the read buffer. Values are in PostgreSQL's text form.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    body: &'a [u8],
    values: &'a [Value],
}

/// Where a value lies in the body of its message; `None` is NULL. Known to be UTF-8.
pub(crate) type Value = Option<Range<usize>>;

impl<'a> Row<'a> {
    pub(crate) fn new(body: &'a [u8], values: &'a [Value]) -> Self {
        Self { body, values }
    }

    /// How many values, NULLs included: as many as there are columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// A row may have no values at all: `SELECT FROM t`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many bytes its values have together.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.values.iter().flatten().map(ExactSizeIterator::len).sum()
    }

    /// The value at a place, from 0. `None`: it is NULL, or there is no such place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&'a str> {
        let range = self.values.get(place)?.clone()?;
        // Checked when the row came in, so nothing is lost here.
        std::str::from_utf8(self.body.get(range)?).ok()
    }

    /// The values in order; NULL is `None`.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + use<'a> {
        let row = *self;
        (0..row.len()).map(move |place| row.get(place))
    }
}

/// Reads the body of a `RowDescription` into `columns`.
pub(crate) fn parse_columns(body: &[u8], columns: &mut Vec<Column>) -> Result<(), WireError> {
    const CUT: WireError = WireError::Protocol("a cut row description");
    // Table, attribute, type, size, modifier, format: 4 + 2 + 4 + 2 + 4 + 2 bytes.
    const AFTER_NAME: usize = 18;
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or(CUT)?;
    columns.clear();
    for _ in 0..u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0).ok_or(CUT)?;
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        let (tail, next) = rest[end + 1..].split_at_checked(AFTER_NAME).ok_or(CUT)?;
        let type_oid = u32::from_be_bytes([tail[6], tail[7], tail[8], tail[9]]);
        columns.push(Column { name, type_oid });
        rest = next;
    }
    if rest.is_empty() { Ok(()) } else { Err(CUT) }
}

/// Finds the values in the body of a `DataRow`, which must have `expected` of them.
pub(crate) fn parse_row(
    body: &[u8],
    expected: usize,
    values: &mut Vec<Value>,
) -> Result<(), WireError> {
    const CUT: WireError = WireError::Protocol("a cut row");
    values.clear();
    let count = body.first_chunk::<2>().ok_or(CUT)?;
    if usize::from(u16::from_be_bytes(*count)) != expected {
        return Err(WireError::Protocol("a row with another number of values than columns"));
    }
    // One look at all of it spares most rows one at each value.
    let is_ascii = body.is_ascii();
    let mut at = 2;
    for _ in 0..expected {
        let length = body.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or(CUT)?;
        at += 4;
        let value = match i32::from_be_bytes(*length) {
            -1 => None,
            length => {
                let length = usize::try_from(length).map_err(|_| CUT)?;
                let range = at..at.checked_add(length).ok_or(CUT)?;
                let bytes = body.get(range.clone()).ok_or(CUT)?;
                // A database in SQL_ASCII passes on whatever was put into it.
                if !is_ascii && std::str::from_utf8(bytes).is_err() {
                    return Err(WireError::Protocol("a value that is not UTF-8"));
                }
                at = range.end;
                Some(range)
            }
        };
        values.push(value);
    }
    if at == body.len() { Ok(()) } else { Err(CUT) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Row, parse_columns, parse_row};

    #[test]
    fn null_and_the_empty_text_are_two_things() {
        let body = [0, 2, 255, 255, 255, 255, 0, 0, 0, 0];
        let mut values = Vec::new();
        parse_row(&body, 2, &mut values).unwrap();
        let row = Row::new(&body, &values);
        assert_eq!(row.iter().collect::<Vec<_>>(), [None, Some("")]);
        assert_eq!(row.byte_len(), 0);
    }

    #[test]
    fn every_value_is_checked_whatever_stands_beside_it() {
        let body = |value: &[u8]| [&[0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 2], value].concat();
        let mut values = Vec::new();
        let body_of_text = body("ü".as_bytes());
        parse_row(&body_of_text, 2, &mut values).unwrap();
        let row = Row::new(&body_of_text, &values);
        assert_eq!(row.iter().collect::<Vec<_>>(), [Some("a"), Some("ü")]);
        assert_eq!(row.byte_len(), 3);
        assert!(parse_row(&body(b"\xc3\x28"), 2, &mut values).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_row(&body, 2, &mut Vec::new());
            let _ = parse_columns(&body, &mut Vec::new());
        }
    }
}
