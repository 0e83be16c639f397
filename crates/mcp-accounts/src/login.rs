//! A name or an address, and a password, for a session.

use mcp_auth::{Attempt, Issue, LoginRejection, OpenedSession};
use mcp_identity::{Caller, CredentialFault, Password};
use mcp_store::SessionScope;

use crate::contact;
use crate::person::Person;
use crate::service::AccountService;

/// Somebody who has logged in.
#[derive(Debug)]
pub struct LoggedIn {
    /// The session. It may be good for the change of a password alone.
    pub session: OpenedSession,
    /// The account.
    pub person: Person,
}

impl AccountService {
    /// Opens a session. Everything about names and passwords is judged by `mcp-auth`; the
    /// credential is of the form that is configured.
    ///
    /// To be awaited to its end, as [`Auth::log_in`](mcp_auth::Auth::log_in) is.
    pub async fn log_in(
        &self,
        name: String,
        password: Password,
        caller: &Caller,
    ) -> Result<LoggedIn, LoginRejection> {
        // What is no address is nobody's; it takes the same way.
        let name = match name.contains('@').then(|| contact::email(&name)).flatten() {
            Some(email) => email,
            None => name,
        };
        let attempt = Attempt { name, password, caller: caller.clone() };
        let session = self.auth.log_in_for(&attempt, Issue::Configured).await?;
        let account = self.store.find_account(&session.user).await?;
        match account {
            Some(account) => Ok(LoggedIn { session, person: Person::of(account, self.now()) }),
            // Deleted since, and its session with it.
            None => Err(LoginRejection::Refused(CredentialFault::UnknownUser)),
        }
    }
}

impl LoggedIn {
    /// Whether the session is good for the change of the password, and for nothing else.
    #[must_use]
    pub fn is_for_password_change(&self) -> bool {
        match self.session.scope {
            SessionScope::Full => false,
            SessionScope::PasswordChange => true,
        }
    }
}
