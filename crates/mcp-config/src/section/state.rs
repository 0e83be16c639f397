//! `state`: what the server keeps for itself.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::table::Fallback::Derived;
use crate::table::Key;
use crate::value::Kind;

pub(crate) const KEYS: &[Key] =
    &[Key::new("state.directory", Kind::Path, Derived("the directory of `http.auth.user_file`"))
        .ambient(&["STATE_DIRECTORY"])];

/// What the server keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StateConfig {
    /// Where sessions, failure counters, locks and reset links are kept.
    pub directory: PathBuf,
}
