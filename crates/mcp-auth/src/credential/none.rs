//! Built without the feature `jwt`: there is none.

use std::time::SystemTime;

use mcp_identity::{CredentialFault, PlainToken};
use mcp_store::LoginSession;

use super::Named;

/// Nobody can have one.
pub(crate) enum Jwt {}

impl Jwt {
    pub(crate) fn mint(&self, _: &LoginSession) -> Option<PlainToken> {
        match *self {}
    }

    pub(crate) fn read(&self, _: &[u8], _: SystemTime) -> Result<Named, CredentialFault> {
        match *self {}
    }
}
