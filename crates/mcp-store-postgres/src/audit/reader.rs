//! Reading the log back, and on from there.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use mcp_identity::UserName;
use mcp_store::{AuditFilter, AuditLine, StoreError, StoreErrorKind};
use tokio::time::sleep;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::fault::fault;
use crate::pool::Values;
use crate::store::PostgresStore;

/// How often it looks for new rows.
const PAUSE: Duration = Duration::from_millis(500);
/// So many are read at once.
const PAGE: i64 = 500;

/// The line of a row. Rows that were written by hand have none; it is made of their columns.
pub(super) const LINE: &str = "(CASE WHEN details ? 'v' THEN details ELSE \
    jsonb_strip_nulls(jsonb_build_object('v', 1, \
      'time', to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
      'action', event_type, 'outcome', CASE WHEN success THEN 'done' ELSE 'refused' END, \
      'reason', failure_reason, 'user', login_hint, 'address', ip_address, \
      'agent', user_agent)) END)::text";

/// The lines of a log in the order in which they were written, oldest first.
///
/// They end where the log ends now; asked again, they go on with what was written since. A row
/// that cannot be read is an error with its number, and the next call goes on behind it. After any
/// other error they end for now.
pub struct PostgresAuditLines {
    store: PostgresStore,
    filter: AuditFilter,
    /// The number of the last row that was read.
    after: i64,
    read: VecDeque<Result<AuditLine, StoreError>>,
    /// The store failed, and may well fail again.
    failed: bool,
}

impl PostgresStore {
    /// The lines of the audit log that `filter` wants, of all servers.
    #[must_use]
    pub fn audit_lines(&self, filter: AuditFilter) -> PostgresAuditLines {
        let (store, read) = (self.clone(), VecDeque::new());
        PostgresAuditLines { store, filter, after: 0, read, failed: false }
    }
}

impl PostgresAuditLines {
    /// The next line; `None`: there is none now. Dropping the future loses no line.
    pub async fn next(&mut self) -> Option<Result<AuditLine, StoreError>> {
        if std::mem::take(&mut self.failed) {
            return None;
        }
        if self.read.is_empty()
            && let Err(error) = self.read_on().await
        {
            self.failed = true;
            return Some(Err(error));
        }
        self.read.pop_front()
    }

    /// The next line; waits for it, and looks twice a second. Dropping the future loses no line.
    ///
    /// # Errors
    /// As [`next`](Self::next): an error, after which it goes on.
    pub async fn wait(&mut self) -> Result<AuditLine, StoreError> {
        loop {
            match self.next().await {
                Some(line) => return line,
                None => sleep(PAUSE).await,
            }
        }
    }

    async fn read_on(&mut self) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT id, {LINE} FROM auth_events WHERE id > $1 AND ($2 IS NULL OR ts >= $2) \
              AND ($3 IS NULL OR mcp_fold(login_hint) = $3 \
                   OR user_id = (SELECT id FROM users WHERE name_key = $3)) \
            ORDER BY id LIMIT $4"
        );
        let user = self.filter.user.as_ref().map(UserName::key);
        let values: Values<'_> = &[
            (&self.after, Type::INT8),
            (&self.filter.since, Type::TIMESTAMPTZ),
            (&user, Type::TEXT),
            (&PAGE, Type::INT8),
        ];
        for row in self.store.pool().read(&sql, values).await? {
            self.after = self.store.reader().get(&row, 0)?;
            self.read.push_back(self.line(&row));
        }
        Ok(())
    }

    fn line(&self, row: &Row) -> Result<AuditLine, StoreError> {
        let text: &str = self.store.reader().get(row, 1)?;
        AuditLine::parse(text.as_bytes()).map_err(|broken| {
            let what = format!("the audit event with id {}: {broken}", self.after);
            fault(self.store.pool().place(), StoreErrorKind::Refused, what)
        })
    }
}

impl fmt::Debug for PostgresAuditLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAuditLines").field("after", &self.after).finish_non_exhaustive()
    }
}
