//! Values: how each kind is written, checked and shown.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use mcp_identity::SigningSecret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize as _, Deserializer, de};

use crate::document::{Node, Scalar};
use crate::secret::Secret;

const KIB: u64 = 1 << 10;
const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(&str, u64); 4] =
    [("", 1), ("KiB", KIB), ("MiB", KIB * KIB), ("GiB", KIB * KIB * KIB)];

/// What a key takes. The bounds are inclusive; durations are bounded in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Bool,
    Integer {
        min: u64,
        max: u64,
    },
    Duration {
        min_ms: u64,
        max_ms: u64,
    },
    Size {
        min: u64,
        max: u64,
    },
    OneOf(&'static [&'static str]),
    /// Relative ones in a file are relative to that file.
    Path,
    /// One of the words, or the prefix and a path, which is as above.
    WordOrPath {
        words: &'static [&'static str],
        prefix: &'static str,
    },
    Secret,
    /// What tokens are signed with.
    SigningSecret,
    /// One line of text that a rule accepts.
    Text {
        accepted: &'static str,
        check: fn(&str) -> bool,
    },
    /// In the environment and on the command line: separated by commas.
    List {
        accepted: &'static str,
        check: fn(&str) -> bool,
    },
}

impl Kind {
    /// A value as the environment or a flag writes it. `None`: not accepted.
    pub(crate) fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::Bool => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(Value::Bool(true)),
                "false" | "no" | "off" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Integer { min, max } => {
                let number = text.parse().ok().filter(|n| (min..=max).contains(n))?;
                Some(Value::Integer(number))
            }
            Self::Duration { min_ms, max_ms } => {
                let ms = parse_milliseconds(text).filter(|n| (min_ms..=max_ms).contains(n))?;
                Some(Value::Duration(Duration::from_millis(ms)))
            }
            Self::Size { min, max } => {
                let bytes = parse_bytes(text).filter(|n| (min..=max).contains(n))?;
                Some(Value::Size(bytes))
            }
            Self::OneOf(words) => words.contains(&text).then(|| Value::Text(text.into())),
            Self::Path => is_line(text).then(|| Value::Path(text.into())),
            Self::WordOrPath { words, prefix } => {
                let is_path = text.strip_prefix(prefix).is_some_and(is_line);
                (is_path || words.contains(&text)).then(|| Value::Text(text.into()))
            }
            Self::Secret => secret_if(!text.is_empty() && !text.contains('\0'), text),
            Self::SigningSecret => secret_if(SigningSecret::parse(text).is_ok(), text),
            Self::Text { check, .. } => {
                (is_line(text) && check(text)).then(|| Value::Text(text.into()))
            }
            Self::List { .. } => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                self.list(items.map(Some))
            }
        }
    }

    /// A value as a file writes it. `None`: not accepted.
    ///
    /// A number is no text: `password: 0x1F` would silently become another password.
    pub(crate) fn read(self, node: &Node) -> Option<Value> {
        match (self, node) {
            (Self::List { .. }, Node::List(items)) => self.list(items.iter().map(Node::as_text)),
            (Self::List { .. }, _) => None,
            (Self::Bool, Node::Scalar(Scalar::Bool(value))) => Some(Value::Bool(*value)),
            (
                Self::Integer { .. } | Self::Duration { .. } | Self::Size { .. },
                Node::Scalar(Scalar::Number(text)),
            )
            | (_, Node::Scalar(Scalar::Text(text))) => self.parse(text),
            _ => None,
        }
    }

    fn list<'a>(self, items: impl Iterator<Item = Option<&'a str>>) -> Option<Value> {
        let Self::List { check, .. } = self else { return None };
        let accept = |item: &&str| is_line(item) && check(item);
        items
            .map(|item| item.filter(accept).map(str::to_owned))
            .collect::<Option<_>>()
            .map(Value::List)
    }
}

/// What is accepted, as the words after "expected".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Duration { min_ms, max_ms } => {
                let [min, max] = [*min_ms, *max_ms].map(write_milliseconds);
                write!(f, "a duration from {min} to {max} (500ms, 30s, 2m, or plain seconds)")
            }
            Self::Size { min, max } => {
                let [min, max] = [*min, *max].map(write_bytes);
                write!(f, "a size from {min} to {max} (64KiB, 1MiB, or plain bytes)")
            }
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Path => f.write_str("a path"),
            Self::WordOrPath { words, prefix } => {
                write!(f, "{}, or {prefix}PATH", words.join(", "))
            }
            Self::Secret => f.write_str("text, in quotes where it looks like a number"),
            Self::SigningSecret => write!(
                f,
                "{} bytes or more that nobody can guess, and not those of the documentation \
                 (openssl rand -base64 48 makes some)",
                SigningSecret::MIN_BYTES
            ),
            Self::Text { accepted, .. } | Self::List { accepted, .. } => f.write_str(accepted),
        }
    }
}

