//! What an admin must not do to accounts: take away his own, or the last one.

use mcp_identity::UserName;

use crate::service::Requester;

/// What was not done, so that somebody can still look after the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Guard {
    /// Nobody deletes his own account here.
    #[error("you cannot delete your own account")]
    OwnAccount,
    /// Nobody takes his own rights.
    #[error("you cannot take your own rights away")]
    OwnRights,
    /// There would be no admin left: the store says so, which knows what others do meanwhile.
    #[error("the last admin stays")]
    LastAdmin,
}

impl Guard {
    /// A word that never changes, for the audit log.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::OwnAccount => "own_account",
            Self::OwnRights => "own_rights",
            Self::LastAdmin => "last_admin",
        }
    }
}

impl Requester {
    /// Is this his own account? With a token that is nobody's, none is.
    pub(crate) fn is(&self, name: &UserName) -> bool {
        self.principal.user.as_ref() == Some(name)
    }
}
