//! The claims: each of the seven once, of the type that we write it in.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a token claims (RFC 7519 §4.1). Times are whole seconds since 1970; the audience is one.
#[derive(Serialize)]
pub(super) struct Claims<'a> {
    pub(super) iss: Cow<'a, str>,
    pub(super) sub: Cow<'a, str>,
    pub(super) aud: Cow<'a, str>,
    pub(super) exp: u64,
    pub(super) nbf: u64,
    pub(super) iat: u64,
    pub(super) jti: Cow<'a, str>,
}

impl<'a> Claims<'a> {
    /// `None`: one is missing, is there twice, or is of another type. Others than these may be
    /// there, once each; nobody looks at them.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

impl<'de> Deserialize<'de> for Claims<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

/// A text, borrowed where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims<'de>, A::Error> {
        let [mut iss, mut sub, mut aud, mut jti] = [const { None::<Text<'de>> }; 4];
        let [mut exp, mut nbf, mut iat] = [None::<u64>; 3];
        let mut others = HashSet::new();
        while let Some(Text(name)) = map.next_key()? {
            let first = match &*name {
                "iss" => iss.replace(map.next_value()?).is_none(),
                "sub" => sub.replace(map.next_value()?).is_none(),
                "aud" => aud.replace(map.next_value()?).is_none(),
                "jti" => jti.replace(map.next_value()?).is_none(),
                "exp" => exp.replace(map.next_value()?).is_none(),
                "nbf" => nbf.replace(map.next_value()?).is_none(),
                "iat" => iat.replace(map.next_value()?).is_none(),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    others.insert(name)
                }
            };
            if !first {
                return Err(A::Error::custom("a claim is there twice"));
            }
        }
        let text = |claim: Option<Text<'de>>| claim.map(|Text(text)| text);
        let whole = || {
            let (iss, sub, aud, jti) = (text(iss)?, text(sub)?, text(aud)?, text(jti)?);
            Some(Claims { iss, sub, aud, exp: exp?, nbf: nbf?, iat: iat?, jti })
        };
        whole().ok_or_else(|| A::Error::custom("a claim is missing"))
    }
}
