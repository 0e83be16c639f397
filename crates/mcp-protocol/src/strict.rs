//! What JSON this server refuses although a parser would take it.
//!
//! Two parsers that meet a duplicate key may each believe another value; then what was authorised
//! is not what is executed. So duplicates are refused anywhere in a message. Depth is bounded by
//! `serde_json` itself (128).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How the parser itself names what it carries as text inside of values. An object with such a
/// key would be read as the JSON in its text, which nobody has looked at: its depth and its
/// duplicates would count from nothing.
const RESERVED: &str = "$serde_json::private::";

/// Checks the whole of a message: UTF-8, well-formed, one value, no duplicate key, at most 128
/// deep. Gives it back as text: who reads on need not look at its characters again.
///
/// # Errors
/// The parser's own words, with line and column.
pub(crate) fn check(bytes: &[u8]) -> Result<&str, serde_json::Error> {
    let text = std::str::from_utf8(bytes).map_err(serde_json::Error::custom)?;
    serde_json::from_str::<Strict>(text).map(|Strict| text)
}

struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut seen = Keys::Few(Vec::new());
        while let Some(Key(key)) = map.next_key()? {
            if key.starts_with(RESERVED) {
                return Err(A::Error::custom("a key that is reserved"));
            }
            if !seen.add(key) {
                return Err(A::Error::custom("duplicate key in an object"));
            }
            map.next_value::<Strict>()?;
        }
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        while items.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Strict, D::Error> {
        IgnoredAny::deserialize(inner).map(|_| Strict)
    }
}

/// A key as the parser decodes it: `"a"` and `"\u0061"` are the same key.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// The keys of one object: a list while they are few, a set once a list would be slow.
enum Keys<'de> {
    Few(Vec<Cow<'de, str>>),
    Many(HashSet<Cow<'de, str>>),
}

impl<'de> Keys<'de> {
    /// `false` if the key was there already.
    fn add(&mut self, key: Cow<'de, str>) -> bool {
        const FEW: usize = 16;
        match self {
            Self::Few(keys) if keys.contains(&key) => false,
            Self::Few(keys) if keys.len() < FEW => {
                keys.push(key);
                true
            }
            Self::Few(keys) => {
                let mut many: HashSet<_> = keys.drain(..).collect();
                let fresh = many.insert(key);
                *self = Self::Many(many);
                fresh
            }
            Self::Many(keys) => keys.insert(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_duplicate_key_is_refused_at_any_depth_and_in_any_spelling() {
        for doubled in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":[{"a":1,"\u0061":2}]}"#,
            r#"{"a":{"b":{"c":1,"d":2,"c":3}}}"#,
        ] {
            assert!(check(doubled.as_bytes()).is_err(), "{doubled}");
        }
        assert!(check(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    #[test]
    fn a_duplicate_among_many_keys_is_refused() {
        let keys: Vec<_> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(check(format!("{{{}}}", keys.join(",")).as_bytes()).is_ok());
        assert!(check(format!("{{{},\"k3\":0}}", keys.join(",")).as_bytes()).is_err());
    }

    #[test]
    fn json_in_a_text_is_not_taken_for_json() {
        for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
            let escaped = key.replace('$', "\\u0024");
            for key in [key, &escaped] {
                assert!(check(format!(r#"[{{"{key}":"[[1]]"}}]"#).as_bytes()).is_err(), "{key}");
            }
        }
        assert!(check(br#"{"$serde_json":"[]"}"#).is_ok());
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(check(deep(127).as_bytes()).is_ok());
        assert!(check(deep(129).as_bytes()).is_err());
        assert!(check(deep(500_000).as_bytes()).is_err());
    }

    #[test]
    fn what_follows_the_value_is_refused() {
        assert!(check(b"{} {}").is_err());
        assert!(check(b"").is_err());
        assert!(check(b"\xff").is_err());
    }
}
