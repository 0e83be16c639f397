//! Bodies of requests: what they hold, read once, and the same as a schema.

use std::fmt;

use mcp_identity::Password;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use crate::answer::Answer;

/// The body of a request.
pub(crate) trait Form: Sized {
    /// Its JSON schema.
    fn schema() -> Value;

    /// Reads it. What is not named is passed over.
    fn read(fields: Fields) -> Result<Self, Answer>;

    /// Parses a body, once.
    fn parse(body: &[u8]) -> Result<Self, Answer> {
        match serde_json::from_slice::<Fields>(body) {
            Ok(fields) => Self::read(fields),
            // What the parser says may repeat what was sent.
            Err(_) => Err(Answer::field("body", "must be a JSON object, each member once")),
        }
    }
}

/// What a field may hold.
pub(crate) trait Kind: Sized {
    /// Whether the field must be there.
    const REQUIRED: bool = true;

    fn schema() -> Value;

    /// `Err`: what it should have been.
    fn read(value: Option<Value>) -> Result<Self, &'static str>;
}

/// The members of an object, each once.
pub(crate) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let place = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(place).1)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((key, value)) = map.next_entry()? {
            // Of two members of one name, two readers may take two different ones.
            if members.iter().any(|(known, _)| *known == key) {
                return Err(serde::de::Error::custom("a member twice"));
            }
            members.push((key, value));
        }
        Ok(Fields(members))
    }
}

/// Makes a struct a [`Form`]: its fields are the members, their types say the rest.
macro_rules! form {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        pub(crate) struct $name {
            $(pub(crate) $field: $kind),*
        }

        impl $crate::form::Form for $name {
            fn schema() -> serde_json::Value {
                $crate::form::object(&[$((
                    stringify!($field),
                    <$kind as $crate::form::Kind>::schema(),
                    <$kind as $crate::form::Kind>::REQUIRED,
                )),*])
            }

            fn read(
                mut fields: $crate::form::Fields,
            ) -> Result<Self, $crate::answer::Answer> {
                Ok(Self { $(
                    $field: <$kind as $crate::form::Kind>::read(fields.take(stringify!($field)))
                        .map_err(|what| {
                            $crate::answer::Answer::field(stringify!($field), what)
                        })?,
                )* })
            }
        }
    };
}
pub(crate) use form;

/// The schema of an object. Other members may be there, and do nothing.
pub(crate) fn object(fields: &[(&str, Value, bool)]) -> Value {
    let properties: serde_json::Map<_, _> =
        fields.iter().map(|(name, schema, _)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<_> = fields.iter().filter(|field| field.2).map(|field| field.0).collect();
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

impl Kind for String {
    fn schema() -> Value {
        json!({ "type": "string" })
    }

    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        match value {
            Some(Value::String(text)) => Ok(text),
            None => Err("is missing"),
            Some(_) => Err("must be a string"),
        }
    }
}

impl Kind for Password {
    fn schema() -> Value {
        json!({ "type": "string", "format": "password", "writeOnly": true })
    }

    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        String::read(value).map(Self::presented)
    }
}

impl Kind for bool {
    fn schema() -> Value {
        json!({ "type": "boolean" })
    }

    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        match value {
            Some(Value::Bool(flag)) => Ok(flag),
            None => Err("is missing"),
            Some(_) => Err("must be true or false"),
        }
    }
}

/// Left out, or `null`: not said.
impl<K: Kind> Kind for Option<K> {
    const REQUIRED: bool = false;

    fn schema() -> Value {
        let mut schema = K::schema();
        schema["type"] = json!([schema["type"], "null"]);
        schema
    }

    fn read(value: Option<Value>) -> Result<Self, &'static str> {
        match value {
            None | Some(Value::Null) => Ok(None),
            value => K::read(value).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    form! {
        /// A name, a secret and a choice.
        Example { name: String, secret: Password, choice: Option<bool> }
    }

    #[test]
    fn a_body_is_read_by_the_names_of_its_fields_and_the_rest_is_passed_over() {
        let body = br#"{"secret":"s","is_admin":true,"name":"n","choice":null}"#;
        let read = Example::parse(body).unwrap();
        assert_eq!((read.name.as_str(), read.secret.expose(), read.choice), ("n", "s", None));
    }

    #[test]
    fn what_is_wrong_is_told_by_the_name_of_its_field_and_never_repeated() {
        for (body, field) in [
            (r#"{"secret":"hunter2"}"#, "name"),
            (r#"{"name":"n","secret":["hunter2"]}"#, "secret"),
            (r#"{"name":"n","secret":"hunter2","choice":"hunter2"}"#, "choice"),
            (r#"{"name":"hunter2","name":"n","secret":"s"}"#, "body"),
            (r#""hunter2""#, "body"),
            ("{hunter2", "body"),
            ("", "body"),
        ] {
            let answer = Example::parse(body.as_bytes()).map(|_| ()).unwrap_err();
            let response = answer.into_response::<bytes::Bytes>();
            assert_eq!(response.status(), 422, "{body}");
            let told: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(told["field"], field, "{body}");
            assert!(!told.to_string().contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn the_schema_says_what_is_read() {
        let schema = Example::schema();
        assert_eq!(schema["required"], json!(["name", "secret"]));
        assert_eq!(schema["properties"]["choice"]["type"], json!(["boolean", "null"]));
        assert_eq!(schema["properties"]["secret"]["writeOnly"], true);
    }
}
