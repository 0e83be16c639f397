//! `users`: where the accounts are, as far as a configuration says.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::table::Fallback::Is;
use crate::table::Key;
use crate::value::Kind;

pub(crate) const KEYS: &[Key] =
    &[Key::new("users.allow_shared_auth_database", Kind::Bool, Is("false"))];

/// Where the accounts are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsersConfig {
    /// Serve a database in which the login of the queries can read this server's own accounts,
    /// sessions or reset tokens.
    pub allow_shared_auth_database: bool,
}
