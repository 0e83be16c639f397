//! Sessions: one's own, and those of others for an admin.

use mcp_auth::{Auth, RefreshError};
use mcp_identity::{SessionId, UserName};
use mcp_store::{SessionSelector, StoreError};

use crate::admin::FindRejection;
use crate::person::SessionInfo;
use crate::service::{AccountService, Requester};

impl AccountService {
    /// The sessions of whoever asks, in the order in which they were opened.
    pub async fn own_sessions(&self, by: &Requester) -> Result<Vec<SessionInfo>, StoreError> {
        match by.session() {
            Some((user, current)) => self.sessions_of(user, Some(current)).await,
            None => Ok(Vec::new()),
        }
    }

    /// Ends one of them. `false`: it is not his, or not there, which nobody can tell apart.
    pub async fn end_own_session(
        &self,
        by: &Requester,
        id: &SessionId,
    ) -> Result<bool, StoreError> {
        let Some((user, _)) = by.session() else { return Ok(false) };
        let own = self.sessions_of(user, None).await?;
        if !own.iter().any(|session| session.id == *id) {
            return Ok(false);
        }
        let ended = self.end(by, SessionSelector::Id(id.clone())).await?;
        Ok(ended > 0)
    }

    /// Ends all of them but the one that asks. How many there were.
    pub async fn end_other_sessions(&self, by: &Requester) -> Result<usize, StoreError> {
        let Some((user, current)) = by.session() else { return Ok(0) };
        let others = SessionSelector::OfUser(user.clone(), Some(current.clone()));
        self.end(by, others).await
    }

    /// The sessions of an account that an admin looks at.
    pub async fn sessions_for_admin(
        &self,
        by: &Requester,
        of: &str,
    ) -> Result<Vec<SessionInfo>, FindRejection> {
        let person = self.find(of).await?.ok_or(FindRejection::NotFound)?;
        let current = by.session().map(|(_, id)| id);
        Ok(self.sessions_of(&person.name, current).await?)
    }

    /// Ends them all. How many there were.
    pub async fn end_sessions_for_admin(
        &self,
        by: &Requester,
        of: &str,
    ) -> Result<usize, FindRejection> {
        let person = self.find(of).await?.ok_or(FindRejection::NotFound)?;
        Ok(self.end(by, SessionSelector::OfUser(person.name, None)).await?)
    }

    /// Ends the session that asks. `false`: it is none.
    pub async fn log_out(&self, by: &Requester) -> Result<bool, StoreError> {
        self.auth.log_out(&by.principal, &by.caller).await
    }

    async fn sessions_of(
        &self,
        user: &UserName,
        current: Option<&SessionId>,
    ) -> Result<Vec<SessionInfo>, StoreError> {
        let now = self.now();
        let sessions = self.store.sessions_of(user).await?.into_iter();
        let open = sessions.filter(|session| !session.is_expired(now));
        Ok(open.map(|session| SessionInfo::of(session, current)).collect())
    }

    async fn end(&self, by: &Requester, which: SessionSelector) -> Result<usize, StoreError> {
        let ended = self.store.end_sessions(which).await?;
        self.record_ended(by, &ended);
        must_be_in_force(&self.auth).await?;
        Ok(ended.len())
    }
}

/// A session that was ended and may still open something is not ended.
async fn must_be_in_force(auth: &Auth) -> Result<(), StoreError> {
    match auth.refresh().await {
        // Stopped, nobody is let in.
        Ok(()) | Err(RefreshError::Stopped) => Ok(()),
        Err(RefreshError::Store(fault)) => Err(fault),
    }
}