/// A checked value. `Display` masks secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Bool(bool),
    Integer(u64),
    Duration(Duration),
    Size(u64),
    Text(String),
    Path(String),
    List(Vec<String>),
    Secret(Secret),
}

impl Value {
    /// The form that the typed sections read.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Integer(number) | Self::Size(number) => (*number).into(),
            Self::Duration(_) => self.to_string().into(),
            Self::Text(text) | Self::Path(text) => text.as_str().into(),
            Self::List(items) => items.as_slice().into(),
            Self::Secret(secret) => secret.expose().into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Duration(time) => f.write_str(&write_milliseconds(
                u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            )),
            Self::Size(bytes) => f.write_str(&write_bytes(*bytes)),
            Self::Text(text) | Self::Path(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(",")),
            // Of one length, so that it does not tell the secret's.
            Self::Secret(_) => f.write_str("********"),
        }
    }
}

fn secret_if(usable: bool, text: &str) -> Option<Value> {
    usable.then(|| Value::Secret(Secret::new(text.into())))
}

/// Text that stays on its line wherever it is shown.
fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn parse_milliseconds(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let unit = if unit.is_empty() { "s" } else { unit };
    let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

fn write_milliseconds(ms: u64) -> String {
    if ms == 0 {
        return "0s".into();
    }
    write_in(ms, &DURATION_UNITS)
}

fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

fn write_bytes(bytes: u64) -> String {
    write_in(bytes, &SIZE_UNITS)
}

/// The digits and what follows them; a space between the two is fine.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim_start()))
}

/// The number in the largest unit that loses nothing.
fn write_in(number: u64, units: &[(&str, u64)]) -> String {
    let exact = |(_, factor): &&(&str, u64)| number != 0 && number.is_multiple_of(*factor);
    match units.iter().rev().find(exact) {
        Some((name, factor)) => format!("{}{name}", number / factor),
        None => number.to_string(),
    }
}

/// How a duration stands in a file: `30s`, `2m`, `500ms`, or a plain number of seconds.
pub(crate) struct DurationText;

impl DurationText {
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        let ms = parse_milliseconds(&text).ok_or_else(|| de::Error::custom("not a duration"))?;
        Ok(Duration::from_millis(ms))
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+ *(ms|s|m|h|d)?$" })
    }
}

/// How a size stands in a file: `64KiB`, `1MiB`, or a plain number of bytes.
pub(crate) struct SizeText;

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+ *(KiB|MiB|GiB)?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Kind = Kind::Duration { min_ms: 1, max_ms: 86_400_000 };
    const SIZE: Kind = Kind::Size { min: 1, max: 1 << 30 };

    #[test]
    fn a_value_is_shown_in_the_largest_unit_that_loses_nothing_and_reads_back() {
        for (written, shown) in
            [("30", "30s"), ("120s", "2m"), ("90s", "90s"), ("1500ms", "1500ms"), ("24h", "1d")]
        {
            let value = TIME.parse(written).unwrap();
            assert_eq!(value.to_string(), shown);
            assert_eq!(TIME.parse(shown), Some(value));
        }
        assert_eq!(SIZE.parse("1 MiB").unwrap().to_string(), "1MiB");
        assert_eq!(SIZE.parse("1000").unwrap().to_string(), "1000");
    }

    #[test]
    fn a_number_out_of_bounds_or_of_another_unit_is_refused() {
        for bad in ["0", "2d", "1.5s", "-1s", "s", "", "1w", "99999999999999999999"] {
            assert_eq!(TIME.parse(bad), None, "{bad}");
        }
        for bad in ["0", "2GiB", "1MB", "1mib", "18446744073709551615GiB"] {
            assert_eq!(SIZE.parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_number_in_the_file_is_not_taken_for_text() {
        let number = Node::Scalar(Scalar::Number("31".into()));
        assert_eq!(Kind::Secret.read(&number), None);
        assert_eq!(TIME.read(&number), TIME.parse("31s"));
    }
}
