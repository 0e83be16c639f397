//! `log`: what the server says while it runs.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::table::Fallback::Is;
use crate::table::{Key, Reload};
use crate::value::Kind;

pub(crate) const KEYS: &[Key] = &[
    Key::new("log.format", Kind::OneOf(&["auto", "text", "json"]), Is("auto")).flag("--log-format"),
    Key::new("log.level", Kind::OneOf(&["error", "warn", "info", "debug", "trace"]), Is("info"))
        .flag("--log-level")
        .reload(Reload::Live),
];

/// What the server says while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// How a log line looks; `auto` is `text` on a terminal, else `json`.
    pub format: LogFormat,
    /// The least important line that is still written.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important line that is still written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What will fail.
    Warn,
    /// What happened.
    Info,
    /// What was considered.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level as a log filter writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
