//! `audit`: the record of what happened to credentials.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::table::Fallback::{Is, Unset};
use crate::table::Key;
use crate::value::Kind;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "audit.file",
        Kind::Path,
        Unset(
            "`audit.jsonl` in `state.directory`; with `users.store: postgres`, the table `auth_events`",
        ),
    ),
    Key::new("audit.retention_days", Kind::Integer { min: 1, max: 36_500 }, Is("90")),
];

/// The record of what happened to credentials.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// The file that it is written to; those of earlier days stand beside it.
    pub file: Option<PathBuf>,
    /// How long the files of earlier days are kept, or the rows, in days.
    pub retention_days: u32,
}
