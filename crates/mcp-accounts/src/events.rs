//! What happened: to one's own account, and to all of them for an admin.

use std::net::IpAddr;
use std::time::SystemTime;

use mcp_store::{AuditFilter, AuditLine, AuditPage, FARTHEST_EVENT, MOST_EVENTS, StoreError};

use crate::service::{AccountService, Requester};

/// Which part of what happened is looked at, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How many events.
    pub limit: usize,
    /// How many newer ones are passed over.
    pub offset: usize,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventInfo {
    /// When.
    pub time: SystemTime,
    /// What was done or tried, as a word that never changes.
    pub action: String,
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// Why it was not done, as a word that never changes.
    pub reason: Option<String>,
    /// The account that it concerns.
    pub user: Option<String>,
    /// The session that it concerns, by its public name.
    pub session: Option<String>,
    /// The API token that it concerns, by its public name.
    pub token: Option<String>,
    /// The database that a statement ran on.
    pub database: Option<String>,
    /// What the statement does.
    pub command: Option<String>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// What the client called itself. What acts in it is escaped.
    pub agent: Option<String>,
    /// The request that did it.
    pub request: Option<String>,
    /// The credential that did it.
    pub principal: Option<String>,
    /// Who did it at a terminal. What acts in it is escaped.
    pub operator: Option<String>,
    /// How many events it stands for.
    pub count: u64,
}

impl Span {
    /// The largest limit.
    pub const MOST: usize = MOST_EVENTS;
    /// The largest offset.
    pub const FARTHEST: usize = FARTHEST_EVENT;
}

impl AccountService {
    /// What happened to the account of whoever asks, since it was made: an account of that name
    /// that was deleted before was somebody else's.
    ///
    /// Who did it, and from where, is told of what strangers tried, of what a session did to
    /// itself, and of what the one that asks did: what an admin did does not tell where he is.
    pub async fn own_events(
        &self,
        by: &Requester,
        span: Span,
    ) -> Result<Vec<EventInfo>, StoreError> {
        let Some((user, session)) = by.session() else { return Ok(Vec::new()) };
        let Some(account) = self.store.find_account(user).await? else { return Ok(Vec::new()) };
        let since = Some(account.record.created_at);
        let filter = AuditFilter { since, user: Some(user.clone()) };
        let lines = self.look_back(filter, span).await?.into_iter();
        Ok(lines.map(|line| EventInfo::of_own(line, session.as_str())).collect())
    }

    /// What happened to anybody and anything. The endpoint lets in admins alone.
    pub async fn events_for_admin(&self, span: Span) -> Result<Vec<EventInfo>, StoreError> {
        let lines = self.look_back(AuditFilter::default(), span).await?;
        Ok(lines.into_iter().map(EventInfo::of).collect())
    }

    async fn look_back(
        &self,
        filter: AuditFilter,
        span: Span,
    ) -> Result<Vec<AuditLine>, StoreError> {
        let Span { limit, offset } = span;
        self.events.newest(AuditPage { filter, limit, offset }).await
    }
}

impl EventInfo {
    fn of(line: AuditLine) -> Self {
        let line = line.visible();
        Self {
            time: line.time,
            action: line.action,
            outcome: line.outcome,
            reason: line.reason,
            user: line.user,
            session: line.session,
            token: line.token,
            database: line.database,
            command: line.command,
            address: line.address,
            agent: line.agent,
            request: line.request_id,
            principal: line.principal,
            operator: line.operator,
            count: line.count,
        }
    }

    fn of_own(line: AuditLine, asking: &str) -> Self {
        let is_own = match &line.principal {
            None => line.operator.is_none(),
            Some(principal) => {
                // A session of whatever scope; a token may be called anything.
                let of = |id: &str| {
                    let known = principal.split_once(':');
                    known.is_some_and(|(kind, whose)| kind != "token" && whose == id)
                };
                of(asking) || line.session.as_deref().is_some_and(of)
            }
        };
        let event = Self::of(line);
        if is_own {
            return event;
        }
        let (address, agent, request) = (None, None, None);
        Self { address, agent, request, principal: None, operator: None, ..event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(who: &str) -> AuditLine {
        let line = format!(
            r#"{{"v":1,"time":"2026-11-21T12:00:00Z","action":"edit_user","outcome":"done",
            "user":"alice","session":"aa","address":"192.0.2.7","agent":"x","request_id":"r"{who}}}"#
        );
        AuditLine::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn where_an_admin_is_is_not_told_to_whom_he_looks_after() {
        for own in ["", r#","principal":"session:bb""#, r#","principal":"session:aa""#] {
            assert!(EventInfo::of_own(line(own), "bb").address.is_some(), "{own}");
        }
        for others in
            [r#","principal":"session:cc""#, r#","principal":"token:bb""#, r#","operator":"root""#]
        {
            let told = EventInfo::of_own(line(others), "bb");
            let hidden = (told.address, told.agent, told.request, told.principal, told.operator);
            assert_eq!(hidden, (None, None, None, None, None), "{others}");
            assert_eq!(told.action, "edit_user");
        }
    }
}
