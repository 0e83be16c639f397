//! What is sent.

use std::fmt;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use mcp_identity::Password;
use serde_json::Value;
use serde_json::error::Category;

use super::answers::{Answer, detail, field};
use crate::form::Fields;

/// `{"email"}`. Other fields are passed over.
pub(super) struct Forgot {
    pub(super) email: String,
}

/// `{"token","new_password"}`.
pub(super) struct ResetByToken {
    pub(super) token: String,
    pub(super) new_password: String,
}

/// A password, twice.
pub(super) struct NewPassword {
    new_password: String,
    confirm_password: String,
}

/// Why a body says nothing. What it held is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is of another type.
    Type,
    /// It is not what it says it is.
    Malformed,
    /// These fields are not all there, as text.
    Fields(&'static [&'static str]),
    /// The two passwords are not one.
    Differ,
}

impl Unread {
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::Type => detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"),
            Self::Malformed => detail(StatusCode::BAD_REQUEST, "Malformed JSON"),
            Self::Fields(names) => field(&names.join(", "), "missing or not text"),
            Self::Differ => field("confirm_password", "does not match new_password"),
        }
    }
}

impl Forgot {
    pub(super) fn read(parts: &Parts, body: &[u8]) -> Result<Self, Unread> {
        let mut sent = Sent::read(parts, body, &["email"])?;
        Ok(Self { email: sent.text("email")? })
    }
}

impl ResetByToken {
    pub(super) fn read(parts: &Parts, body: &[u8]) -> Result<Self, Unread> {
        let mut sent = Sent::read(parts, body, &["token", "new_password"])?;
        Ok(Self { token: sent.text("token")?, new_password: sent.text("new_password")? })
    }
}

impl NewPassword {
    const FIELDS: &[&str] = &["new_password", "confirm_password"];

    pub(super) fn read_json(parts: &Parts, body: &[u8]) -> Result<Self, Unread> {
        let mut sent = Sent::read(parts, body, Self::FIELDS)?;
        let new_password = sent.text("new_password")?;
        Ok(Self { new_password, confirm_password: sent.text("confirm_password")? })
    }

    /// A form of a page: each field once.
    pub(super) fn read_form(parts: &Parts, body: &[u8]) -> Result<Self, Unread> {
        if !is_of(parts, "application/x-www-form-urlencoded") {
            return Err(Unread::Type);
        }
        let one = |name: &str| {
            let mut found = form_urlencoded::parse(body).filter(|(key, _)| key == name);
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(value.into_owned()),
                _ => Err(Unread::Fields(Self::FIELDS)),
            }
        };
        Ok(Self { new_password: one("new_password")?, confirm_password: one("confirm_password")? })
    }

    pub(super) fn agreed(self) -> Result<Password, Unread> {
        if self.new_password != self.confirm_password {
            return Err(Unread::Differ);
        }
        Ok(Password::presented(self.new_password))
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

/// An object that was sent: each of its members once, as at every other endpoint.
struct Sent {
    fields: Fields,
    names: &'static [&'static str],
}

impl Sent {
    fn read(parts: &Parts, body: &[u8], names: &'static [&'static str]) -> Result<Self, Unread> {
        if !is_of(parts, "application/json") {
            return Err(Unread::Type);
        }
        let fields = serde_json::from_slice(body).map_err(|error| match error.classify() {
            Category::Data => Unread::Fields(names),
            Category::Syntax | Category::Eof | Category::Io => Unread::Malformed,
        })?;
        Ok(Self { fields, names })
    }

    fn text(&mut self, name: &str) -> Result<String, Unread> {
        match self.fields.take(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Unread::Fields(self.names)),
        }
    }
}

/// Is the body of this type? Said once, parameters aside.
fn is_of(parts: &Parts, wanted: &str) -> bool {
    let mut types = parts.headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let said = only.to_str().unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}
