//! `password_reset`: a lost password, found again by mail.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::table::Fallback::Is;
use crate::table::Key;
use crate::value::Kind;

pub(crate) const KEYS: &[Key] = &[
    Key::new("password_reset.enabled", Kind::Bool, Is("true")).aliases(&["PASSWORD_RESET_ENABLED"]),
    Key::new("password_reset.token_expiry_minutes", Kind::Integer { min: 1, max: 1_440 }, Is("60"))
        .aliases(&["PASSWORD_RESET_TOKEN_EXPIRY_MINUTES"]),
    Key::new("password_reset.rate_limit", Kind::Integer { min: 1, max: 1_000 }, Is("5"))
        .aliases(&["PASSWORD_RESET_RATE_LIMIT"]),
    Key::new("password_reset.rate_window_minutes", Kind::Integer { min: 1, max: 1_440 }, Is("15"))
        .aliases(&["PASSWORD_RESET_RATE_WINDOW_MINUTES"]),
    Key::new("password_reset.invalidate_sessions", Kind::Bool, Is("true"))
        .aliases(&["PASSWORD_RESET_INVALIDATE_SESSIONS"]),
    Key::new("password_reset.min_response_ms", Kind::Integer { min: 0, max: 10_000 }, Is("250"))
        .aliases(&["PASSWORD_RESET_MIN_RESPONSE_MS"]),
];

/// A lost password, found again by mail.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordResetConfig {
    /// People may ask for a link by mail. An admin can mint one in any case.
    pub enabled: bool,
    /// How long a link holds.
    pub token_expiry_minutes: NonZeroU32,
    /// Links that may be asked for one address of mail in the window.
    pub rate_limit: NonZeroU32,
    /// The window of that limit, and of the 20 that one client may ask for.
    pub rate_window_minutes: NonZeroU32,
    /// A new password by a link ends every session of its account.
    pub invalidate_sessions: bool,
    /// No answer to who asks for a link comes before.
    pub min_response_ms: u32,
}
