//! What is sent about lost passwords.

use http::request::Parts;
use mcp_identity::Password;

use crate::answer::Answer;
use crate::body::is_of;
use crate::form::form;

form! {
    /// `POST /auth/password-reset-request` and `POST /auth/email/forgot-password`
    Forgot { email: String }
}

form! {
    /// `POST /auth/password-reset`
    ResetByToken { token: Password, new_password: Password }
}

form! {
    /// `POST /auth/email/reset-password/{token}`: a password, twice.
    NewPassword { new_password: Password, confirm_password: Password }
}

/// Why the form of the page says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is none, or a field is not there, or there twice.
    Malformed,
    /// The two passwords are not one.
    Differ,
}

impl NewPassword {
    /// A form of a page: each field once.
    pub(super) fn read_page(parts: &Parts, body: &[u8]) -> Result<Password, Unread> {
        if !is_of(&parts.headers, "application/x-www-form-urlencoded") {
            return Err(Unread::Malformed);
        }
        let one = |name: &str| {
            let mut found = form_urlencoded::parse(body).filter(|(key, _)| key == name);
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(Password::presented(value.into_owned())),
                _ => Err(Unread::Malformed),
            }
        };
        let (new_password, confirm_password) = (one("new_password")?, one("confirm_password")?);
        Self { new_password, confirm_password }.agreed().ok_or(Unread::Differ)
    }

    /// The one password that both are.
    pub(super) fn agreed(self) -> Option<Password> {
        let agree = self.new_password.expose() == self.confirm_password.expose();
        agree.then_some(self.new_password)
    }
}

/// The two passwords are not one.
pub(super) fn differ() -> Answer {
    Answer::field("confirm_password", "does not match new_password")
}
