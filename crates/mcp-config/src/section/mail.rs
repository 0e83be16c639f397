//! `mail`: where letters go.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::table::Fallback::{Derived, Is};
use crate::table::Key;
use crate::value::Kind;

const DIRECTORY: &str = "directory:";

const SUBJECT: Kind = Kind::Text {
    accepted: "one line of 1 to 500 bytes",
    check: |text| {
        (1..=500).contains(&text.len())
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control)
    },
};

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "mail.outbox",
        Kind::WordOrPath { words: &["smtp", "none"], prefix: DIRECTORY },
        Derived("`smtp` when `smtp.enabled` is on, else `none`"),
    ),
    Key::new("mail.reset_subject", SUBJECT, Is("Reset your password")),
    Key::new("mail.confirmation_subject", SUBJECT, Is("Your password was reset")),
    Key::new("mail.lockout_subject", SUBJECT, Is("Your account was locked")),
];

/// Where letters go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `smtp`; `directory:PATH`, where each letter becomes a file; or `none`: no letter is sent.
    #[serde(deserialize_with = "read_outbox")]
    #[schemars(with = "String")]
    pub outbox: MailOutbox,
    /// The subject of the letter with a link for a new password.
    pub reset_subject: String,
    /// The subject of the word that a password was set by such a link.
    pub confirmation_subject: String,
    /// The subject of the word that an account was locked.
    pub lockout_subject: String,
}

/// Where letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailOutbox {
    /// To the server of the section `smtp`, which is enabled then.
    Smtp,
    /// Into files in this directory.
    Directory(PathBuf),
    /// Nowhere: what needs a letter says that it cannot be had.
    None,
}

fn read_outbox<'de, D: Deserializer<'de>>(from: D) -> Result<MailOutbox, D::Error> {
    let text = String::deserialize(from)?;
    match (text.as_str(), text.strip_prefix(DIRECTORY)) {
        ("smtp", _) => Ok(MailOutbox::Smtp),
        ("none", _) => Ok(MailOutbox::None),
        (_, Some(path)) => Ok(MailOutbox::Directory(path.into())),
        _ => Err(de::Error::custom("not an outbox")),
    }
}
