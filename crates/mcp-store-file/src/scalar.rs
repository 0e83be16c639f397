//! Single values and lists of them, taken as the text that stands there.

use std::collections::BTreeSet;
use std::fmt;

use mcp_identity::{DatabaseName, DbRole, RoleName, ToolName};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};

pub(crate) type Reads<T> = fn(&str) -> Result<T, String>;

#[expect(clippy::unnecessary_wraps, reason = "one of several readers of a scalar")]
pub(crate) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(crate) fn database(text: &str) -> Result<DatabaseName, String> {
    DatabaseName::parse(text).map_err(|fault| fault.to_string())
}

pub(crate) fn db_role(text: &str) -> Result<DbRole, String> {
    DbRole::parse(text).map_err(|fault| fault.to_string())
}

pub(crate) fn role(text: &str) -> Result<RoleName, String> {
    RoleName::parse(text).ok_or_else(|| "expected a role: letters, digits, `_`, `-`".to_owned())
}

pub(crate) fn tool(text: &str) -> Result<ToolName, String> {
    ToolName::parse(text).map_err(|fault| fault.to_string())
}

pub(crate) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A scalar, whatever YAML takes it for, as the text that stands there.
pub(crate) struct Scalar<F>(pub(crate) F);

impl<'de, T, F: FnOnce(&str) -> Result<T, String>> DeserializeSeed<'de> for Scalar<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<T, D::Error> {
        source.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Scalar<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// A scalar or `null`.
pub(crate) struct Nullable<F>(pub(crate) F);

impl<'de, T, F: FnOnce(&str) -> Result<T, String>> DeserializeSeed<'de> for Nullable<F> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_option(self)
    }
}

impl<'de, T, F: FnOnce(&str) -> Result<T, String>> Visitor<'de> for Nullable<F> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or null")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        Scalar(self.0).deserialize(source).map(Some)
    }
}

/// A list of scalars, each once, or `null`.
pub(crate) struct Many<T>(pub(crate) Reads<T>);

impl<'de, T: Ord> DeserializeSeed<'de> for Many<T> {
    type Value = Option<BTreeSet<T>>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de, T: Ord> Visitor<'de> for Many<T> {
    type Value = Option<BTreeSet<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = list.next_element_seed(Scalar(self.0))? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name appears twice"));
            }
        }
        Ok(Some(names))
    }
}
