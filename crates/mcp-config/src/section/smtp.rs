//! `smtp`: the server that letters are handed to.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::address::{is_mail_address, is_mail_host};
use crate::secret::Secret;
use crate::table::Fallback::{Derived, Is, Unset};
use crate::table::Key;
use crate::value::Kind;

const HOST: Kind =
    Kind::Text { accepted: "a host name or an address, without a port", check: is_mail_host };
const ADDRESS: Kind =
    Kind::Text { accepted: "an address like mcp@example.com", check: is_mail_address };
const NAME: Kind =
    Kind::Text { accepted: "one line of at most 500 bytes", check: |text| text.len() <= 500 };
const TEXT: Kind =
    Kind::Text { accepted: "text, in quotes where it looks like a number", check: |_| true };

pub(crate) const KEYS: &[Key] = &[
    Key::new("smtp.enabled", Kind::Bool, Derived("`true` when `smtp.host` is given"))
        .aliases(&["SMTP_ENABLED"]),
    Key::new("smtp.host", HOST, Unset("none")).aliases(&["SMTP_HOST"]),
    Key::new(
        "smtp.port",
        Kind::Integer { min: 1, max: 65_535 },
        Derived("`587`; `465` with `smtp.tls`"),
    )
    .aliases(&["SMTP_PORT"]),
    Key::new("smtp.starttls", Kind::Bool, Derived("`true`, unless `smtp.tls` is"))
        .aliases(&["SMTP_USE_TLS"]),
    Key::new("smtp.tls", Kind::Bool, Is("false")).aliases(&["SMTP_USE_SSL"]),
    Key::new("smtp.ca_file", Kind::Path, Unset("the system's authorities")),
    Key::new("smtp.user", TEXT, Unset("no login")).aliases(&["SMTP_USER", "SMTP_USERNAME"]),
    Key::new("smtp.password", Kind::Secret, Unset("none")).aliases(&["SMTP_PASSWORD"]),
    Key::new("smtp.from_email", ADDRESS, Unset("none; SMTP needs one"))
        .aliases(&["SMTP_FROM_EMAIL"]),
    Key::new("smtp.from_name", NAME, Unset("none")).aliases(&["SMTP_FROM_NAME"]),
    Key::new("smtp.timeout_seconds", Kind::Integer { min: 1, max: 600 }, Is("15"))
        .aliases(&["SMTP_TIMEOUT_SECONDS"]),
];

/// The server that letters are handed to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Hand letters to a mail server.
    pub enabled: bool,
    /// The name of the server, which its certificate must bear, or its address.
    ///
    /// There when `enabled` is on.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// Ask for TLS before anything else is said, and send nothing if the server has none.
    ///
    /// Of this and `tls` at most one is on; both are off for a server on this machine only.
    pub starttls: bool,
    /// TLS from the first byte.
    pub tls: bool,
    /// The authorities that the server's certificate must lead to, PEM.
    pub ca_file: Option<PathBuf>,
    /// The user that logs in.
    pub user: Option<String>,
    /// The password of that user.
    ///
    /// There when `user` is, and never without.
    pub password: Option<Secret>,
    /// The address that letters are from.
    ///
    /// There when `enabled` is on. Only its shape was looked at: whoever sends reads it.
    pub from_email: Option<String>,
    /// The name beside that address.
    pub from_name: Option<String>,
    /// How long one step may take: to connect, the handshake, each command.
    pub timeout_seconds: u32,
}
